//! The registry and the tools that others use, where they are installed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use images::{ImageFile, Recipe};

use crate::fixture::{Content, Place};
use crate::registry::pull;
use crate::tarball::{Entry, Tarball};

/// The `docker-registry` of Debian on a port of its own; ends with the value.
struct Distribution {
    child: Child,
    host: String,
}

impl Distribution {
    fn start(directory: &Path) -> Option<Self> {
        let config = directory.join("config.yml");
        let storage = directory.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: info, formatter: text}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n",
            storage.display()
        );
        fs::write(&config, text).expect("writes");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        // It says which port it got.
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = stderr.lines().map_while(Result::ok);
        let host = lines.find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find(|it: char| it != '.' && it != ':' && !it.is_ascii_digit());
            Some(rest[..end.unwrap_or(rest.len())].to_owned())
        });
        // It would die of a closed pipe.
        std::thread::spawn(move || lines.count());
        Some(Self { child, host: host.expect("it listens") })
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_missing(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        eprintln!("skipped: {program} is not installed");
    }
    missing
}

#[tokio::test]
async fn a_real_registry_is_pulled_from_in_both_formats() {
    if is_missing("docker-registry") || is_missing("skopeo") {
        return;
    }
    let place = Place::new();
    let source = place.directory.path().join("source.tar");
    let recipe = Recipe {
        files: vec![ImageFile::bytes("/file", "x".repeat(100_000), 0o644)],
        ..Recipe::default()
    };
    images::write_oci_archive(&source, "x", &recipe).expect("writes");
    let registry = Distribution::start(place.directory.path()).expect("installed");
    for (format, compression) in [("v2s2", "gzip"), ("oci", "zstd")] {
        let name = format!("{}/some/app:{format}", registry.host);
        let copied = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
            .args(["--format", format, "--dest-compress-format", compression])
            .arg(format!("oci-archive:{}", source.display()))
            .arg(format!("docker://{name}"))
            .output()
            .expect("installed");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        pull(&place.store, &name).await.expect("pulled");
        let image = place.store.resolve(&name).expect("there");
        let file = fs::read_to_string(image.layers[0].join("file")).expect("there");
        assert_eq!(file.len(), 100_000);
    }
    let error = pull(&place.store, &format!("{}/none:1", registry.host)).await.expect_err("none");
    assert!(error.to_string().contains("manifest unknown"), "{error}");
}

#[test]
fn umoci_unpacks_a_layer_to_the_same_files() {
    if is_missing("umoci") {
        return;
    }
    let place = Place::new();
    let layout = place.directory.path().join("layout");
    let content = in_oci_words(&mixed());
    fs::create_dir(&layout).expect("makes");
    tar::Archive::new(&content.oci_archive("app")[..]).unpack(&layout).expect("unpacks");
    let ours = place.load_blobs(&content).expect("loads").layers[0].clone();

    let theirs = place.directory.path().join("theirs");
    let unpacked = Command::new("umoci")
        .args(["raw", "unpack", "--image", &format!("{}:app", layout.display())])
        .arg(&theirs)
        .output()
        .expect("installed");
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    assert_eq!(listing(&ours), listing(&theirs));
}

/// A layer with some of everything that honest tools write.
fn mixed() -> Vec<u8> {
    Tarball::default()
        .entry(&Entry { mode: 0o750, ..Entry::new("./", b'5') })
        .directory("usr")
        .directory("usr/lib")
        .symlink("lib", "usr/lib")
        .file("lib/through", "a link to a directory")
        .symlink("absolute", "/usr")
        .file("absolute/through", "an absolute link")
        .entry(&Entry { mode: 0o6755, owner: 70_000, content: b"x", ..Entry::new("suid", b'0') })
        .hard_link("usr/suid", "suid")
        .entry(&Entry { device: (1, 3), mode: 0o666, ..Entry::new("null", b'3') })
        .entry(&Entry { device: (7, 0), ..Entry::new("loop", b'4') })
        .entry(&Entry::new("pipe", b'6'))
        .pax(&[("SCHILY.xattr.user.a", "b")])
        .file("attribute", "")
        .file(&format!("{}/long", "directory/".repeat(15)), "x")
        .file("twice", "one")
        .file("twice", "two")
        .directory("replaced")
        .file("replaced/file", "x")
        .symlink("replaced", "lib")
        .bytes()
}

/// umoci takes only OCI's media types.
fn in_oci_words(layer: &[u8]) -> Content {
    let content = Content::new(&[layer.to_vec()], &[layer.to_vec()]);
    let manifest = String::from_utf8(content.manifest)
        .expect("JSON")
        .replace("vnd.docker.distribution.manifest.v2", "vnd.oci.image.manifest.v1")
        .replace("vnd.docker.container.image.v1", "vnd.oci.image.config.v1")
        .replace("vnd.docker.image.rootfs.diff.tar.gzip", "vnd.oci.image.layer.v1.tar");
    Content { manifest: manifest.into_bytes(), ..content }
}

/// Every file with its kind, mode, owner, times of files, device, links and content.
fn listing(root: &Path) -> String {
    let format = "%p %y %m %U:%G %n %l %s\n".replace("%p", "%P");
    let found = Command::new("find").arg(root).args(["-printf", &format]).output();
    let found = String::from_utf8(found.expect("find is there").stdout).expect("plain");
    let mut lines: Vec<_> = found
        .lines()
        // The size of a directory is the file system's affair.
        .map(|it| if it.contains(" d ") { it.rsplit_once(' ').expect("a size").0 } else { it })
        .map(|it| {
            let path = root.join(it.split(' ').next().expect("a path"));
            let text = if path.is_file() { fs::read_to_string(path).ok() } else { None };
            format!("{it} {}", text.unwrap_or_default())
        })
        .collect();
    lines.sort();
    lines.join("\n")
}
