//! The kernel's own file systems inside a container: `/proc`, `/sys`, control groups, and what
//! of them is hidden or protected.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::FileType;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use super::{Tree, attach, read_only};
use crate::root::Root;
use crate::spec::Privilege;

/// Paths that show nothing.
///
/// Source: Docker Engine, masked paths of `oci.DefaultLinuxSpec`.
pub(crate) const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Paths that cannot be written.
///
/// Source: Docker Engine, read-only paths of `oci.DefaultLinuxSpec`.
pub(crate) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// No set-user-id, no devices, no programs.
const HARMLESS: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Mounts `/proc` of this process namespace.
pub(super) fn mount_proc(root: &Root) -> io::Result<()> {
    mount_plain(root, "/proc", &Tree::new("proc", "/proc", &[], HARMLESS)?)
}

/// Mounts `/sys` of this network namespace; only privileged containers may write.
pub(super) fn mount_sys(root: &Root, privilege: Privilege) -> io::Result<()> {
    let attributes = match privilege {
        Privilege::Privileged => HARMLESS,
        Privilege::Confined => HARMLESS | MountAttrFlags::MOUNT_ATTR_RDONLY,
    };
    mount_plain(root, "/sys", &Tree::new("sysfs", "/sys", &[], attributes)?)
}

/// Mounts at a directory of the image, made if it is missing; a link there is refused, since
/// it would put the kernel's files where the image wants them.
pub(super) fn mount_plain(root: &Root, path: &str, tree: &Tree) -> io::Result<()> {
    let at = match root.plain_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            root.make_directory(path)?;
            root.plain_directory(path)?
        }
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENOTDIR)) => {
            let text = format!("{path} of the image is not a directory");
            return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
        }
        other => other?,
    };
    tree.attach_at(&at)
}

/// Mounts the container's own control groups, so that programs find their limits.
pub(crate) fn mount_control_groups(
    root: &Root,
    privilege: Privilege,
    legacy: Vec<(String, Tree)>,
) -> io::Result<()> {
    let at = root.plain_directory("/sys/fs/cgroup")?;
    let attributes = match privilege {
        Privilege::Privileged => HARMLESS,
        Privilege::Confined => HARMLESS | MountAttrFlags::MOUNT_ATTR_RDONLY,
    };
    if legacy.is_empty() {
        return Tree::new("cgroup2", "", &[], attributes)?.attach_at(&at);
    }
    let size = [("mode".to_owned(), Some("755".to_owned()))];
    let folder = Tree::new("tmpfs", "", &size, HARMLESS)?;
    let inside = folder.root()?;
    for (name, _) in &legacy {
        inside.make_directory(&format!("/{name}"))?;
    }
    folder.attach_at(&at)?;
    for (name, tree) in legacy {
        tree.attach_at(&root.plain_directory(&format!("/sys/fs/cgroup/{name}"))?)?;
    }
    read_only(root.plain_directory("/sys/fs/cgroup")?.as_fd(), 0)
}

/// Forbids writing at a path, if it exists.
pub(super) fn forbid_writing(root: &Root, path: &str) -> io::Result<()> {
    let Some(at) = existing(root, path)? else { return Ok(()) };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let copy = open_tree(at.as_fd(), "", flags)?;
    read_only(copy.as_fd(), libc::AT_RECURSIVE)?;
    attach(copy.as_fd(), at.as_fd())
}

/// Covers a path, if it exists: a directory with an empty one, a file with the null device.
pub(super) fn mask(root: &Root, path: &str) -> io::Result<()> {
    let Some(at) = existing(root, path)? else { return Ok(()) };
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&at)?.st_mode);
    if kind != FileType::Directory {
        return attach(null_device(root)?.as_fd(), at.as_fd());
    }
    let attributes = HARMLESS | MountAttrFlags::MOUNT_ATTR_RDONLY;
    Tree::new("tmpfs", "", &[("size".to_owned(), Some("0".to_owned()))], attributes)?.attach_at(&at)
}

/// A copy of the null device of the container's own `/dev`, which we made: an image cannot have
/// put anything in its place, a mount of the specification could.
///
/// It must be copied from an attached mount; kernels before 6.15 copy no others.
fn null_device(root: &Root) -> io::Result<OwnedFd> {
    let null = root.handle("/dev/null")?;
    let found = rustix::fs::fstat(&null)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind != FileType::CharacterDevice || found.st_rdev != rustix::fs::makedev(1, 3) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "/dev/null is something else"));
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(null.as_fd(), "", flags)?)
}

fn existing(root: &Root, path: &str) -> io::Result<Option<OwnedFd>> {
    match root.handle(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ENOTDIR) => Ok(None),
        other => other.map(Some),
    }
}
