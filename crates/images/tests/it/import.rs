//! Archives as other tools write them.

use std::fs;
use std::path::Path;
use std::process::Command;

use images::ImportError;
use serde_json::json;

use crate::fixture::{Content, NOW, Place, descriptor, small};
use crate::tarball::{Tarball, gzip, zstd};

fn import(place: &Place, bytes: &[u8]) -> Result<Vec<images::Loaded>, ImportError> {
    let path = place.directory.path().join("My Image.tar");
    fs::write(&path, bytes).expect("writes");
    place.store.import(&path, NOW, &|_| {})
}

/// What `docker save` writes, documents first, a layer behind a link.
fn docker_archive(tags: Option<&[&str]>) -> Vec<u8> {
    let content = small("docker");
    let manifest = json!([{ "Config": "c.json", "RepoTags": tags, "Layers": ["old/layer.tar"] }]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("plain");
    Tarball::default()
        .file("manifest.json", &manifest.to_string())
        .file("c.json", &text(&content.config))
        .directory("old/")
        .symlink("old/layer.tar", "../new.tar")
        .file("new.tar", &text(&content.layers[0]))
        .bytes()
}

#[test]
fn a_docker_archive_loads_under_all_its_tags() {
    let place = Place::new();
    let bytes = docker_archive(Some(&["app:1", "registry.example/app:1"]));
    for bytes in [bytes.clone(), gzip(&bytes), zstd(&bytes)] {
        let loaded = import(&place, &bytes).expect("loads");
        let names: Vec<_> = loaded.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["docker.io/library/app:1", "registry.example/app:1"]);
    }
    let image = place.store.resolve("app:1").expect("there");
    assert_eq!(fs::read_to_string(image.layers[0].join("file")).expect("there"), "docker");
    assert!(place.names("work").is_empty() && place.names("pins").is_empty());
}

#[test]
fn a_docker_archive_without_tags_is_named_after_its_file() {
    let place = Place::new();
    let loaded = import(&place, &docker_archive(None)).expect("loads");
    assert_eq!(loaded[0].name, "docker.io/library/my-image:latest");
}

#[test]
fn a_layout_directory_loads_like_its_archive() {
    let place = Place::new();
    let layout = place.directory.path().join("layout");
    fs::create_dir(&layout).expect("makes");
    tar::Archive::new(&small("x").oci_archive("app")[..]).unpack(&layout).expect("unpacks");
    let loaded = place.store.import(&layout, NOW, &|_| {}).expect("loads");
    assert_eq!(loaded[0].name, "docker.io/library/app:latest");
    assert!(place.store.resolve("app").is_ok());
}

#[test]
fn an_index_loads_the_image_of_this_platform() {
    let place = Place::new();
    let (ours, other) = (small("ours"), small("other"));
    let mut entries = [descriptor("", &other.manifest), descriptor("", &ours.manifest)];
    let here = images::Platform::here().architecture;
    for (entry, architecture) in entries.iter_mut().zip(["s390x", &here]) {
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
    }
    let index = json!({ "schemaVersion": 2, "manifests": entries }).to_string();
    let top = json!({ "schemaVersion": 2, "manifests": [descriptor("", index.as_bytes())] });
    let mut archive = Tarball::default().file("index.json", &top.to_string());
    // Of the other image only the manifest is listed; its content is not even there.
    for blob in ours.blobs().chain([&index.into_bytes()]) {
        let name = format!("blobs/sha256/{}", images::Digest::of(blob).hex());
        archive = archive.file(&name, std::str::from_utf8(blob).expect("plain"));
    }
    let loaded = import(&place, &archive.bytes()).expect("loads");
    let image = place.store.resolve(&loaded[0].name).expect("there");
    assert_eq!(image.manifest_digest, ours.digest());
    assert_ne!(image.digest, image.manifest_digest, "the name means the index");
}

#[test]
fn what_is_not_an_image_archive_is_refused_with_a_reason() {
    let place = Place::new();
    let whole = small("x").oci_archive("x");
    let lying = Content { config: b"{}".to_vec(), ..small("x") };
    let climbing = json!([{ "Config": "../../etc/passwd", "Layers": [] }]).to_string();
    for (bytes, words) in [
        (b"not an archive".to_vec(), "damaged"),
        (vec![], "holds no image"),
        (whole[..whole.len() / 2].to_vec(), "damaged"),
        (gzip(&whole)[..200].to_vec(), "damaged"),
        (Tarball::default().file("repositories", "{}").bytes(), "holds no image"),
        (lying.oci_archive("x"), "is missing"),
        (Tarball::default().file("manifest.json", &climbing).bytes(), "is missing"),
        (Tarball::default().file("manifest.json", "{").bytes(), "manifest.json"),
        (
            Tarball::default().file("index.json", r#"{"schemaVersion":2,"manifests":[]}"#).bytes(),
            "does not contain",
        ),
    ] {
        let error = import(&place, &bytes).expect_err(words);
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let error = place.store.import(Path::new("/nowhere"), NOW, &|_| {}).expect_err("missing");
    assert_eq!(error.to_string(), "cannot read /nowhere");
    place.assert_no_layers();
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_refused() {
    let place = Place::new();
    let content = small("x");
    let archive = content.oci_archive("x");
    // The same archive with another layer under the old name.
    let layer = format!("blobs/sha256/{}", images::Digest::of(&content.layers[0]).hex());
    let mut forged = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(&archive[..]).entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let mut header = entry.header().clone();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("reads");
        let path = entry.path().expect("a path").into_owned();
        if path == Path::new(&layer) {
            bytes = Tarball::default().file("file", "forged").bytes();
            header.set_size(bytes.len() as u64);
        }
        forged.append_data(&mut header, path, &bytes[..]).expect("memory");
    }
    let error = import(&place, &forged.into_inner().expect("memory")).expect_err("refused");
    assert!(error.to_string().contains("is not what its name says"), "{error}");
    place.assert_no_layers();
}

#[test]
fn what_skopeo_writes_is_read() {
    let place = Place::new();
    let directory = place.directory.path();
    let source = directory.join("source.tar");
    let recipe = images::Recipe {
        files: vec![images::ImageFile::bytes("/file", "x", 0o644)],
        ..images::Recipe::default()
    };
    images::write_oci_archive(&source, "x", &recipe).expect("writes");
    for (kind, name) in [("docker-archive", "app:2"), ("oci-archive", "app:2"), ("oci", "app:2")] {
        let made = directory.join(kind);
        let copied = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--quiet"])
            .arg(format!("oci-archive:{}", source.display()))
            .arg(format!("{kind}:{}:{name}", made.display()))
            .output();
        let Ok(copied) = copied else {
            eprintln!("skipped: skopeo is not installed");
            return;
        };
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let loaded = place.store.import(&made, NOW, &|_| {}).expect(kind);
        assert_eq!(loaded[0].name, "docker.io/library/app:2", "{kind}");
        let image = place.store.resolve("app:2").expect("there");
        assert_eq!(fs::read_to_string(image.layers[0].join("file")).expect("there"), "x");
    }
}
