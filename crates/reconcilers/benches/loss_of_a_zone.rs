//! How long the house takes to replace what a lost zone had: 1,000 services of 100 tasks each in
//! three zones, one of which is given up. Wall time is of one thread with nothing else in it; virtual
//! time is counted from the moment at which the zone's tasks are given up.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, clippy::panic, unreachable_pub)]

#[path = "house/region.rs"]
mod house;

use std::time::Instant;

use house::{House, ZONES};
use types::{InstanceId, Timestamp, Zone};

const SERVICES: u64 = 1_000;
const TASKS: u32 = 100;
const INSTANCES: u128 = 900;

fn main() {
    let mut house = House::new(INSTANCES);
    let begun = Instant::now();
    for number in 0..SERVICES {
        house.create(number, TASKS, false);
    }
    house.run_until(Timestamp(0));
    println!("{} tasks placed in {:.1} s", house.wanted(), begun.elapsed().as_secs_f64());
    house.answer();
    house.run_until(Timestamp(10_000));
    println!("{} services are steady", house.steady());

    let zone = Zone::parse(ZONES[0]).expect("valid");
    let lost: Vec<InstanceId> = house
        .state
        .container_instances()
        .values()
        .filter(|it| it.zone == zone)
        .map(|it| it.id)
        .collect();
    for id in &lost {
        house.step(|draft, now| plan::instances::disconnect(draft, *id, now));
    }
    let given_up = Timestamp(house.now.0 + 60_000);
    house.run_until(Timestamp(given_up.0 - 1));
    house.forget_costs();
    let (begun, before) = (Instant::now(), house.wanted());
    house.run_until(given_up);
    let placed = house.wanted();
    house.answer();
    house.run_until(Timestamp(given_up.0 + 6_000));
    let steady = house.steady();
    println!(
        "{} instances lost with the zone: {placed} of {before} tasks are wanted again at the moment \
         of detection, {steady} services steady 6 s later; {:.1} s of wall time, {} reviews, {} rows",
        lost.len(),
        begun.elapsed().as_secs_f64(),
        house.all_reviews().count,
        house.changes,
    );
    assert_eq!((placed, steady), (before, usize::try_from(SERVICES).expect("few")));
}
