//! A pull whose process is killed, and a disk that is full: nothing half-done is ever taken for
//! whole, and the next attempt does it.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use images::{Digest, Helper, Policy, PullCause, Store};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use types::Timestamp;

use crate::fixture::{Content, Place, config};
use crate::registry::{Registry, Reply, Shelf, pull};
use crate::tarball::Tarball;

/// An image of one layer, transported as it is.
fn big() -> Content {
    let layer = Tarball::default().file("big", &"x".repeat(3 << 20)).bytes();
    Content::new(std::slice::from_ref(&layer), std::slice::from_ref(&layer))
}

/// Not a test by itself: the process that others start and kill. It pulls what `PULL_NAME` says into
/// the store `PULL_STORE`, unpacking by the shell script `PULL_HELPER` if there is one.
#[tokio::test]
#[ignore = "run by other tests in a process of its own"]
async fn pulls_for_another_test() {
    let Ok(directory) = std::env::var("PULL_STORE") else { return };
    let mut config = config(Path::new(&directory));
    if let Ok(script) = std::env::var("PULL_HELPER") {
        config.helper = Helper {
            program: "/bin/sh".into(),
            first_words: vec!["-c".into(), script, "unpack".into()],
        };
    }
    let store = Store::open(config).expect("a store");
    drop(pull(&store, &std::env::var("PULL_NAME").expect("a name")).await);
}

/// Starts [`pulls_for_another_test`].
fn puller(place: &Place, registry: &Registry, script: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", "crash::pulls_for_another_test", "--ignored"])
        .env("PULL_STORE", place.directory.path())
        .env("PULL_NAME", format!("{}/app:1", registry.host))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(script) = script {
        command.env("PULL_HELPER", script);
    }
    command.spawn().expect("starts")
}

/// Ends it as a power cut would.
fn cut(mut puller: Child) {
    puller.kill().expect("runs");
    puller.wait().expect("ends");
}

/// Nothing of the pull that was cut has a name; the next one is whole, and leaves nothing else.
async fn goes_well_next_time(place: &Place, registry: &Registry) {
    let name = format!("{}/app:1", registry.host);
    assert_eq!(place.names("layers"), Vec::<String>::new());
    assert!(place.again().resolve(&name).is_err(), "what is not whole has no name");

    drop(registry.pull(&place.again()).await.expect("pulled"));
    let image = place.again().resolve(&name).expect("there");
    assert_eq!(fs::metadata(image.layers[0].join("big")).expect("there").len(), 3 << 20);
    let keep_all = Policy { max_per_cycle: 0, ..Policy::default() };
    place.again().collect(&keep_all, Timestamp(i64::MAX)).expect("collects");
    for directory in ["work", "trash", "pins"] {
        assert_eq!(place.names(directory), Vec::<String>::new(), "in {directory}");
    }
    assert_eq!(place.names("layers").len(), 1);
}

#[tokio::test]
async fn a_pull_that_is_killed_while_content_comes_leaves_nothing_half_done() {
    let layer = Digest::of(&big().layers[0]).to_string();
    let arrived = Arc::new(tokio::sync::Notify::new());
    let (tries, told) = (AtomicUsize::new(0), arrived.clone());
    let registry = Registry::twisted(Shelf::default().image("app", "1", &big()), move |seen| {
        if !seen.path.contains(&layer) {
            return None;
        }
        let body = big().layers[0].clone();
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Some(Reply { body, cut: Some(1 << 20), ..Reply::status(200) }),
            // What came before is written by the time that more is asked for.
            1 => {
                told.notify_one();
                Some(Reply { silent: true, ..Reply::default() })
            }
            _ => None,
        }
    })
    .await;
    let place = Place::new();
    let puller = puller(&place, &registry, None);
    arrived.notified().await;
    cut(puller);
    goes_well_next_time(&place, &registry).await;
}

