//! Layers that want out, or want too much: none gets out, and none leaves anything behind.

use std::path::Path;

use images::{Image, Limits};

use crate::fixture::{Content, Place};
use crate::tarball::{Entry, Tarball, gzip, zstd};

/// A directory of the host that hostile layers aim at.
struct Canary {
    directory: tempfile::TempDir,
}

impl Canary {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/tmp").expect("a directory");
        std::fs::write(directory.path().join("secret"), "untouched").expect("writes");
        Self { directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("plain").to_owned()
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(crate::fixture::names(self.directory.path()), ["secret"]);
        let secret = std::fs::read_to_string(self.directory.path().join("secret")).expect("there");
        assert_eq!(secret, "untouched");
    }
}

/// The layer is refused with these words, and nothing of it stays.
#[track_caller]
fn refused(layer: Tarball, words: &str) {
    let place = Place::new();
    let error = place.load(&[layer.bytes()]).expect_err("refused");
    assert!(error.to_string().contains(words), "{error}");
    place.assert_no_layers();
}

/// The layer is taken; what it holds is looked at by the caller.
#[track_caller]
fn taken(place: &Place, layer: Tarball) -> Image {
    place.load(&[layer.bytes()]).expect("taken")
}

fn read(root: &Path, name: &str) -> String {
    std::fs::read_to_string(root.join(name)).expect(name)
}

#[test]
fn a_name_that_climbs_is_refused() {
    let canary = Canary::new();
    let up = "../".repeat(12);
    refused(Tarball::default().file(&format!("{up}{}", canary.path("new")), "x"), "'..'");
    refused(Tarball::default().file(&format!("a/{up}{}", canary.path("new")), "x"), "'..'");
    refused(Tarball::default().directory(".."), "'..'");
    canary.assert_untouched();
}

#[test]
fn an_absolute_name_lies_below_the_layers_root() {
    let (canary, place) = (Canary::new(), Place::new());
    let image = taken(&place, Tarball::default().file(&canary.path("secret"), "changed"));
    assert_eq!(read(&image.layers[0], canary.path("secret").trim_start_matches('/')), "changed");
    canary.assert_untouched();
}

#[test]
fn writing_through_an_absolute_link_stays_inside() {
    let (canary, place) = (Canary::new(), Place::new());
    let target = canary.path("");
    let layer = Tarball::default()
        .directory(&target)
        .symlink("out", &target)
        .file("out/secret", "changed")
        .symlink("up", "../../../../../..")
        .file("up/above", "inside");
    let image = taken(&place, layer);
    assert_eq!(read(&image.layers[0], canary.path("secret").trim_start_matches('/')), "changed");
    assert_eq!(read(&image.layers[0], "above"), "inside");
    canary.assert_untouched();
}

#[test]
fn writing_through_a_link_to_nowhere_is_refused() {
    let canary = Canary::new();
    let layer = Tarball::default().symlink("out", &canary.path("")).file("out/new", "x");
    refused(layer, "out/new");
    canary.assert_untouched();
}

#[test]
fn a_file_replaces_a_link_instead_of_following_it() {
    let (canary, place) = (Canary::new(), Place::new());
    let layer = Tarball::default().symlink("f", &canary.path("secret")).file("f", "changed");
    let image = taken(&place, layer);
    assert_eq!(read(&image.layers[0], "f"), "changed");
    canary.assert_untouched();
}

#[test]
fn a_hard_link_leads_to_nothing_outside() {
    let canary = Canary::new();
    let secret = canary.path("secret");
    refused(
        Tarball::default().hard_link("f", &secret),
        "hard link to a file that its layer has not got",
    );
    refused(
        Tarball::default().hard_link("f", &format!("../../../..{secret}")),
        "outside the layer",
    );
    refused(
        Tarball::default().symlink("d", &canary.path("")).hard_link("f", "d/secret"),
        "hard link to a file that its layer has not got",
    );
    refused(Tarball::default().directory("d").hard_link("f", "d"), "hard link to a directory");
    canary.assert_untouched();
}

