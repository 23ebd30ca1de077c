//! What looks at services cost, and all reviews with them, where services or their cluster are large.
//! Every task reports by itself and whoever it wakes looks at once, so that nothing is looked at once
//! for many.
//!
//! `cargo bench -p reconcilers --bench large_services [-- SCENARIO …]`
#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, clippy::panic, unreachable_pub)]

#[path = "house/region.rs"]
mod house;

use core::time::Duration;

use house::House;
use state::TargetHealth;
use types::Timestamp;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let all: [(&str, fn()); 4] =
        [("deploy", deploy), ("steady", steady), ("scale", scale), ("drain", drain)];
    for (name, scenario) in all {
        if asked.is_empty() || asked.iter().any(|it| it == name) {
            scenario();
        }
    }
}

fn tell(house: &House, what: &str) {
    let (looks, all) = (house.looks(), house.all_reviews());
    println!(
        "{what}: {} looks, {:.1} µs each, {:.2} s together; all {} reviews {:.2} s, {} rows",
        looks.count,
        looks.took.as_secs_f64() * 1e6 / f64::from(looks.count.max(1)),
        looks.took.as_secs_f64(),
        all.count,
        all.took.as_secs_f64(),
        house.changes,
    );
}

/// A service of so many tasks that is steady, in a cluster with room for twice as many.
fn service(count: u32, is_balanced: bool) -> House {
    let mut house = House::new(u128::from(count) / 20);
    if is_balanced {
        house.balance();
    }
    house.create(0, count, is_balanced);
    house.run_while(|it| it.row(0).steady_at.is_none());
    house.forget_costs();
    house
}

/// A new revision is rolled out. A target group holds 1,000 targets: twice 500.
fn deploy() {
    for (count, is_balanced) in [(1_000, false), (5_000, false), (10_000, false)]
        .into_iter()
        .chain([(250, true), (500, true)])
    {
        let mut house = service(count, is_balanced);
        house.deploy(0, is_balanced);
        house.run_while(|it| it.row(0).steady_at.is_none() || it.wanted() > count as usize);
        let with = if is_balanced { " that are targets" } else { "" };
        tell(&house, &format!("a new revision of {count} tasks{with}"));
    }
}

/// The health of one target after the other changes, and changes back.
fn steady() {
    for count in [250, 500, 1_000] {
        let mut house = service(count, true);
        let keys: Vec<_> = house.state.targets().keys().take(200).cloned().collect();
        for key in keys {
            house.now = house.now.after(Duration::from_millis(1));
            house.find(&key, TargetHealth::Healthy);
        }
        tell(&house, &format!("200 reports on targets of a steady service of {count} tasks"));
    }
}

/// All tasks but ten go.
fn scale() {
    for count in [1_000, 5_000, 10_000] {
        let mut house = service(count, false);
        house.scale(0, 10);
        house.run_while(|it| it.row(0).steady_at.is_none());
        tell(&house, &format!("from {count} tasks to 10"));
    }
}

/// One instance drains, of a cluster with so many services of 100 tasks each.
fn drain() {
    for services in [100, 300, 1_000] {
        let mut house = House::new(u128::from(services));
        for number in 0..services {
            house.create(number, 100, false);
        }
        let all = usize::try_from(services).expect("few");
        house.run_while(|it| it.steady() < all);
        house.run_until(Timestamp(house.now.0 + 10_000));
        house.forget_costs();
        house.drain(1);
        let there = house.running_on(1);
        house.run_while(|it| it.running_on(1) > 0);
        tell(&house, &format!("{there} tasks leave one of {services} instances"));
    }
}
