//! Layers as honest tools write them, in the form that overlayfs mounts.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use images::Helper;

use crate::fixture::{Content, Place, names};
use crate::tarball::{Entry, Tarball, gzip, zstd};

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    let count = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    Some(value[..count].to_vec())
}

fn is_opaque(path: &Path) -> bool {
    xattr(path, "trusted.overlay.opaque").as_deref() == Some(b"y")
}

fn is_whiteout(path: &Path) -> bool {
    let it = std::fs::symlink_metadata(path).expect("there");
    it.file_type().is_char_device() && it.rdev() == 0
}

#[test]
fn every_kind_of_file_keeps_what_it_is() {
    let capability =
        "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let layer = Tarball::default()
        .entry(&Entry { mode: 0o700, ..Entry::new("./", b'5') })
        .entry(&Entry { mode: 0o1777, ..Entry::new("tmp", b'5') })
        .entry(&Entry {
            mode: 0o4755,
            owner: 70_000,
            content: b"#!",
            ..Entry::new("tmp/suid", b'0')
        })
        .entry(&Entry { device: (1, 3), mode: 0o666, ..Entry::new("null", b'3') })
        .entry(&Entry { device: (7, 300), ..Entry::new("loop", b'4') })
        .entry(&Entry::new("pipe", b'6'))
        .entry(&Entry { owner: 5, ..Entry { link: "/tmp/suid", ..Entry::new("link", b'2') } })
        .hard_link("again", "tmp/suid")
        .pax(&[("SCHILY.xattr.security.capability", capability), ("SCHILY.xattr.user.a", "b")])
        .file("capable", "x")
        .file("implied/parent/file", "x")
        .entry(&Entry::new("old-style-directory/", b'\0'));
    let place = Place::new();
    let image = place.load(&[layer.bytes()]).expect("taken");
    let root = &image.layers[0];
    let look = |name: &str| std::fs::symlink_metadata(root.join(name)).expect(name);

    assert_eq!(look("").mode() & 0o7777, 0o700);
    assert_eq!(look("tmp").mode() & 0o7777, 0o1777);
    assert_eq!((look("tmp/suid").mode() & 0o7777, look("tmp/suid").uid()), (0o4755, 70_000));
    assert_eq!(look("again").ino(), look("tmp/suid").ino());
    assert!(look("null").file_type().is_char_device());
    assert_eq!(look("null").rdev(), rustix::fs::makedev(1, 3));
    assert!(look("loop").file_type().is_block_device());
    assert_eq!(look("loop").rdev(), rustix::fs::makedev(7, 300));
    assert!(look("pipe").file_type().is_fifo());
    assert!(look("link").is_symlink());
    assert_eq!(look("link").uid(), 5);
    assert_eq!(look("implied/parent").mode() & 0o7777, 0o755);
    assert!(look("old-style-directory").is_dir());
    for name in ["tmp", "tmp/suid", "link", "pipe", "capable"] {
        assert_eq!(look(name).mtime(), 1_700_000_000, "{name}");
    }
    assert_eq!(xattr(&root.join("capable"), "security.capability").map(|it| it.len()), Some(20));
    assert_eq!(xattr(&root.join("capable"), "user.a").as_deref(), Some(&b"b"[..]));
}

#[test]
fn compression_is_told_by_the_content() {
    let plain = Tarball::default().file("f", "x").bytes();
    for blob in [plain.clone(), gzip(&plain), zstd(&plain)] {
        let place = Place::new();
        let image =
            place.load_blobs(&Content::new(std::slice::from_ref(&plain), &[blob])).expect("taken");
        assert_eq!(names(&image.layers[0]), ["f"]);
    }
}

#[test]
fn a_gzip_layer_in_several_parts_is_one_layer() {
    let plain = Tarball::default().file("f", &"x".repeat(5000)).bytes();
    let blob = [gzip(&plain[..1000]), gzip(&plain[1000..])].concat();
    let place = Place::new();
    assert!(place.load_blobs(&Content::new(&[plain], &[blob])).is_ok());
}

