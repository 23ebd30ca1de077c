//! Network namespaces: made, named by a file, entered and let go, without ever forking.
//!
//! A namespace belongs to a thread. So each step that needs one runs on a short-lived thread of its
//! own, and what it opened there (a socket, a listener) is handed back and works from anywhere.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::thread::LinkNameSpaceType;

/// `f_type` of the file system that namespaces live on. Source: the kernel's `magic.h`.
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// An open network namespace; it lives at least as long as this.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Opens the namespace that a file names.
    ///
    /// # Errors
    ///
    /// The file is missing, or is no network namespace (`InvalidData`).
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        if !is_namespace(&file)? {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self(file.into()))
    }

    /// Opens the namespace of the calling thread.
    pub fn current() -> io::Result<Self> {
        Ok(Self(fs::File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// Makes an empty namespace that ends with this value.
    pub fn new() -> io::Result<Self> {
        Ok(Self::create(|| ())?.0)
    }

    /// Makes an empty namespace and runs `first` in it; nothing else is in it yet.
    pub(crate) fn create<T: Send>(first: impl FnOnce() -> T + Send) -> io::Result<(Self, T)> {
        on_a_thread(|| {
            unshare_network()?;
            Ok((Self::current()?, first()))
        })
    }

    /// Runs `work` on a thread in this namespace and gives back what it made.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_a_thread(|| {
            rustix::thread::move_into_link_name_space(
                self.0.as_fd(),
                Some(LinkNameSpaceType::Network),
            )?;
            Ok(work())
        })
    }

    /// A TCP listener in this namespace, for a server that runs in another.
    pub fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        self.enter(|| TcpListener::bind(address))?
    }

    /// A UDP socket in this namespace, for a server that runs in another.
    pub fn bind_udp(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        self.enter(|| UdpSocket::bind(address))?
    }

    /// Names the namespace by a file, which keeps it until [`remove`].
    ///
    /// The file must not be there yet, or be left over and name nothing.
    pub(crate) fn persist(&self, path: &Path) -> io::Result<()> {
        fs::File::create(path)?;
        rustix::mount::mount_bind(format!("/proc/self/fd/{}", self.0.as_raw_fd()), path)?;
        Ok(())
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the file names a namespace: it does not after a restart of the machine.
pub(crate) fn names_one(path: &Path) -> bool {
    fs::File::open(path).is_ok_and(|file| is_namespace(&file).unwrap_or(false))
}

/// Takes the name away. The namespace ends once no process is in it. Fine if there is none.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_namespace(file: &fs::File) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|it| it == NSFS_MAGIC))
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespace".into()).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
}

/// Moves the calling thread into a new network namespace.
#[expect(unsafe_code, reason = "rustix marks every unshare as unsafe because of CLONE_FILES")]
fn unshare_network() -> io::Result<()> {
    // SAFETY: only CLONE_NEWNET is given, so the thread keeps sharing memory and file descriptors;
    // a network namespace says nothing about the validity of either.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET)? };
    Ok(())
}
