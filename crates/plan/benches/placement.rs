//! Placements a second on one core, by size of the cluster.
//!
//! One decision is: `choose` from the placement index, then hold the placement in that index
//! (`Capacity::task`), so that the next decision sees it. The tables and the other indexes of the
//! state are not touched; a line of its own tells what the whole of `State::apply` adds. Times are
//! processor time of the one thread, so that neighbours on the machine do not count.
#![allow(clippy::print_stdout, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_precision_loss, clippy::format_push_string)]

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::placement::{Constraint, Request, Resource, Strategy, choose, place};
use plan::query::Expression;
use state::{
    Capacity, ContainerInstance, Demand, Desired, Dice, InstanceStatus, LaunchType, Resources,
    Revision, State, Status, Task,
};
use types::{
    AccountId, ClusterName, Cpu, Family, Group, Home, InstanceId, MemoryMib, Port, Region, TaskId,
    Timestamp, Zone,
};

const SIZES: [usize; 3] = [1_000, 10_000, 50_000];
const ROUNDS: usize = 3;
const DECISIONS: usize = 20_000;
/// Requests and records are made in lots of so many outside the clock: they are the caller's, who
/// has just read them from the wire, so they are in the processor's cache and evict nothing.
const AT_HAND: usize = 50;

/// Nanoseconds that this thread has been on a processor: neighbours do not count.
fn on_processor() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("time runs forward")
}

fn cluster() -> ClusterName {
    ClusterName::parse("default").expect("valid")
}

fn group(number: u64) -> Group {
    Group::parse(&format!("service:{number}")).expect("valid")
}

/// Four sizes of machine in three zones, with random identifiers.
fn instance(number: usize, dice: &mut Dice) -> ContainerInstance {
    let size = [1, 2, 4, 8][number % 4];
    let zone = ["us-east-1a", "us-east-1b", "us-east-1c"][number / 4 % 3];
    let kind = ["m5.large", "m5.xlarge", "m5.2xlarge", "m5.4xlarge"][number % 4];
    let mut attributes = BTreeMap::new();
    for capability in 0..30 {
        attributes.insert(format!("com.amazonaws.ecs.capability.{capability}"), None);
    }
    attributes.insert("ecs.instance-type".to_owned(), Some(kind.to_owned()));
    attributes.insert("rack".to_owned(), Some(format!("r{}", number % 40)));
    ContainerInstance {
        id: InstanceId::new(dice.bits()),
        cluster: cluster(),
        status: InstanceStatus::Active,
        ec2_instance_id: format!("i-{number:017x}"),
        zone: Zone::parse(zone).expect("valid"),
        attributes,
        resources: Resources {
            cpu: Cpu(2_048 * size),
            memory: MemoryMib(7_680 * size),
            ports: vec![Port::tcp(22)],
            gpus: Vec::new(),
            interfaces: None,
        },
        connected: true,
        connected_at: Timestamp(0),
        given_up_at: None,
        registered_at: Timestamp(0),
        version: 1,
        agent_version: "1.89.2".to_owned(),
        agent_hash: String::new(),
        docker_version: String::new(),
        tags: Vec::new(),
        owner: String::new(),
        machine: None,
        incarnation: 1,
        status_reason: None,
        registrations: None,
        forgot_at: None,
    }
}

fn task(id: u128, on: InstanceId, zone: &Zone, request: &Request) -> Task {
    Task {
        id: TaskId::new(id),
        cluster: cluster(),
        revision: Revision { family: Family::parse("web").expect("valid"), number: 1 },
        instance: on,
        zone: zone.clone(),
        group: request.group.clone(),
        started_by: None,
        token: None,
        audit: 0,
        launch: LaunchType::Ec2,
        demand: request.demand.clone(),
        overrides: Vec::new(),
        tags: Vec::new(),
        desired: Desired::Running,
        last: Status::Pending,
        containers: Vec::new(),
        stop: None,
        created_at: Timestamp(0),
        pull_started_at: None,
        pull_stopped_at: None,
        started_at: None,
        stopping_at: None,
        execution_stopped_at: None,
        stopped_at: None,
        connected_at: None,
        version: 1,
        interface: None,
        released: false,
        exec: false,
        reference: None,
        placing: None,
        service: None,
    }
}

fn request(demand: Demand, group: Group) -> Request {
    Request {
        cluster: cluster(),
        demand,
        group,
        constraints: Vec::new(),
        requires: Vec::new(),
        zones: None,
        strategies: Vec::new(),
    }
}

fn demand(dice: &mut Dice) -> Demand {
    let number = |it: u64| u32::try_from(it).expect("small");
    Demand {
        cpu: Cpu(64 + number(dice.below(449))),
        memory: MemoryMib(128 + number(dice.below(897))),
        ..Demand::default()
    }
}

