//! A connection to a shim that many can use at once: commands out, replies and events in.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shim::{Command, Event, ExecOutcome, Message, Refusal, RefusalKind, Reply, Request, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, oneshot};

/// What a shim tells on its own: ends of runs, and the end of the line itself.
pub(crate) enum News {
    /// Something happened to a container.
    Event(Event),
    /// The connection broke.
    Broke,
}

/// A connection to a shim.
pub(crate) struct Line {
    /// What the shim knew when the connection was made.
    pub(crate) status: Status,
    write: AsyncMutex<OwnedWriteHalf>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Who waits for what.
#[derive(Default)]
struct Waiting {
    last_id: u64,
    replies: BTreeMap<u64, oneshot::Sender<Result<Reply, Refusal>>>,
    execs: BTreeMap<String, oneshot::Sender<ExecOutcome>>,
    broken: bool,
}

impl Line {
    /// Connects to the shim of a task's folder; its news go to `tell`, in order.
    pub(crate) async fn connect<F, L>(folder: &Path, tell: F) -> io::Result<Self>
    where
        F: Fn(News) -> L + Send + 'static,
        L: Future<Output = ()> + Send + 'static,
    {
        let (_open, path) = shim::socket_path(folder)?;
        let (mut read, write) = UnixStream::connect(path).await?.into_split();
        let mut buffer = Vec::new();
        let status = loop {
            match shim::decode(&mut buffer).map_err(io::Error::other)? {
                Some(Message::Status(status)) => break status,
                Some(_) => {}
                None => fill(&mut read, &mut buffer).await?,
            }
        };
        let waiting = Arc::<Mutex<Waiting>>::default();
        let listener = Listener { read, buffer, waiting: waiting.clone() };
        tokio::spawn(listener.listen(tell));
        Ok(Self { status, write: AsyncMutex::new(write), waiting })
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    ///
    /// What the shim says, or that it is gone.
    pub(crate) async fn call(&self, command: Command) -> Result<Reply, Refusal> {
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut waiting = lock(&self.waiting);
            if waiting.broken {
                return Err(gone());
            }
            waiting.last_id += 1;
            let id = waiting.last_id;
            waiting.replies.insert(id, answer);
            id
        };
        let frame = shim::encode(&Request { id, command })
            .map_err(|it| Refusal { kind: RefusalKind::InvalidSpec, message: it.to_string() })?;
        if self.write.lock().await.write_all(&frame).await.is_err() {
            lock(&self.waiting).replies.remove(&id);
            return Err(gone());
        }
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Runs a command beside a container's own and waits for its end.
    pub(crate) async fn exec(&self, id: String, command: Command) -> Result<ExecOutcome, Refusal> {
        let (end, ended) = oneshot::channel();
        lock(&self.waiting).execs.insert(id.clone(), end);
        if let Err(refusal) = self.call(command).await {
            lock(&self.waiting).execs.remove(&id);
            return Err(refusal);
        }
        ended.await.map_err(|_| gone())
    }
}

fn gone() -> Refusal {
    Refusal { kind: RefusalKind::Machine, message: "the task's shim is gone".into() }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listener {
    read: OwnedReadHalf,
    buffer: Vec<u8>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Listener {
    async fn listen<F, L>(mut self, tell: F)
    where
        F: Fn(News) -> L + Send + 'static,
        L: Future<Output = ()> + Send + 'static,
    {
        loop {
            match shim::decode::<Message>(&mut self.buffer) {
                Ok(Some(Message::Reply { id, result })) => {
                    if let Some(waits) = lock(&self.waiting).replies.remove(&id) {
                        drop(waits.send(result));
                    }
                }
                Ok(Some(Message::Event(Event::ExecDone { id, outcome, .. }))) => {
                    if let Some(waits) = lock(&self.waiting).execs.remove(&id) {
                        drop(waits.send(outcome));
                    }
                }
                Ok(Some(Message::Event(event))) => tell(News::Event(event)).await,
                Ok(Some(Message::Status(_))) => {}
                Ok(None) => {
                    if fill(&mut self.read, &mut self.buffer).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a shim cannot be understood");
                    break;
                }
            }
        }
        {
            let mut waiting = lock(&self.waiting);
            waiting.broken = true;
            waiting.replies.clear();
            waiting.execs.clear();
        }
        tell(News::Broke).await;
    }
}

async fn fill(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> io::Result<()> {
    match read.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