#[test]
fn whiteouts_and_opaque_directories_are_what_overlayfs_knows() {
    let layer = Tarball::default()
        .directory("kept")
        .file("kept/.wh.gone", "")
        .directory("new")
        .file("new/.wh..wh..opq", "")
        .file("new/own", "x")
        .file("implied/.wh..wh..opq", "")
        .file(".wh..wh.plnk", "");
    let place = Place::new();
    let root = place.load(&[layer.bytes()]).expect("taken").layers[0].clone();
    assert_eq!(names(&root), ["implied", "kept", "new"]);
    assert!(is_whiteout(&root.join("kept/gone")) && !is_opaque(&root.join("kept")));
    assert!(is_opaque(&root.join("new")) && is_opaque(&root.join("implied")));
    assert_eq!(names(&root.join("new")), ["own"]);
}

#[test]
fn a_whiteout_hides_nothing_of_its_own_layer() {
    let layer = Tarball::default()
        .directory("before")
        .file("before/own", "x")
        .file(".wh.before", "")
        .file(".wh.after", "")
        .file("after/own", "x")
        .file(".wh.directory", "")
        .directory("directory")
        .file("file", "x")
        .file(".wh.file", "");
    let place = Place::new();
    let root = place.load(&[layer.bytes()]).expect("taken").layers[0].clone();
    for name in ["before", "after", "directory"] {
        assert!(is_opaque(&root.join(name)), "{name}");
    }
    assert_eq!(names(&root.join("before")), ["own"]);
    assert_eq!(names(&root.join("after")), ["own"]);
    assert_eq!(std::fs::read_to_string(root.join("file")).expect("there"), "x");
}

#[test]
fn a_later_entry_replaces_an_earlier_one() {
    let layer = Tarball::default()
        .file("file", "one")
        .file("file", "two")
        .directory("tree")
        .file("tree/deep/file", "x")
        .symlink("tree", "elsewhere")
        .symlink("link", "elsewhere")
        .directory("link")
        .directory("again")
        .file("again/kept", "x")
        .entry(&Entry { mode: 0o700, ..Entry::new("again", b'5') })
        .hard_link("file", "file");
    let place = Place::new();
    let root = place.load(&[layer.bytes()]).expect("taken").layers[0].clone();
    assert_eq!(std::fs::read_to_string(root.join("file")).expect("there"), "two");
    assert_eq!(std::fs::read_link(root.join("tree")).expect("a link"), Path::new("elsewhere"));
    assert!(std::fs::symlink_metadata(root.join("link")).expect("there").is_dir());
    assert_eq!(names(&root.join("again")), ["kept"]);
    assert_eq!(std::fs::metadata(root.join("again")).expect("there").mode() & 0o7777, 0o700);
}

#[test]
fn layers_are_mounted_top_first_and_what_is_gone_does_not_show() {
    let place = Place::new();
    let lower = Tarball::default().file("a", "1").file("b", "1").file("d/x", "1").file("d/y", "1");
    let middle = Tarball::default().file(".wh.a", "").file("b", "2");
    let upper = Tarball::default().file("d/.wh..wh..opq", "").file("d/z", "3");
    let image = place.load(&[lower.bytes(), middle.bytes(), upper.bytes()]).expect("taken");
    let merged = Merged::mount(&image.layers);
    assert_eq!(names(&merged.path), ["b", "d"]);
    assert_eq!(names(&merged.path.join("d")), ["z"]);
    assert_eq!(std::fs::read_to_string(merged.path.join("b")).expect("there"), "2");
}

#[test]
fn an_opaque_root_hides_all_layers_below() {
    let place = Place::new();
    let lower = Tarball::default().file("below", "x").bytes();
    let upper = Tarball::default().file(".wh..wh..opq", "").file("above", "x").bytes();
    let image = place.load(&[lower.clone(), lower, upper]).expect("taken");
    assert_eq!(image.layers.len(), 1);
    assert_eq!(names(&image.layers[0]), ["above"]);
}