#[test]
fn a_hard_link_to_a_link_links_the_link() {
    let (canary, place) = (Canary::new(), Place::new());
    let layer = Tarball::default()
        .symlink("link", &canary.path("secret"))
        .hard_link("again", "link")
        .file("again", "changed");
    let image = taken(&place, layer);
    assert_eq!(read(&image.layers[0], "again"), "changed");
    canary.assert_untouched();
}

#[test]
fn a_whiteout_of_a_parent_is_refused() {
    for name in [".wh..", ".wh...", "a/.wh...", ".wh.", "a/.wh."] {
        refused(Tarball::default().directory("a").file(name, ""), "whiteout of no name");
    }
}

#[test]
fn the_root_is_not_replaced() {
    refused(Tarball::default().symlink("./", "/etc"), "root directory");
    refused(Tarball::default().file(".", "x"), "root directory");
    refused(Tarball::default().hard_link("f", "/"), "hard link to the root");
}

#[test]
fn a_layer_cannot_steer_the_mount_by_attributes() {
    let place = Place::new();
    let layer = Tarball::default()
        .pax(&[
            ("SCHILY.xattr.trusted.overlay.redirect", "/etc"),
            ("SCHILY.xattr.trusted.overlay.opaque", "y"),
            ("SCHILY.xattr.user.overlay.opaque", "y"),
            ("SCHILY.xattr.security.selinux", "label"),
        ])
        .directory("d");
    let image = taken(&place, layer);
    let mut names = [0_u8; 256];
    let count = rustix::fs::listxattr(image.layers[0].join("d"), &mut names).expect("lists");
    assert_eq!(count, 0, "{:?}", String::from_utf8_lossy(&names[..count]));
}

#[test]
fn names_that_are_too_long_or_deep_or_odd_are_refused() {
    refused(Tarball::default().file(&"a".repeat(300), "x"), "longer than 255");
    refused(Tarball::default().file(&"abcdefg/".repeat(600), "x"), "longer than 4095");
    refused(Tarball::default().directory(&"d/".repeat(300)), "deeper than 255");
    let layer = Tarball::default().pax(&[("path", "a\0b")]).file("x", "x");
    refused(layer, "zero byte");
}

#[test]
fn an_unknown_kind_of_entry_is_refused() {
    refused(Tarball::default().entry(&Entry::new("x", b'M')), "of a type that layers do not have");
    let layer = Tarball::default().pax(&[("GNU.sparse.realsize", "1099511627776")]).file("x", "x");
    refused(layer, "sparse");
}

#[test]
fn owners_beyond_32_bits_are_refused() {
    for owner in [u64::from(u32::MAX), 1 << 40] {
        refused(Tarball::default().entry(&Entry { owner, ..Entry::new("x", b'0') }), "32-bit");
    }
}

#[test]
fn a_layer_below_a_file_is_refused() {
    refused(Tarball::default().file("f", "x").file("f/g", "x"), "not a directory");
}

#[test]
fn a_file_that_its_archive_does_not_hold_is_damage() {
    let place = Place::new();
    let whole = Tarball::default().file("whole", "x");
    let huge = Entry { size: Some(1 << 40), content: b"little", ..Entry::new("huge", b'0') };
    for layer in [whole.clone().entry(&huge).cut(), whole.cut()[..700].to_vec()] {
        let error = place.load(&[layer]).expect_err("refused");
        assert!(error.to_string().contains("damaged"), "{error}");
        place.assert_no_layers();
    }
}

#[test]
fn a_pax_size_counts_for_everyone_who_reads() {
    // A reader that believed the header's size of 0 would see an entry named `smuggled`.
    let inner = Tarball::default().file("smuggled", "x").cut();
    let outer = Entry { size: Some(0), content: &inner, ..Entry::new("outer", b'0') };
    let size = inner.len().to_string();
    let layer = Tarball::default().pax(&[("size", &size)]).entry(&outer).file("after", "y");
    let place = Place::new();
    let image = taken(&place, layer);
    assert_eq!(crate::fixture::names(&image.layers[0]), ["after", "outer"]);
    assert_eq!(std::fs::read(image.layers[0].join("outer")).expect("there"), inner);
}

