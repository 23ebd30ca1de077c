//! Names, holds and garbage.

use std::fs;
use std::time::Duration;

use images::{Content, ImageFile, Origin, Policy, Recipe, StoreError, self_image};
use types::Timestamp;

use crate::fixture::{NOW, Place, small};
use crate::tarball::Tarball;

const LATER: Timestamp = Timestamp(NOW.0 + 24 * 3600 * 1000);

fn recipe(content: &str) -> Recipe {
    let mut recipe = Recipe {
        files: vec![
            ImageFile::bytes("/app", content, 0o755),
            ImageFile::directory("/tmp", 0o1777),
            ImageFile {
                path: "/link".into(),
                mode: 0o777,
                content: Content::Symlink("/app".into()),
            },
        ],
        ..Recipe::default()
    };
    recipe.config.cmd = vec!["/app".into()];
    recipe
}

#[test]
fn an_image_is_found_under_every_form_of_its_name() {
    let place = Place::new();
    let image = place.load_blobs(&small("x")).expect("loaded");
    let digest = image.digest;
    let full = format!("docker.io/library/test@{digest}");
    for name in ["test", "test:latest", "library/test", "docker.io/library/test:latest", &full] {
        assert_eq!(place.store.resolve(name).expect(name), image);
    }
    assert_eq!(image.config.env, ["A=b"]);
    assert_eq!(image.origin, Origin::Loaded);
    for name in
        ["other", "test:1", "registry.example/test", &full.replace("library/test", "x/test")]
    {
        assert!(matches!(place.store.resolve(name), Err(StoreError::Unknown(_))), "{name}");
    }
}

#[test]
fn a_held_image_is_neither_removed_nor_collected() {
    let place = Place::new();
    place.load_blobs(&small("x")).expect("loaded");
    let held = place.store.hold("task-1", "test", NOW).expect("held");
    let error = place.store.remove("test").expect_err("in use");
    assert!(
        matches!(&error, StoreError::InUse { holders, .. } if *holders == ["task-1"]),
        "{error}"
    );

    // The name comes to mean something else; the task keeps what it has.
    place.load_blobs(&small("y")).expect("loaded");
    place.again().collect(&Policy::default(), LATER).expect("collects");
    assert_eq!(fs::read_to_string(held.layers[0].join("file")).expect("there"), "x");
    assert_eq!(place.names("layers").len(), 2);

    place.store.release("task-1", NOW).expect("released");
    place.store.release("task-1", NOW).expect("released again");
    let much_later = Timestamp(NOW.0 + 8 * (LATER.0 - NOW.0));
    let collected = place.store.collect(&Policy::default(), much_later).expect("collects");
    assert_eq!((collected.images.len(), collected.layers), (1, 1), "the old image");
    assert!(!held.layers[0].exists());
}

#[test]
fn an_image_whose_tag_has_moved_on_is_found_by_its_digest() {
    let place = Place::new();
    let old = place.load_blobs(&small("x")).expect("loaded");
    let exact = format!("test@{}", old.digest);
    let held = place.store.hold("task-1", "test", NOW).expect("held");
    let new = place.load_blobs(&small("y")).expect("loaded");
    assert_ne!(old.digest, new.digest);
    assert_eq!(place.store.resolve("test").expect("the tag").digest, new.digest);
    assert_eq!(place.store.hold("task-2", &exact, NOW).expect("by digest").layers, old.layers);
    // What holds it goes on with it under the tag's name too: a container is made anew of the same.
    assert_eq!(place.store.hold("task-1", "test", NOW).expect("again"), held);

    place.store.release("task-1", NOW).expect("released");
    place.store.release("task-2", NOW).expect("released");
    place.store.collect(&Policy::default(), LATER).expect("collects");
    assert_eq!(place.store.resolve(&exact).expect("kept for a while").layers, old.layers);

    // A tag that means it again takes its place.
    place.load_blobs(&small("x")).expect("loaded");
    let names: Vec<_> = place.store.list().expect("lists").into_iter().map(|it| it.name).collect();
    let kept = format!("docker.io/library/test@{}", new.digest);
    assert_eq!(names, ["docker.io/library/test:latest", &kept]);
}

#[test]
fn layers_of_a_held_image_stay_even_if_its_documents_are_lost() {
    let place = Place::new();
    let image = place.load_blobs(&small("x")).expect("loaded");
    let held = place.store.hold("task-1", "test", NOW).expect("held");
    fs::remove_file(place.directory.path().join("blobs/sha256").join(image.digest.hex()))
        .expect("there");
    place.store.collect(&Policy::default(), LATER).expect("collects");
    assert!(held.layers[0].exists());
    let error = place.store.resolve("test").expect_err("broken");
    assert!(error.to_string().contains("is missing"), "{error}");
}

#[test]
fn content_that_changed_on_disk_is_not_used() {
    let place = Place::new();
    let image = place.load_blobs(&small("x")).expect("loaded");
    let path = place.directory.path().join("blobs/sha256").join(image.digest.hex());
    let text = fs::read_to_string(&path).expect("there").replace("layers", "Layers");
    fs::write(path, text).expect("writes");
    let error = place.store.resolve("test").expect_err("changed");
    assert!(error.to_string().contains("has changed on disk"), "{error}");
}

