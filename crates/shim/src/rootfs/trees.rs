//! Detached mounts: made or copied while the host can be seen, attached inside later.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, open_tree,
};

use super::{Folder, attach, generated_files, read_only};
use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::Root;
use crate::spec::{Access, ContainerSpec, Mount, Sharing};
use crate::sys::{self, MountChange};

/// Docker's size of `/dev/shm`.
const SHM_BYTES: u64 = 64 * 1024 * 1024;

/// A mount that is not attached anywhere yet.
#[derive(Debug)]
pub(crate) struct Tree {
    mounted: OwnedFd,
    target: String,
    kind: FileType,
}

impl Tree {
    /// Copies what is at a path of the host, with all that is mounted below it.
    pub(crate) fn bind(source: &Path, target: &str, access: Access) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE;
        let mounted = open_tree(CWD, source, flags)?;
        let change = MountChange { set: 0, propagation: libc::MS_PRIVATE };
        sys::change_mount(mounted.as_fd(), libc::AT_RECURSIVE, change)?;
        if access == Access::ReadOnly {
            read_only(mounted.as_fd(), libc::AT_RECURSIVE)?;
        }
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&mounted)?.st_mode);
        Ok(Self { mounted, target: target.to_owned(), kind })
    }

    /// Makes a new file system. Options without a value are flags.
    pub(crate) fn new(
        kind: &str,
        target: &str,
        options: &[(String, Option<String>)],
        attributes: MountAttrFlags,
    ) -> io::Result<Self> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            match value {
                Some(value) => fsconfig_set_string(context.as_fd(), key, value)?,
                None => fsconfig_set_flag(context.as_fd(), key)?,
            }
        }
        fsconfig_create(context.as_fd())?;
        let mounted = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        Ok(Self { mounted, target: target.to_owned(), kind: FileType::Directory })
    }

    /// The mount as a directory to work in before anybody else sees it.
    pub(crate) fn root(&self) -> io::Result<Root> {
        Ok(Root::new(self.mounted.try_clone()?))
    }

    /// Attaches it at its target, which is made if it is missing.
    pub(crate) fn attach(self, root: &Root) -> Result<(), Refusal> {
        let what = format!("mount at {}", self.target);
        let at = if self.kind == FileType::Directory {
            root.make_directory(&self.target)
        } else {
            root.make_file(&self.target)
        };
        let at = at.refuse(RefusalKind::InvalidSpec, &what)?;
        // The kernel's own files are not to be replaced, through whatever links an image has.
        let kind = rustix::fs::fstatfs(&at).machine(&what)?.f_type;
        if kind == libc::PROC_SUPER_MAGIC {
            return Err(Refusal::spec(format!("{what}: refused inside /proc")));
        }
        attach(self.mounted.as_fd(), at.as_fd()).refuse(RefusalKind::InvalidSpec, what)
    }

    /// Attaches it at a place that is known already.
    pub(crate) fn attach_at(&self, at: &OwnedFd) -> io::Result<()> {
        attach(self.mounted.as_fd(), at.as_fd())
    }
}

/// All mounts of a specification, outer ones before inner ones.
pub(super) fn of_spec(
    spec: &ContainerSpec,
    folder: &Folder,
    shared_memory: Option<OwnedFd>,
) -> Result<Vec<Tree>, Refusal> {
    let mut trees = vec![shared_memory_tree(spec, shared_memory).machine("make /dev/shm")?];
    for (name, _) in generated_files(spec) {
        let target = format!("/etc/{name}");
        trees.push(Tree::bind(&folder.etc(name), &target, Access::Writable).machine(&target)?);
    }
    for mount in &spec.mounts {
        trees.push(of_mount(mount)?);
    }
    trees.sort_by_key(|it| it.target.split('/').filter(|it| !it.is_empty()).count());
    Ok(trees)
}

fn of_mount(mount: &Mount) -> Result<Tree, Refusal> {
    match mount {
        Mount::Bind { source, target, access, .. } => {
            let what = format!("bind {} at {target}", source.display());
            Tree::bind(source, target, *access).refuse(RefusalKind::InvalidSpec, what)
        }
        Mount::Tmpfs { target, options } => {
            let words = tmpfs_words(options);
            Tree::new("tmpfs", target, &words.options, words.attributes)
                .refuse(RefusalKind::InvalidSpec, format!("tmpfs at {target}"))
        }
    }
}

fn shared_memory_tree(spec: &ContainerSpec, shared: Option<OwnedFd>) -> io::Result<Tree> {
    let target = "/dev/shm";
    if let Some(mounted) = shared {
        return Ok(Tree { mounted, target: target.to_owned(), kind: FileType::Directory });
    }
    if spec.ipc == Sharing::Host {
        return Tree::bind(Path::new(target), target, Access::Writable);
    }
    shared_memory_of(spec.shm_bytes)
}

/// The size of a `/dev/shm`.
pub(crate) fn shared_memory_bytes(asked: Option<u64>) -> u64 {
    asked.unwrap_or(SHM_BYTES)
}

/// A new `/dev/shm` of the given size.
pub(crate) fn shared_memory_of(bytes: Option<u64>) -> io::Result<Tree> {
    let size = shared_memory_bytes(bytes).to_string();
    let options = [("mode".to_owned(), Some("1777".to_owned())), ("size".to_owned(), Some(size))];
    Tree::new("tmpfs", "/dev/shm", &options, HARMLESS)
}

/// No set-user-id, no devices, no programs.
const HARMLESS: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Docker's words for a temporary file system, sorted.
#[derive(Debug)]
pub(crate) struct TmpfsWords {
    /// For the file system.
    pub(crate) options: Vec<(String, Option<String>)>,
    /// For the mount.
    pub(crate) attributes: MountAttrFlags,
}

/// Sorts Docker's words; without any it is `noexec,nosuid,nodev` as in Docker.
pub(crate) fn tmpfs_words(words: &[String]) -> TmpfsWords {
    let mut found = TmpfsWords { options: vec![], attributes: HARMLESS };
    let attributes = [
        ("ro", "rw", MountAttrFlags::MOUNT_ATTR_RDONLY),
        ("nosuid", "suid", MountAttrFlags::MOUNT_ATTR_NOSUID),
        ("nodev", "dev", MountAttrFlags::MOUNT_ATTR_NODEV),
        ("noexec", "exec", MountAttrFlags::MOUNT_ATTR_NOEXEC),
        ("noatime", "atime", MountAttrFlags::MOUNT_ATTR_NOATIME),
        ("nodiratime", "diratime", MountAttrFlags::MOUNT_ATTR_NODIRATIME),
    ];
    for word in words.iter().flat_map(|it| it.split(',')).filter(|it| !it.is_empty()) {
        if let Some((_, _, bit)) = attributes.iter().find(|(on, _, _)| *on == word) {
            found.attributes |= *bit;
        } else if let Some((_, _, bit)) = attributes.iter().find(|(_, off, _)| *off == word) {
            found.attributes &= !*bit;
        } else if !matches!(word, "defaults" | "async" | "relatime" | "private" | "rprivate") {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (word, None),
            };
            found.options.push((key.to_owned(), value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_tmpfs_words_are_understood() {
        let words = ["rw,size=64m".to_owned(), "exec".to_owned(), "mode=1777".to_owned()];
        let found = tmpfs_words(&words);
        let shown: Vec<String> =
            found.options.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
        assert_eq!(shown, ["size=Some(\"64m\")", "mode=Some(\"1777\")"]);
        let expected = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        assert_eq!(found.attributes, expected);
    }
}