#[test]
fn bombs_are_stopped_by_each_limit() {
    let limits = Limits { entries: 10, bytes: 8 << 20, ratio: 50, ratio_from: 1 << 20 };
    let place = Place::with(|it| it.limits = limits);
    let zeros = "\0".repeat(4 << 20);
    let flat = Tarball::default().file("zeros", &zeros).bytes();
    let big = Tarball::default().file("a", &zeros).file("b", &zeros).bytes();
    let many = (0..11).fold(Tarball::default(), |it, n| it.file(&n.to_string(), "")).bytes();
    let long_name = Entry { content: zeros.as_bytes(), ..Entry::new("././@LongLink", b'L') };
    let name = (0..3).fold(Tarball::default(), |it, _| it.entry(&long_name)).bytes();
    for (plain, blob, words) in [
        (&flat, gzip(&flat), "50 uncompressed bytes for each compressed byte"),
        (&flat, zstd(&flat), "50 uncompressed bytes for each compressed byte"),
        (&big, big.clone(), "8388608 bytes"),
        (&many, many.clone(), "10 entries"),
        (&name, name.clone(), "long name"),
    ] {
        let content = Content::new(std::slice::from_ref(plain), &[blob]);
        let error = place.load_blobs(&content).expect_err("refused");
        assert!(error.to_string().contains(words), "{error}");
        place.assert_no_layers();
    }
    assert!(place.load(&[flat]).is_ok(), "uncompressed it is small enough");
}

#[test]
fn a_sparse_file_counts_as_large_as_it_is() {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let place = Place::with(|it| it.limits = limits);
    // One byte of data at the start of a terabyte, in the old GNU form.
    let mut header = tar::Header::new_gnu();
    header.set_path("sparse").expect("short");
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_mode(0o644);
    header.set_size(512);
    let gnu = header.as_gnu_mut().expect("a GNU header");
    gnu.sparse[0].offset.copy_from_slice(b"00000000000\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000001000\0");
    gnu.sparse[1].offset.copy_from_slice(b"20000000000\0");
    gnu.sparse[1].numbytes.copy_from_slice(b"00000000000\0");
    gnu.realsize.copy_from_slice(b"20000000000\0");
    header.set_cksum();
    let layer = [header.as_bytes().as_slice(), &[b'x'; 512], &[0; 1024]].concat();
    let error = place.load(&[layer]).expect_err("refused");
    assert!(error.to_string().contains("1048576 bytes"), "{error}");
    place.assert_no_layers();
}

/// Bytes changed at random, but the same every time.
#[test]
fn a_damaged_layer_is_answered_and_never_gets_out() {
    let canary = Canary::new();
    let layer = Tarball::default()
        .directory("d")
        .symlink("d/link", &canary.path(""))
        .file("d/link2", "x")
        .hard_link("hard", "d/link2")
        .pax(&[("path", "d/renamed"), ("mtime", "1.5")])
        .file("x", "content")
        .file(&"long/".repeat(30), "")
        .entry(&Entry { device: (1, 3), ..Entry::new("null", b'3') })
        .bytes();
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..150 {
        let mut damaged = layer.clone();
        for _ in 0..4 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let at = usize::try_from(dice >> 20).expect("64 bits") % damaged.len();
            damaged[at] = dice.to_le_bytes()[0];
            with_checksums(&mut damaged);
        }
        let target = tempfile::tempdir().expect("a directory");
        let blob = target.path().with_extension("blob");
        std::fs::write(&blob, damaged).expect("writes");
        let output = std::process::Command::new(crate::fixture::helper().program)
            .args(["1000", "1000000", "200", "1000000"])
            .arg(target.path())
            .stdin(std::fs::File::open(&blob).expect("opens"))
            .output()
            .expect("runs");
        std::fs::remove_file(&blob).expect("removes");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.starts_with("{\"Ok\"") || text.starts_with("{\"Err\""), "{output:?}");
    }
    canary.assert_untouched();
}

/// Makes every block that looks like a header one that is read.
fn with_checksums(layer: &mut [u8]) {
    for block in layer.chunks_exact_mut(512).filter(|it| it[257..262] == *b"ustar") {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}
