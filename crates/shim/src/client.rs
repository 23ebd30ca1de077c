//! The side of the agent: starting a shim, talking to it, finding it again. Blocking; an agent
//! that does not block speaks [`encode`](crate::encode) and [`decode`](crate::decode) itself
//! over a connection of [`socket_path`].

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::hold::Hold;
use crate::protocol::{
    Command, Event, FrameError, Message, Refusal, Reply, Request, Status, decode, encode,
};
use crate::root::magic;
use crate::rootfs;
use crate::spec::TaskSpec;
use crate::state::StateFolder;

/// How long a command may take. The longest one starts a container.
const REPLY_LIMIT: Duration = Duration::from_mins(2);

/// Why talking to a shim failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The shim did not do it and says why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The shim could not be started; its own words.
    #[error("the shim does not start: {0}")]
    NotStarted(String),
    /// There is no shim: [`recover`](crate::recover) what it left.
    #[error("no shim answers in {0}")]
    NoShim(PathBuf),
    /// The connection broke. Connecting again tells everything that was missed.
    #[error("the connection to the shim broke")]
    Broken(#[source] io::Error),
    /// The other end speaks something else.
    #[error("the shim cannot be understood")]
    Frame(#[from] FrameError),
}

/// A connection to a shim.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    incoming: Vec<u8>,
    events: VecDeque<Event>,
    status: Status,
    last_id: u64,
}

impl Client {
    /// Makes the task's folder, starts a shim in it and connects.
    ///
    /// `program` is executed as `program shim --dir DIR`, from a read-only copy of its mount,
    /// so that no container can write to it through `/proc/…/exe` (CVE-2019-5736). The shim
    /// goes on when the caller ends.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotStarted`] with the shim's own words, or anything of [`Self::connect`].
    pub fn spawn(program: &Path, dir: &Path, task: &TaskSpec) -> Result<Self, ClientError> {
        let failed = |error: io::Error| ClientError::NotStarted(error.to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let hold = Hold::take(dir).map_err(failed)?;
        let hold = hold.ok_or_else(|| failed(io::Error::other("another shim has the task")))?;
        StateFolder::new(dir).write_task(task).map_err(failed)?;
        let sealed = read_only_program(program).map_err(failed)?;
        let output = std::process::Command::new(magic(sealed.as_fd()))
            .arg0(program)
            .args(["shim".as_ref(), "--dir".as_ref(), dir.as_os_str()])
            .env_clear()
            // From here to the shim's end somebody has the folder, whoever of us ends.
            .stdin(hold.hand_on())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .map_err(failed)?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ClientError::NotStarted(words));
        }
        Self::connect(dir)
    }

    /// Connects to the shim of a task's folder.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoShim`] if none listens there.
    pub fn connect(dir: &Path) -> Result<Self, ClientError> {
        let no_shim = |_| ClientError::NoShim(dir.to_owned());
        let (_open, path) = socket_path(dir).map_err(no_shim)?;
        let stream = UnixStream::connect(path).map_err(no_shim)?;
        stream.set_read_timeout(Some(REPLY_LIMIT)).map_err(ClientError::Broken)?;
        stream.set_write_timeout(Some(REPLY_LIMIT)).map_err(ClientError::Broken)?;
        let mut incoming = Vec::new();
        loop {
            if let Some(Message::Status(status)) = decode(&mut incoming)? {
                let events = VecDeque::new();
                return Ok(Self { stream, incoming, events, status, last_id: 0 });
            }
            fill(&mut stream.try_clone().map_err(ClientError::Broken)?, &mut incoming)?;
        }
    }

    /// What the shim knew when this connection was made.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Sends a command and waits for its reply. Events that come meanwhile are kept for
    /// [`Self::next_event`].
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] if the shim says no, else that the connection is of no use.
    pub fn call(&mut self, command: Command) -> Result<Reply, ClientError> {
        self.last_id += 1;
        let frame = encode(&Request { id: self.last_id, command })?;
        self.stream.write_all(&frame).map_err(ClientError::Broken)?;
        loop {
            match self.next_message()? {
                Message::Reply { id, result } if id == self.last_id => return Ok(result?),
                Message::Event(event) => self.events.push_back(event),
                Message::Reply { .. } | Message::Status(_) => {}
            }
        }
    }

    /// The next event, waiting for it.
    ///
    /// # Errors
    ///
    /// If the connection is of no use, or nothing came for two minutes.
    pub fn next_event(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Message::Event(event) = self.next_message()? {
                return Ok(event);
            }
        }
    }

    fn next_message(&mut self) -> Result<Message, ClientError> {
        loop {
            if let Some(message) = decode(&mut self.incoming)? {
                return Ok(message);
            }
            fill(&mut self.stream, &mut self.incoming)?;
        }
    }
}

impl AsRawFd for Client {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn fill(stream: &mut UnixStream, incoming: &mut Vec<u8>) -> Result<(), ClientError> {
    let mut chunk = [0; 8192];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Err(ClientError::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                incoming.extend(chunk.iter().take(count));
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ClientError::Broken(error)),
        }
    }
}

/// Where the shim of a task's folder listens, in a form short enough for a socket's address
/// whatever the folder's path. Good as long as the descriptor is open.
///
/// # Errors
///
/// If the folder cannot be opened.
pub fn socket_path(dir: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(dir, flags, Mode::empty())?;
    let path = Path::new(&magic(open.as_fd())).join("sock");
    Ok((open, path))
}

/// The program as seen through a mount of its own that cannot be written and that nobody else
/// sees.
fn read_only_program(program: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, program, flags)?;
    rootfs::read_only(tree.as_fd(), 0)?;
    let file =
        fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(magic(tree.as_fd()))?;
    Ok(File::into(file))
}