fn empty(size: usize) -> Capacity {
    let mut dice = Dice::of(1);
    let mut capacity = Capacity::default();
    for number in 0..size {
        capacity.container_instance(None, Some(&Arc::new(instance(number, &mut dice))));
    }
    capacity
}

/// Fills that share of the CPU with tasks of many groups, packed so that small machines are full.
fn fill(capacity: &mut Capacity, percent: usize, size: usize, strategies: &[Strategy]) {
    let mut dice = Dice::of(2);
    let count = size * 7_680 / 288 * percent / 100;
    for number in 0..count {
        let groups = (size / 10) as u64;
        let mut it = request(demand(&mut dice), group(dice.below(groups)));
        it.strategies = strategies.to_vec();
        let Some(placed) = choose(capacity, &it, dice.bits()) else { return };
        let id = (1 << 64) + number as u128;
        capacity.task(None, Some(&task(id, placed.instance, &placed.zone, &it)));
    }
}

/// Seconds for one decision, the best of some rounds, each from the same start; and how many of
/// the decisions found a place.
fn measure(start: &Capacity, wants: impl Fn(usize, &mut Dice) -> Request) -> (f64, usize) {
    let zone = Zone::parse("us-east-1a").expect("valid");
    let mut best = f64::MAX;
    let mut placed = 0;
    for round in 0..ROUNDS {
        let mut capacity = start.clone();
        let mut dice = Dice::of(round as u64);
        let (mut spent, mut bits) = (0, 0_u128);
        placed = 0;
        for first in (0..DECISIONS).step_by(AT_HAND) {
            let mut work: Vec<_> = (first..first + AT_HAND)
                .map(|number| {
                    let it = wants(number, &mut dice);
                    let task = task(number as u128, InstanceId::new(0), &zone, &it);
                    (it, task)
                })
                .collect();
            let clock = on_processor();
            for (request, task) in &mut work {
                bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
                if let Some(it) = choose(&capacity, request, bits) {
                    task.instance = it.instance;
                    task.zone = it.zone;
                    capacity.task(None, Some(task));
                    placed += 1;
                }
            }
            spent += on_processor() - clock;
        }
        best = best.min(spent as f64 / 1e9 / DECISIONS as f64);
    }
    (best, placed)
}

type Wants = fn(usize, &mut Dice) -> Request;

fn spread_one(_: usize, dice: &mut Dice) -> Request {
    request(demand(dice), group(0))
}

fn spread_many(_: usize, dice: &mut Dice) -> Request {
    let it = group(dice.below(1_000));
    request(demand(dice), it)
}

fn spread_fixed(_: usize, _: &mut Dice) -> Request {
    let demand = Demand { cpu: Cpu(256), memory: MemoryMib(512), ..Demand::default() };
    request(demand, group(0))
}

fn packed(number: usize, dice: &mut Dice) -> Request {
    Request { strategies: vec![Strategy::Binpack(Resource::Memory)], ..spread_many(number, dice) }
}

fn random(number: usize, dice: &mut Dice) -> Request {
    Request { strategies: vec![Strategy::Random], ..spread_many(number, dice) }
}

fn constrained(number: usize, dice: &mut Dice) -> Request {
    let text = "attribute:ecs.instance-type == m5.2xlarge and attribute:rack not_in [r1, r2]";
    let expression = Expression::parse(text).expect("valid");
    let requires = (0..4).map(|it| format!("com.amazonaws.ecs.capability.{it}")).collect();
    Request {
        constraints: vec![Constraint::MemberOf(expression)],
        requires,
        ..spread_many(number, dice)
    }
}

fn by_rack(number: usize, dice: &mut Dice) -> Request {
    use plan::placement::Field;
    let rack = Strategy::Spread(Field::Attribute("rack".to_owned()));
    Request {
        strategies: vec![rack, Strategy::Spread(Field::Instance)],
        ..spread_many(number, dice)
    }
}

fn unplaceable(number: usize, dice: &mut Dice) -> Request {
    let mut it = spread_many(number, dice);
    it.demand.memory = MemoryMib(100_000);
    it
}

/// Whether the command line asks for this line; without words it asks for all.
fn is_asked(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|it| !it.starts_with("--")).peekable();
    words.peek().is_none() || words.any(|it| name.contains(&it))
}

fn line(name: &str, wants: Wants, starts: &[Capacity]) -> Vec<f64> {
    let mut seconds = Vec::new();
    if !is_asked(name) {
        return vec![0.0; starts.len()];
    }
    let mut text = format!("{name:<44}");
    for start in starts {
        let (each, placed) = measure(start, wants);
        let share = if placed == DECISIONS { String::new() } else { format!(" ({placed} placed)") };
        text += &format!(" {:>7.0} ns{share}", each * 1e9);
        seconds.push(each);
    }
    println!(
        "{text}   50k/10k {:.2}   decisions/s at 10k {:.0}",
        seconds[2] / seconds[1],
        1.0 / seconds[1]
    );
    seconds
}

