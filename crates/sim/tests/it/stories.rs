//! Stories: each is a sharp edge of the handbook, with faults at exact points.

use std::collections::BTreeSet;

use sim::{Plant, Story};

#[test]
fn every_story_ends_as_it_says() {
    let failures: Vec<_> = Story::ALL.iter().filter_map(|it| it.play(None).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_file_of_a_story_is_played() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/stories");
    let files = std::fs::read_dir(folder).expect("there are stories");
    let names = files.map(|it| it.expect("readable").file_name().to_string_lossy().into_owned());
    let files: BTreeSet<_> = names.collect();
    let played: BTreeSet<_> = Story::ALL.iter().map(|it| format!("{}.txt", it.name)).collect();
    assert_eq!(played, files);
}

#[test]
fn a_task_that_is_stopped_while_its_instance_drains_is_found() {
    let story = Story::ALL.iter().find(|it| it.name == "service-classic").expect("is there");
    let found = story.play_with(Some(Plant::LetsGoEarly), None).expect_err("is found");
    assert!(found.contains("Drained"), "{found}");
}
