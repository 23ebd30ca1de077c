//! What newcomers and operators type, and what they read.

use serde_json::Value;
use shapes::ecs::{RegisterContainerInstance, RegisterContainerInstanceRequest, Resource};

use crate::region::{Region, Said};

fn json(said: &Said) -> Value {
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.data).expect("JSON")
}

#[track_caller]
fn refused(said: &Said, parts: &[&str]) {
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in parts {
        assert!(said.advice.contains(part), "{part}\n{said:?}");
    }
}

/// An instance whose agent never comes.
fn register(region: &Region) {
    let number = |name: &str, value| Resource {
        name: Some(name.into()),
        integer_value: Some(value),
        ..Resource::default()
    };
    let ask = RegisterContainerInstanceRequest {
        cluster: Some("default".into()),
        total_resources: Some(vec![number("CPU", 1024), number("MEMORY", 100)]),
        ..RegisterContainerInstanceRequest::default()
    };
    region.call::<RegisterContainerInstance>(&ask);
}

#[test]
fn a_region_without_instances_says_what_is_missing() {
    let region = Region::start();
    let empty = region.say(&["ps"]);
    assert_eq!(empty.code, Some(0), "{empty:?}");
    assert_eq!(empty.data.lines().count(), 1, "{empty:?}");
    assert_eq!(json(&region.say(&["ps", "--all", "--json"])), Value::Array(Vec::new()));

    refused(&region.say(&["run", "nginx"]), &["no container instances", "landfall up"]);
    let why = region.say(&["why", "--task-definition", "nginx"]);
    assert!(why.data.contains("Cluster default has no container instances."), "{why:?}");

    let trail = json(&region.say(&["audit", "--json", "--operation", "RunTask"]));
    assert_eq!(trail[0]["errorCode"], "InvalidParameterException");
    let token = trail[0]["clientToken"].as_str().expect("a token");
    let by_token = json(&region.say(&["audit", "--json", "--token", token]));
    assert_eq!(by_token, trail);
}

#[test]
fn a_task_that_fits_nowhere_is_explained_by_instance() {
    let region = Region::start();
    register(&region);
    let run = region.say(&["run", "nginx", "--memory", "512"]);
    refused(
        &run,
        &["AGENT", "512 MiB of memory, 100 of 100 free", "why --task-definition nginx:1"],
    );
    let why = json(&region.say(&["why", "--json", "--task-definition", "nginx:1"]));
    assert_eq!(why["instances"][0]["fits"], false);
    refused(&region.say(&["why", "abcd"]), &["There is no task abcd."]);
    refused(&region.say(&["logs", "ab"]), &["first 4 digits"]);
}

#[test]
fn tokens_are_shown_once_and_never_written_down() {
    let region = Region::start();
    let token = region.say(&["token", "create", "--ttl", "5m"]);
    assert_eq!(token.code, Some(0), "{token:?}");
    let secret = token.data.trim();
    assert!(secret.starts_with("lfjoin-"), "{token:?}");
    let dump = region.say(&["journal", "dump"]);
    assert!(dump.data.contains("JoinToken("), "{dump:?}");
    assert!(!dump.data.contains(secret), "{dump:?}");
    refused(&region.say(&["token", "create", "--cluster", "nope"]), &["Cluster not found."]);
}

#[test]
fn the_journal_is_checked_and_read_beside_a_running_region() {
    let region = Region::start();
    let check = region.say(&["journal", "check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(check.advice.contains("A region uses this journal"), "{check:?}");
    let dump = region.say(&["journal", "dump", "--json"]);
    let records = dump.data.lines().map(serde_json::from_str::<Value>);
    let records: Vec<Value> = records.collect::<Result<_, _>>().expect("JSON lines");
    assert_eq!(records[0]["what"], "acquired");
    let (_, secret) = region.variables().pop().expect("the secret is the last");
    assert!(!dump.data.contains(&secret), "secrets are not shown");

    let folder = region.folder().join("landfall/journal");
    let copy = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(&folder).expect("is read").flatten() {
        if entry.file_name().to_string_lossy().starts_with("log-") {
            let mut bytes = std::fs::read(entry.path()).expect("is read");
            bytes[60] ^= 1;
            std::fs::write(copy.path().join(entry.file_name()), bytes).expect("is written");
        }
    }
    let copy = copy.path().to_string_lossy().into_owned();
    let damaged = region.say(&["journal", "check", &copy]);
    refused(&damaged, &["damaged"]);
    assert!(damaged.data.contains("DAMAGED"), "{damaged:?}");
}

#[test]
fn the_environment_names_the_region_or_the_folder_does() {
    let region = Region::start();
    let variables = region.variables();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let there = Region::say_with(&variables, &["ps"]);
    assert_eq!(there.code, Some(0), "{there:?}");

    let mut wrong = variables.clone();
    wrong.push(("AWS_SECRET_ACCESS_KEY", "wrong"));
    refused(&Region::say_with(&wrong, &["ps"]), &["eval \"$(landfall env)\""]);
    let mut elsewhere = variables;
    elsewhere.push(("AWS_ENDPOINT_URL", "http://127.0.0.1:1"));
    refused(&Region::say_with(&elsewhere, &["ps"]), &["is it running?", "landfall up"]);
    refused(&Region::say_with(&[], &["ps"]), &["there is no region in", "landfall up"]);
}
