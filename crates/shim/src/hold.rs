//! Who has a task's folder: a lock on the folder itself. It is taken before a shim exists, handed
//! down to it, and let go by the kernel when the last process that has it ends. So there is no
//! moment at which a shim is on its way and the folder seems free.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use crate::client::socket_path;
use crate::root::magic;
use crate::{clock, processes, wait};

/// How long a shim may take from being started to listening, before somebody who wants its
/// folder kills it. Reading the program from a slow disk is most of it.
const BIRTH_LIMIT: Duration = Duration::from_secs(20);

/// How long the kernel may take to end what was killed.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A task's folder that nobody else has.
#[derive(Debug)]
pub(crate) struct Hold(File);

impl Hold {
    /// Takes the folder, if nobody has it.
    pub(crate) fn take(dir: &Path) -> io::Result<Option<Self>> {
        let folder = File::open(dir)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            other => other?,
        }
        let hold = Self(folder);
        // Removed and made again meanwhile: what is locked is not what others see.
        if hold.is_of(dir) { Ok(Some(hold)) } else { Ok(None) }
    }

    /// The folder that whoever started this process has taken for it, as its standard input.
    pub(crate) fn inherited(dir: &Path) -> io::Result<Self> {
        let hold = Self(rustix::stdio::stdin().try_clone_to_owned()?.into());
        if !hold.is_of(dir) {
            return Err(io::Error::other("its standard input must be the task's folder"));
        }
        flock(&hold.0, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another shim has the task"))?;
        Ok(hold)
    }

    /// Hands the folder on to a process that is started with this as its standard input.
    pub(crate) fn hand_on(self) -> Stdio {
        self.0.into()
    }

    /// Listens for clients in this very folder: if it was removed, there is none to listen in,
    /// whatever has its name now.
    pub(crate) fn listen(&self) -> io::Result<UnixListener> {
        let path = PathBuf::from(magic(self.0.as_fd())).join("sock");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        UnixListener::bind(path)
    }

    /// Whether this is what the path names.
    fn is_of(&self, dir: &Path) -> bool {
        let (Ok(own), Ok(named)) = (self.0.metadata(), std::fs::metadata(dir)) else {
            return false;
        };
        (own.dev(), own.ino()) == (named.dev(), named.ino())
    }
}

/// Takes the folder once nobody has it; nothing if a shim listens there.
///
/// One that is being started is waited for. What has the folder, and neither listens nor ends,
/// is killed.
pub(crate) fn settle(dir: &Path) -> io::Result<Option<Hold>> {
    let since = clock::steady();
    for attempt in 0.. {
        if let Some(hold) = Hold::take(dir)? {
            return Ok(Some(hold));
        }
        if listens(dir) {
            return Ok(None);
        }
        let waited = clock::steady().saturating_duration_since(since);
        if waited > BIRTH_LIMIT + KILL_LIMIT {
            break;
        }
        if waited > BIRTH_LIMIT {
            for (_, process) in processes::shims_below(dir) {
                process.signal(Signal::KILL);
            }
        }
        wait::pause(attempt);
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "somebody has the task's folder and stays"))
}

fn listens(dir: &Path) -> bool {
    socket_path(dir).is_ok_and(|(_open, path)| UnixStream::connect(path).is_ok())
}