#[tokio::test]
async fn a_pull_that_is_killed_while_it_unpacks_leaves_nothing_half_done() {
    let registry = Registry::start(Shelf::default().image("app", "1", &big())).await;
    let place = Place::new();
    let pipe = place.directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("makes");
    // Fills the directory that it is given (the last argument), says who it is and stays.
    let script = format!(
        r#"for last; do :; done; echo half > "$last/big"; echo $$ > {}; exec sleep 1000"#,
        pipe.display()
    );
    let puller = puller(&place, &registry, Some(&script));
    let said = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        let mut pipe = fs::File::open(pipe).expect("opens");
        pipe.read_to_string(&mut text).expect("reads");
        text
    });
    let helper: i32 = said.await.expect("no panic").trim().parse().expect("a number");
    let made = place.names("work").iter().any(|it| it.contains(".tree"));
    assert!(made, "a layer that is being made");
    cut(puller);
    // The real helper ends with the process that started it; this one is a shell.
    let helper = Pid::from_raw(helper).expect("a process");
    kill_process(helper, Signal::KILL).expect("runs");
    goes_well_next_time(&place, &registry).await;
}

/// A store on a disk of a few mebibytes.
struct SmallDisk(Place);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = std::ffi::CString::new(format!("size={size}")).expect("no zero");
        let flags = MountFlags::NODEV;
        mount("landfall-it", directory.path(), "tmpfs", flags, &*options).expect("mounts");
        let store = Store::open(config(directory.path())).expect("a store");
        Self(Place { store, directory })
    }

    fn grow(&self, size: &str) {
        let path = self.0.directory.path();
        mount_remount(path, MountFlags::NODEV, format!("size={size}")).expect("grows");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A failed test may hold something open.
        let _ = unmount(self.0.directory.path(), UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_full_disk_is_said_plainly_and_leaves_nothing_half_done() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root to mount a small disk");
        return;
    }
    let registry = Registry::start(Shelf::default().image("app", "1", &big())).await;
    // Room for not even the content, and for the content but not for what is in it.
    for size in ["2m", "5m"] {
        let disk = SmallDisk::new(size);
        let place = &disk.0;
        let error = registry.pull(&place.store).await.expect_err("no room");
        assert_eq!(error.cause(), PullCause::Machine, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("CannotPullContainerError: "), "{text}");
        assert!(text.contains("No space left on device"), "{text}");
        disk.grow("64m");
        goes_well_next_time(place, &registry).await;
    }
}

#[tokio::test]
async fn images_that_nobody_uses_go_hour_by_hour_and_held_ones_stay() {
    const MINUTE: i64 = 60_000;
    let mut shelf = Shelf::default();
    for number in 0..8 {
        shelf =
            shelf.image("app", &number.to_string(), &crate::fixture::small(&number.to_string()));
    }
    let registry = Registry::start(shelf).await;
    let place = Place::new();
    let at = |minute: i64| Timestamp(crate::fixture::NOW.0 + minute * MINUTE);
    let name = |number: usize| format!("{}/app:{number}", registry.host);
    let puller = images::Puller::new(place.store.clone(), crate::registry::options());
    for number in 0..8 {
        // One each minute; the first is the longest unused.
        let now = at(i64::try_from(number).expect("small"));
        let ask = images::PullRequest { name: name(number), credentials: None, now };
        drop(puller.pull(&ask, Arc::new(|_| {})).await.expect("pulled"));
    }
    place.store.hold("task", &name(0), at(8)).expect("held");
    let cycle = |minute: i64| {
        let gone = place.store.collect(&Policy::default(), at(minute)).expect("collects").images;
        gone.iter().filter_map(|it| it.rsplit(':').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    let nothing = Vec::<String>::new();
    assert_eq!(cycle(30), nothing, "too young");
    assert_eq!(cycle(64), ["1", "2", "3", "4"], "an hour old, and not held");
    assert_eq!(cycle(94), ["5", "6", "7"]);
    assert_eq!(cycle(124), nothing, "what a task holds stays");
    assert_eq!(place.names("layers").len(), 1);
    place.store.release("task", at(130)).expect("released");
    assert_eq!(cycle(154), ["0"]);
    place.assert_no_layers();
    assert_eq!(place.names("blobs/sha256"), nothing);
}