#[test]
fn removing_the_last_name_removes_the_content() {
    let place = Place::new();
    place.load_as("one", &small("x")).expect("loaded");
    place.load_as("two", &small("x")).expect("loaded");
    place.store.remove("one").expect("removed");
    assert!(place.store.resolve("two").is_ok());
    place.store.remove("two").expect("removed");
    place.assert_no_layers();
    assert!(place.names("blobs/sha256").is_empty());
    assert!(matches!(place.store.remove("two"), Err(StoreError::Unknown(_))));
}

#[test]
fn a_list_names_sizes_and_holders() {
    let place = Place::new();
    let content = small("x");
    place.load_blobs(&content).expect("loaded");
    place.store.hold("b", "test", NOW).expect("held");
    place.store.hold("a", "library/test", LATER).expect("held");
    let listed = place.store.list().expect("lists");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, "docker.io/library/test:latest");
    assert_eq!(listed[0].bytes, (content.config.len() + content.layers[0].len()) as u64);
    assert_eq!((listed[0].added, listed[0].used), (NOW, LATER));
    assert_eq!(listed[0].holders, ["a", "b"]);
    assert_eq!(place.store.holders().expect("lists"), ["a", "b"]);
}

#[test]
fn a_holder_is_a_plain_name() {
    let place = Place::new();
    place.load_blobs(&small("x")).expect("loaded");
    for name in ["", ".", "..", "../x", "a/b", ".hidden", "a b", &"x".repeat(129)] {
        assert!(
            matches!(place.store.hold(name, "test", NOW), Err(StoreError::Holder(_))),
            "{name}"
        );
    }
}

#[test]
fn what_a_crash_left_is_collected_but_not_what_is_being_done() {
    let place = Place::new();
    let work = place.directory.path().join("work");
    fs::create_dir_all(work.join("1-0.tree/deep")).expect("makes");
    fs::write(work.join("abc.part"), "half").expect("writes");
    fs::create_dir(work.join("2-0.tree")).expect("makes");
    let busy = fs::File::open(work.join("2-0.tree")).expect("opens");
    busy.lock_shared().expect("locks");
    fs::write(place.directory.path().join("pins/1-0.pin"), "").expect("writes");
    fs::write(place.directory.path().join("trash/1-0.trash"), "").expect("writes");

    let min_age = Duration::from_hours(100 * 365 * 24);
    let soon = Policy { min_age, ..Policy::default() };
    place.store.collect(&soon, NOW).expect("collects");
    assert_eq!(place.names("work"), ["1-0.tree", "2-0.tree", "abc.part"], "too young to go");
    place.store.collect(&Policy::default(), Timestamp(i64::MAX)).expect("collects");
    assert_eq!(place.names("work"), ["2-0.tree"]);
    assert!(place.names("pins").is_empty() && place.names("trash").is_empty());
}

#[test]
fn a_table_from_a_newer_program_is_not_touched() {
    let place = Place::new();
    let path = place.directory.path().join("refs.json");
    let text = r#"{"version":2,"images":{}}"#;
    fs::write(&path, text).expect("writes");
    let error = place.load_blobs(&small("x")).expect_err("refused");
    assert!(error.to_string().contains("newer than this program"), "{error}");
    assert_eq!(fs::read_to_string(path).expect("there"), text);
}

#[test]
fn a_built_image_is_made_once_and_can_be_exported() {
    let place = Place::new();
    let first = place.store.build("landfall/demo", &recipe("one"), NOW).expect("built");
    let again = place.store.build("landfall/demo", &recipe("one"), LATER).expect("built");
    assert_eq!(first, again);
    assert_eq!(place.names("layers").len(), 1);
    let image = place.store.resolve("landfall/demo").expect("there");
    assert_eq!(image.config.cmd, ["/app"]);
    assert_eq!(fs::read_to_string(image.layers[0].join("app")).expect("there"), "one");

    let archive = place.directory.path().join("export.tar");
    images::write_oci_archive(&archive, "landfall/demo:latest", &recipe("one")).expect("written");
    let other = Place::new();
    let loaded = other.store.import(&archive, NOW, &|_| {}).expect("loads");
    assert_eq!(loaded, [first]);
}

#[test]
fn a_program_runs_in_the_image_of_itself() {
    let place = Place::new();
    let program = crate::fixture::helper().program;
    let recipe = self_image(&program).expect("an image");
    place.store.build("landfall/demo", &recipe, NOW).expect("built");
    let root = place.store.resolve("landfall/demo").expect("there").layers[0].clone();
    assert_eq!(fs::metadata(root.join("tmp")).map(|it| mode(&it)).expect("there"), 0o1777);
    // It answers that it was called wrongly: so its loader and libraries were found.
    let output = std::process::Command::new("chroot").arg(&root).arg("/landfall").output();
    let output = output.expect("chroot is there");
    assert!(String::from_utf8_lossy(&output.stdout).contains("wrong arguments"), "{output:?}");
}

fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777
}

#[test]
fn the_same_layer_is_unpacked_once_for_several_images_at_once() {
    let place = Place::new();
    let layer = Tarball::default().file("file", "x").bytes();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let (place, layer) = (&place, layer.clone());
            scope.spawn(move || {
                let layers = std::slice::from_ref(&layer);
                place.load_as(name, &crate::fixture::Content::new(layers, layers)).expect("loaded");
            });
        }
    });
    assert_eq!(place.names("layers").len(), 1);
    assert!(place.names("work").is_empty());
}