#[test]
fn an_image_without_layers_mounts_an_empty_directory() {
    let place = Place::new();
    let image = place.load(&[]).expect("taken");
    assert_eq!(image.layers.len(), 1);
    assert!(names(&image.layers[0]).is_empty());
}

#[test]
fn content_that_is_not_what_the_image_promises_is_refused() {
    let (plain, other) = (Tarball::default().file("f", "x"), Tarball::default().file("f", "y"));
    let place = Place::new();
    let content = Content::new(&[plain.bytes()], &[other.bytes()]);
    let error = place.load_blobs(&content).expect_err("refused");
    assert!(error.to_string().contains("but its image promises"), "{error}");
    place.assert_no_layers();
}

#[test]
fn a_helper_that_dies_leaves_no_half_layer() {
    let place = Place::with(|it| {
        // Fills the directory that it is given (the last argument) and is killed.
        let script = r#"for last; do :; done; echo half > "$last/file"; kill -9 $$"#;
        it.helper = Helper {
            program: "/bin/sh".into(),
            first_words: vec!["-c".into(), script.into(), "unpack".into()],
        };
    });
    let layer = Tarball::default().file("file", "whole").bytes();
    let error = place.load(std::slice::from_ref(&layer)).expect_err("died");
    assert!(error.to_string().contains("ended without an answer"), "{error}");
    place.assert_no_layers();
    assert!(place.store.resolve("test").is_err(), "what is not whole has no name");

    // Another process with a helper that lives does the work.
    let store = place.again();
    let again = Place { store, directory: place.directory };
    let image = again.load(&[layer]).expect("taken");
    assert_eq!(std::fs::read_to_string(image.layers[0].join("file")).expect("there"), "whole");
}

/// Else a helper that outlives its agent would write on where the next agent clears up.
#[test]
fn a_helper_dies_with_the_process_that_started_it() {
    let place = tempfile::tempdir().expect("a directory");
    let (pipe, target) = (place.path().join("pipe"), place.path().join("target"));
    std::fs::create_dir(&target).expect("makes");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("makes");
    // Open both ways, so that neither end waits for the other; nothing ever comes.
    let _open = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("opens");
    let mut parent = std::process::Command::new("/bin/sh")
        .args(["-c", r#""$0" 10 10 10 10 "$1" < "$2" & wait"#])
        .arg(crate::fixture::helper().program)
        .args([&target, &pipe])
        .spawn()
        .expect("starts");
    let directory = std::fs::File::open(&target).expect("opens");
    // The helper locks the directory when it is tied to its parent.
    while directory.try_lock().is_ok() {
        directory.unlock().expect("unlocks");
        std::thread::yield_now();
    }
    parent.kill().expect("runs");
    parent.wait().expect("ends");
    directory.lock().expect("the helper lets go");
}

#[test]
fn the_helper_refuses_to_be_run_by_hand() {
    let output = std::process::Command::new(crate::fixture::helper().program)
        .args(["1", "2"])
        .output()
        .expect("runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("wrong arguments"));
}

/// Layers mounted read-only, until dropped.
struct Merged {
    path: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Merged {
    fn mount(layers: &[std::path::PathBuf]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        let lower: Vec<_> = layers.iter().map(|it| it.to_str().expect("plain")).collect();
        let options =
            std::ffi::CString::new(format!("lowerdir={}", lower.join(":"))).expect("plain");
        let flags = rustix::mount::MountFlags::RDONLY;
        rustix::mount::mount("overlay", &path, "overlay", flags, options.as_c_str())
            .expect("mounts");
        Self { path, _directory: directory }
    }
}

impl Drop for Merged {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.path, rustix::mount::UnmountFlags::DETACH).expect("unmounts");
    }
}
