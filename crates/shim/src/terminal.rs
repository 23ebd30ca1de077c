//! Terminals of containers: made in the container's own `/dev/pts`, read by the shim.
//!
//! The container's side opens the terminal, so that it has a name inside, and sends the other side
//! to the shim over a socket; OCI runtimes do the same (`--console-socket` of `runc`).

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};

use crate::root::Root;
use crate::rootfs::attach;

/// Name of the socket at which a runtime leaves a terminal.
const SOCKET: &str = "console";

/// The two ends of a socket for one terminal.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Opens a terminal of the container whose root this is and makes it the standard streams, the
/// controlling terminal and `/dev/console`. Our side goes to the shim.
///
/// This process must lead its session, which has no terminal yet.
pub(crate) fn become_own(root: &Root, shim: BorrowedFd<'_>) -> io::Result<()> {
    let ours = root.device("/dev/pts/ptmx")?;
    unlockpt(&ours)?;
    let own = ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    send(shim, ours.as_fd())?;
    rustix::process::ioctl_tiocsctty(&own)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let console = root.make_file("/dev/console")?;
    attach(open_tree(&own, "", flags)?.as_fd(), console.as_fd())?;
    rustix::stdio::dup2_stdin(&own)?;
    rustix::stdio::dup2_stdout(&own)?;
    Ok(rustix::stdio::dup2_stderr(&own)?)
}

fn send(socket: BorrowedFd<'_>, what: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let all = [what];
    if !control.push(SendAncillaryMessage::ScmRights(&all)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(socket, &[io::IoSlice::new(b"t")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes the terminal that was sent; the container's command runs already.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // A runtime sends the terminal's name with it.
    let mut name = [0; 256];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(socket, &mut [IoSliceMut::new(&mut name)], &mut control, flags)?;
    let found = control.drain().find_map(|it| match it {
        RecvAncillaryMessage::ScmRights(mut all) => all.next(),
        _ => None,
    });
    found.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no terminal was sent"))
}

/// Waits for the terminal of one container that a runtime makes.
pub(crate) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Names the folder for as long as the path is used: names of sockets are short.
    _folder: File,
}

impl Listener {
    /// Listens in a folder, under a path that is short however long the folder's is.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        let opened = File::open(folder)?;
        let (shim, number) = (std::process::id(), opened.as_raw_fd());
        let path = PathBuf::from(format!("/proc/{shim}/fd/{number}/{SOCKET}"));
        // Of an earlier start of the same container.
        let _ = std::fs::remove_file(&path);
        Ok(Self { listener: UnixListener::bind(&path)?, path, _folder: opened })
    }

    /// Where the runtime finds it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the terminal. The runtime has ended, so it is there already.
    pub(crate) fn receive(self) -> io::Result<OwnedFd> {
        self.listener.set_nonblocking(true)?;
        let (connection, _) = self.listener.accept()?;
        receive(connection.as_fd())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The folder goes with the container in any case.
        let _ = std::fs::remove_file(&self.path);
    }
}
