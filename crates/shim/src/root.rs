//! Paths inside a container's root, resolved so that nothing the image holds leads out of it.
//!
//! Every lookup goes through `openat2` with `RESOLVE_IN_ROOT`: absolute links start at the
//! container's root, `..` stops there, and links of the kind `/proc/self/fd/3` are refused.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

/// A directory that is taken for the root of everything below it.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

/// Largest file read from an image while starting a container (`/etc/passwd`, `/etc/group`).
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

impl Root {
    /// Takes the directory at a path of ours for a root.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Takes an open directory for a root.
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// A handle on what is at `path`; it neither reads nor writes.
    pub(crate) fn handle(&self, path: &str) -> io::Result<OwnedFd> {
        self.resolve(path, OFlags::PATH, ResolveFlags::empty())
    }

    /// A handle on a directory that is no symbolic link and not reached through one.
    pub(crate) fn plain_directory(&self, path: &str) -> io::Result<OwnedFd> {
        self.resolve(path, OFlags::PATH | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS)
    }

    /// Opens a device to read and write, without making it this process's terminal.
    pub(crate) fn device(&self, path: &str) -> io::Result<OwnedFd> {
        self.resolve(path, OFlags::RDWR | OFlags::NOCTTY, ResolveFlags::NO_SYMLINKS)
    }

    /// Makes a directory and those above it; gives a handle on it.
    pub(crate) fn make_directory(&self, path: &str) -> io::Result<OwnedFd> {
        let names = names(path)?;
        let mut done = String::from("/");
        let mut at = self.0.try_clone()?;
        for name in names {
            done.push_str(name);
            at = match self.handle(&done) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755))?;
                    self.handle(&done)?
                }
                other => other?,
            };
            done.push('/');
        }
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&at)?.st_mode);
        if kind == FileType::Directory { Ok(at) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Makes an empty file where nothing is, and directories above it; gives a handle on it.
    pub(crate) fn make_file(&self, path: &str) -> io::Result<OwnedFd> {
        match self.handle(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (folder, name) = split(path)?;
        let folder = self.make_directory(folder)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o644))?;
        self.handle(path)
    }

    /// Makes a device node, and directories above it.
    pub(crate) fn make_node(&self, path: &str, node: &Node) -> io::Result<()> {
        let (folder, name) = split(path)?;
        let folder = self.make_directory(folder)?;
        let mode = Mode::from_raw_mode(node.mode & 0o7777);
        rustix::fs::mknodat(&folder, name, node.kind, mode, node.number)?;
        // The umask took bits away that the device needs.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&folder, name, flags, Mode::empty())?;
        rustix::fs::chmod(magic(made.as_fd()), mode)?;
        let owner = (rustix::fs::Uid::from_raw(node.uid), rustix::fs::Gid::from_raw(node.gid));
        Ok(rustix::fs::chown(magic(made.as_fd()), Some(owner.0), Some(owner.1))?)
    }

    /// Makes a symbolic link; its folder must exist.
    pub(crate) fn make_link(&self, path: &str, target: &str) -> io::Result<()> {
        let (folder, name) = split(path)?;
        Ok(rustix::fs::symlinkat(target, self.make_directory(folder)?, name)?)
    }

    /// Reads a regular file; nothing if there is none.
    pub(crate) fn read(&self, path: &str) -> io::Result<Option<String>> {
        let file = match self.resolve(path, OFlags::NONBLOCK, ResolveFlags::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
        if kind != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
        }
        let mut content = Vec::new();
        std::fs::File::from(file).take(FILE_LIMIT).read_to_end(&mut content)?;
        Ok(Some(String::from_utf8_lossy(&content).into_owned()))
    }

    fn resolve(&self, path: &str, flags: OFlags, extra: ResolveFlags) -> io::Result<OwnedFd> {
        let rules = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | extra;
        let flags = flags | OFlags::CLOEXEC;
        loop {
            match rustix::fs::openat2(&self.0, path, flags, Mode::empty(), rules) {
                // The kernel saw a rename meanwhile and cannot tell; it may be tried again.
                Err(rustix::io::Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A device node to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: FileType,
    pub(crate) number: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Node {
    /// Whether it is a block device; else it is a character device.
    pub(crate) fn is_block(&self) -> bool {
        self.kind == FileType::BlockDevice
    }

    /// The node at a path of the host.
    pub(crate) fn of_host(path: &Path) -> io::Result<Self> {
        let it = rustix::fs::stat(path)?;
        let kind = FileType::from_raw_mode(it.st_mode);
        if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a device"));
        }
        Ok(Self { kind, number: it.st_rdev, mode: it.st_mode, uid: it.st_uid, gid: it.st_gid })
    }
}

/// The path by which this process reaches what a descriptor of its own is open on.
pub(crate) fn magic(descriptor: BorrowedFd<'_>) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// The names of an absolute path without `.` and `..`.
fn names(path: &str) -> io::Result<Vec<&str>> {
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "path is not plainly absolute");
    let mut names = Vec::new();
    if !path.starts_with('/') {
        return Err(refused());
    }
    for part in Path::new(path).components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => names.push(name.to_str().ok_or_else(refused)?),
            Component::Prefix(_) | Component::CurDir | Component::ParentDir => {
                return Err(refused());
            }
        }
    }
    Ok(names)
}

fn split(path: &str) -> io::Result<(&str, &str)> {
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "path has no name");
    let (folder, name) = path.trim_end_matches('/').rsplit_once('/').ok_or_else(refused)?;
    if matches!(name, "" | "." | "..") {
        return Err(refused());
    }
    Ok((if folder.is_empty() { "/" } else { folder }, name))
}
