//! Every operation with made-up requests: nothing panics, nothing half-done stays.

use state::State;

use super::chance::{Chance, Known};
use super::*;

/// How many requests each seed makes.
const REQUESTS: usize = 6000;

/// The state without the audit row that one request has added since `before`.
pub(super) fn without_audit(state: &State, before: &State) -> State {
    let mut state = state.clone();
    let newest = before.audits().last_key_value().map_or(0, |(number, _)| *number);
    let added: Vec<u64> = state.audits().range(newest + 1..).map(|(number, _)| *number).collect();
    assert!(added.len() <= 1, "one request leaves one row");
    for number in added {
        state.apply(Change::Audit(number, None));
    }
    if let Some(region) = before.region().get(&()) {
        state.apply(Change::from(region.clone()));
    }
    state
}

/// A region in which made-up names can hit something.
fn inhabited() -> Fixture {
    let mut region = fixture::region();
    for bits in 1..=3 {
        region.instance(bits);
    }
    region
}

/// Names and ARNs of what exists, a few of each kind.
fn known(state: &State) -> Known {
    let home = state.home();
    let clusters =
        state.clusters().keys().take(3).flat_map(|it| [it.to_string(), home.cluster(it)]);
    let definitions = state
        .task_definitions()
        .keys()
        .rev()
        .take(5)
        .flat_map(|it| [it.to_string(), home.task_definition(&it.family, it.number)]);
    let instances = state
        .container_instances()
        .values()
        .take(5)
        .flat_map(|it| [it.id.to_string(), home.instance(&it.cluster, it.id)]);
    let tasks = state
        .tasks()
        .values()
        .rev()
        .take(10)
        .flat_map(|it| [it.id.to_string(), home.task(&it.cluster, it.id)]);
    let definitions: Vec<String> = definitions.collect();
    let instances: Vec<String> = instances.collect();
    let tasks: Vec<String> = tasks.collect();
    vec![
        ("cluster", clusters.collect()),
        ("taskdefinition", definitions.clone()),
        ("containerinstance", instances.clone()),
        ("target", instances.clone()),
        ("task", tasks.clone()),
        ("resource", [definitions, instances, tasks].concat()),
    ]
}

/// A request that would be carried out, for operations that chance alone seldom satisfies.
fn sound(name: &str) -> Option<Box<dyn Shape>> {
    match name {
        "RegisterTaskDefinition" => {
            let container = op::ContainerDefinition {
                name: Some("app".into()),
                image: Some("landfall/demo:latest".into()),
                memory: Some(64),
                ..Default::default()
            };
            Some(Box::new(op::RegisterTaskDefinitionRequest {
                family: Some("web".into()),
                container_definitions: Some(vec![container]),
                ..Default::default()
            }))
        }
        "RunTask" => Some(Box::new(op::RunTaskRequest {
            task_definition: Some("web".into()),
            client_token: Some("token".into()),
            ..Default::default()
        })),
        "StartTask" => Some(Box::new(op::StartTaskRequest {
            task_definition: Some("web".into()),
            container_instances: Some(vec![format!("{:032x}", 1)]),
            ..Default::default()
        })),
        "RegisterContainerInstance" => {
            let resource = |name: &str, value: i32| op::Resource {
                name: Some(name.into()),
                r#type: Some("INTEGER".into()),
                integer_value: Some(value),
                ..Default::default()
            };
            Some(Box::new(op::RegisterContainerInstanceRequest {
                total_resources: Some(vec![resource("CPU", 1024), resource("MEMORY", 2048)]),
                ..Default::default()
            }))
        }
        _ => None,
    }
}

/// What came of requests.
#[derive(Debug, Default)]
struct Tally {
    invalid: usize,
    done: usize,
    refused: usize,
}

/// Puts one made-up request before an operation; `None` if it breaks the limits of its shape.
fn ask(region: &mut Fixture, dice: &mut state::Dice, name: &str, entry: &Entry) -> Option<Answer> {
    let names = known(&region.state);
    let fill: Fill<'_> = &mut |into| {
        let sound = sound(name).filter(|_| dice.below(4) > 0);
        if let Some(sound) = &sound {
            with(sound.as_ref())(into)?;
        }
        let members = if sound.is_some() { 1 } else { 3 };
        Chance::fill(dice, &names, members, into);
        Ok(())
    };
    let before = region.state.clone();
    match entry {
        Entry::Call(_) => None,
        Entry::Read(entry) => {
            let read = entry.prepare(fill).ok()?;
            let answer = region.look(|state, context| read.run(state, context));
            assert!(region.state == before, "{name} changed what it looked at");
            Some(answer)
        }
        Entry::Write(entry) => {
            let write = entry.prepare(fill).ok()?;
            let answer = region.step(|draft, context| write.run(draft, context));
            if answer.is_err() {
                let after = without_audit(&region.state, &before);
                assert!(after == before, "{name} was refused and left something");
            }
            Some(answer)
        }
    }
}

fn play(seed: u64, tally: &mut Tally) {
    let registry = registry();
    let entries: Vec<_> = registry.entries().collect();
    let mut dice = state::Dice::of(seed);
    let mut region = inhabited();
    for step in 0..REQUESTS {
        let place = usize::try_from(dice.below(entries.len() as u64)).expect("fits");
        let (_, name, entry) = &entries[place];
        match ask(&mut region, &mut dice, name, entry) {
            None => tally.invalid += 1,
            Some(Ok(_)) => tally.done += 1,
            Some(Err(fault)) => {
                assert!(!fault.message.is_empty(), "{name}: {}", fault.code);
                assert_eq!(fault.status / 100, 4, "{name}: {fault}");
                tally.refused += 1;
            }
        }
        if step % 100 == 0 {
            let fresh = region.state.recomputed_indexes();
            assert!(fresh == *region.state.indexes(), "seed {seed}, step {step}: {name}");
        }
        region.now = region.now.after(core::time::Duration::from_millis(dice.below(1000)));
    }
}

#[test]
fn made_up_requests_break_nothing() {
    let mut tally = Tally::default();
    for seed in 1..=3 {
        play(seed, &mut tally);
    }
    assert!(tally.done > 1000 && tally.refused > 1000, "{tally:?}");
}
