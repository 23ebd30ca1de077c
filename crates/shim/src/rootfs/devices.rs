//! `/dev` of a container: made afresh, so that nothing in the image can take a device's place.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{FileType, makedev};
use rustix::mount::MountAttrFlags;

use super::Tree;
use super::kernel::mount_plain;
use crate::cgroup::{DeviceAccess, DeviceKind, DeviceRule, default_rules};
use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::{Node, Root};
use crate::spec::{ContainerSpec, Privilege};

/// Device nodes that every container has: name, major, minor.
///
/// Source: OCI runtime specification, "Default Devices".
const NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Links that every container has.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// How deep `/dev` of the host is searched for privileged containers.
const DEPTH: usize = 4;

/// Devices of the host to show, by their path inside: those the specification names; all of
/// them for a privileged container.
pub(crate) fn host_devices(spec: &ContainerSpec) -> Result<Vec<(String, Node)>, Refusal> {
    let mut found = Vec::new();
    if spec.privilege == Privilege::Privileged {
        collect(Path::new("/dev"), DEPTH, &mut found);
    }
    for device in &spec.devices {
        let what = format!("device {}", device.host.display());
        let node = Node::of_host(&device.host).refuse(RefusalKind::InvalidSpec, what)?;
        found.push((device.container.clone(), node));
    }
    Ok(found)
}

/// Which accesses the control group allows a container.
pub(crate) fn rules(spec: &ContainerSpec) -> Result<Vec<DeviceRule>, Refusal> {
    if spec.privilege == Privilege::Privileged {
        return Ok(vec![DeviceRule::EVERYTHING]);
    }
    let mut rules = default_rules();
    for device in &spec.devices {
        let what = format!("device {}", device.host.display());
        let node = Node::of_host(&device.host).refuse(RefusalKind::InvalidSpec, &what)?;
        let access = DeviceAccess::parse(&device.permissions)
            .ok_or_else(|| Refusal::spec(format!("{what}: permissions are r, w and m")))?;
        let block = node.kind == FileType::BlockDevice;
        rules.push(DeviceRule {
            kind: if block { DeviceKind::Block } else { DeviceKind::Character },
            major: Some(rustix::fs::major(node.number)),
            minor: Some(rustix::fs::minor(node.number)),
            access,
        });
    }
    Ok(rules)
}

/// Makes `/dev` complete, then mounts it.
pub(super) fn mount_dev(root: &Root, host: &[(String, Node)]) -> io::Result<()> {
    let options = words(&[("mode", "755"), ("size", "64k")]);
    let dev = Tree::new("tmpfs", "/dev", &options, MountAttrFlags::MOUNT_ATTR_NOSUID)?;
    let inside = dev.root()?;
    for (name, major, minor) in NODES {
        let kind = FileType::CharacterDevice;
        let number = makedev(major, minor);
        inside
            .make_node(&format!("/{name}"), &Node { kind, number, mode: 0o666, uid: 0, gid: 0 })?;
    }
    for (name, target) in LINKS {
        inside.make_link(&format!("/{name}"), target)?;
    }
    for (path, node) in host {
        if let Some(name) = path.strip_prefix("/dev/") {
            make_unless_there(&inside, &format!("/{name}"), node)?;
        }
    }
    for name in ["/pts", "/mqueue", "/shm"] {
        inside.make_directory(name)?;
    }
    mount_plain(root, "/dev", &dev)?;
    mount_plain(root, "/dev/pts", &terminals()?)?;
    let queue = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    mount_plain(root, "/dev/mqueue", &Tree::new("mqueue", "", &[], queue)?)
}

/// Makes the devices whose path inside is not below `/dev`.
pub(super) fn make_elsewhere(root: &Root, host: &[(String, Node)]) -> io::Result<()> {
    let elsewhere = host.iter().filter(|(path, _)| !path.starts_with("/dev/"));
    for (path, node) in elsewhere {
        make_unless_there(root, path, node)?;
    }
    Ok(())
}

fn make_unless_there(root: &Root, path: &str, node: &Node) -> io::Result<()> {
    match root.make_node(path, node) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn terminals() -> io::Result<Tree> {
    let options = words(&[("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")]);
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Tree::new("devpts", "/dev/pts", &options, attributes)
}

fn words(pairs: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<(String, Node)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let own = ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console"];
        let Some(name) = path.to_str().filter(|it| !own.contains(it)) else { continue };
        if kind.is_dir() && depth > 0 {
            collect(&path, depth - 1, found);
        } else if kind.is_char_device() || kind.is_block_device() {
            found.extend(Node::of_host(&path).ok().map(|node| (name.to_owned(), node)));
        }
    }
}