/// What an index must beat: a scan over plain arrays that knows nothing but zones, CPU, memory and
/// one group.
fn scan(size: usize) -> f64 {
    const SCANS: usize = 400;
    let mut dice = Dice::of(3);
    let zones: Vec<usize> = (0..size).map(|it| it / 4 % 3).collect();
    let mut left: Vec<(u32, u32)> =
        (0..size).map(|it| [1, 2, 4, 8][it % 4]).map(|it| (2_048 * it, 7_680 * it)).collect();
    let mut counts = vec![0_u32; size];
    let mut by_zone = [0_u32; 3];
    let wants: Vec<_> = (0..SCANS).map(|_| demand(&mut dice)).collect();
    let clock = on_processor();
    for it in &wants {
        let fits = |at: &usize| left[*at].0 >= it.cpu.0 && left[*at].1 >= it.memory.0;
        let rank = |at: &usize| (by_zone[zones[*at]], counts[*at], *at);
        if let Some(at) = (0..size).filter(fits).min_by_key(rank) {
            left[at] = (left[at].0 - it.cpu.0, left[at].1 - it.memory.0);
            counts[at] += 1;
            by_zone[zones[at]] += 1;
        }
    }
    (on_processor() - clock) as f64 / 1e9 / SCANS as f64
}

/// The whole way through the state: `place`, then `State::apply` of the task.
fn whole(size: usize) -> f64 {
    let mut dice = Dice::of(1);
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    for number in 0..size {
        state.apply(instance(number, &mut dice).into());
    }
    let requests: Vec<_> = (0..DECISIONS).map(|it| spread_many(it, &mut dice)).collect();
    let clock = on_processor();
    for (number, request) in requests.iter().enumerate() {
        if let Ok(placed) = place(&state, request, 0) {
            state.apply(task(number as u128, placed.instance, &placed.zone, request).into());
        }
    }
    (on_processor() - clock) as f64 / 1e9 / DECISIONS as f64
}

/// A refusal with its explanation, as RunTask needs it.
fn refused(size: usize) -> f64 {
    let mut dice = Dice::of(1);
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    for number in 0..size {
        state.apply(instance(number, &mut dice).into());
    }
    let request = unplaceable(0, &mut dice);
    let clock = on_processor();
    for _ in 0..1_000 {
        assert_eq!(place(&state, &request, 0).expect_err("no room").failures().len(), 10);
    }
    (on_processor() - clock) as f64 / 1e9 / 1_000.0
}

fn main() {
    println!("one decision, held in the placement index; columns: {SIZES:?} instances in 3 zones");
    let fresh: Vec<_> = SIZES.iter().map(|it| empty(*it)).collect();
    let spread = line("spread zone+instance, 1 group", spread_one, &fresh);
    if is_asked("scan") {
        for (size, indexed) in SIZES.iter().zip(&spread) {
            let scanned = scan(*size);
            println!(
                "   {size:>6} instances: a scan of plain arrays takes {:.0} ns, {:.0} times as long",
                scanned * 1e9,
                scanned / indexed
            );
        }
    }
    line("spread zone+instance, 1 group, one size", spread_fixed, &fresh);
    line("spread zone+instance, 1,000 groups", spread_many, &fresh);
    line("binpack memory", packed, &fresh);
    line("random", random, &fresh);
    line("memberOf and 4 required attributes", constrained, &fresh);
    line("spread over 40 racks, then instances", by_rack, &fresh);
    let refusal = line("unplaceable, without explanation", unplaceable, &fresh);
    println!("   unplaceable / spread at 10k: {:.2}", refusal[1] / spread[1]);

    if !is_asked("full") {
        return;
    }
    println!("the same, most machines full (binpacked to 80 % of the CPU by size/10 groups)");
    let mut full = fresh;
    for (it, size) in full.iter_mut().zip(SIZES) {
        fill(it, 80, size, &[Strategy::Binpack(Resource::Cpu)]);
    }
    line("full: spread zone+instance, 1 group", spread_one, &full);
    line("full: spread zone+instance, 1,000 groups", spread_many, &full);
    line("full: binpack memory", packed, &full);
    line("full: random", random, &full);
    line("full: memberOf and 4 required attributes", constrained, &full);
    line("full: unplaceable, without explanation", unplaceable, &full);

    if !is_asked("through the state") {
        return;
    }
    println!("through the state");
    for size in SIZES {
        println!("   {size:>6} instances: place and State::apply {:.0} ns", whole(size) * 1e9);
    }
    for size in SIZES {
        println!(
            "   {size:>6} instances: refusal with ten explanations {:.0} ns",
            refused(size) * 1e9
        );
    }
}
