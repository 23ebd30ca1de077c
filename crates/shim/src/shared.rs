//! Namespaces that containers of a task share, held by a process that does nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, pidfd_open};

use crate::cgroup::Group;
use crate::process::hide;
use crate::root::Root;
use crate::rootfs;
use crate::sys::{self, Descriptors, Side};

/// Where the holder mounts the shared memory, in its own mount namespace.
const SHARED_MEMORY: &str = "/dev/shm";

/// The shared namespaces; they live as long as their holder.
#[derive(Debug)]
pub(crate) struct SharedNamespaces {
    holder: i32,
    /// The holder, by which its namespaces are entered.
    descriptor: OwnedFd,
    /// The shim's own process namespace, to come back to.
    own: File,
}

impl SharedNamespaces {
    /// Starts the holder inside `group`.
    pub(crate) fn create(group: &Group, shared_memory: Option<u64>) -> io::Result<Self> {
        // Of an earlier holder; a group that was killed cannot be used again.
        group.remove()?;
        group.create()?;
        let (ready, tell) = pipe_with(PipeFlags::CLOEXEC)?;
        let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
        let inside = group.descriptor()?;
        match sys::clone_process(flags, inside.as_ref().map(AsFd::as_fd))? {
            Side::Child => hold(tell, shared_memory),
            Side::Parent(holder) => {
                drop(tell);
                group.attach(holder)?;
                let mut byte = [0];
                File::from(ready).read_exact(&mut byte)?;
                let pid = rustix::process::Pid::from_raw(holder);
                let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
                let descriptor = pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
                let own = File::open("/proc/self/ns/pid")?;
                Ok(Self { holder, descriptor, own })
            }
        }
    }

    /// The holder's process.
    pub(crate) fn holder(&self) -> i32 {
        self.holder
    }

    /// Forks by `fork` into the shared process namespace. The child comes back from here too.
    pub(crate) fn within(&self, fork: impl FnOnce() -> io::Result<Side>) -> io::Result<Side> {
        sys::enter(self.descriptor.as_fd(), libc::CLONE_NEWPID)?;
        let side = fork();
        if let Ok(Side::Child) = side {
            // It is inside now and cannot go back.
            return side;
        }
        sys::enter(self.own.as_fd(), libc::CLONE_NEWPID)?;
        side
    }

    /// Enters the shared ipc namespace; gives the shared memory, to be mounted.
    pub(crate) fn join_ipc(&self) -> io::Result<OwnedFd> {
        let own = File::open("/proc/self/ns/mnt")?;
        sys::enter(self.descriptor.as_fd(), libc::CLONE_NEWIPC | libc::CLONE_NEWNS)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let memory = open_tree(CWD, SHARED_MEMORY, flags);
        sys::enter(own.as_fd(), libc::CLONE_NEWNS)?;
        Ok(memory?)
    }
}

/// The holder: mounts the shared memory, says so, and reaps orphans until it is killed.
fn hold(tell: OwnedFd, shared_memory: Option<u64>) -> ! {
    let all = sys::every_signal();
    if mount_shared_memory(shared_memory).and_then(|()| hide()).is_err()
        || sys::block_signals(&all).is_err()
        || File::from(tell).write_all(&[1]).is_err()
        || sys::close_from(0, Descriptors::Close).is_err()
    {
        sys::exit_now(1);
    }
    loop {
        let _ = sys::wait_signal(&[libc::SIGCHLD]);
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
    }
}

fn mount_shared_memory(bytes: Option<u64>) -> io::Result<()> {
    rootfs::cut_off().map_err(io::Error::other)?;
    let at = Root::open(Path::new(SHARED_MEMORY))?;
    rootfs::shared_memory_of(bytes)?.attach_at(&at.as_fd().try_clone_to_owned()?)
}
