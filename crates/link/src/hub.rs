//! The control plane's end of all agent sessions.

use core::pin::Pin;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::{SinkExt as _, StreamExt as _};
use plan::assignments::Assignments;
use plan::liveness::{Liveness, SILENCE_MAX};
use plan::payload::Surroundings;
use plan::session::{FromAgent, Session, ToAgent};
use state::{Change, InstanceStatus, RegionRow};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use types::{Home, InstanceId, TaskId, Timestamp};

use crate::frames::FrameError;
use crate::parting::Parting;
use crate::telemetry::TaskUse;
use crate::{frames, telemetry};

/// How often silence is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A future of a trait's method.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an instance should hold, and what its tasks' words need. All of it durable.
#[derive(Debug, Clone)]
pub struct Told {
    /// What it should hold.
    pub assignments: Assignments,
    /// For the gateways of interfaces.
    pub region: Option<Arc<RegionRow>>,
}

/// What sessions need of the region: its clock, and the state through its writer.
pub trait Region: Send + Sync + 'static {
    /// Whose region.
    fn home(&self) -> &Home;
    /// The clock.
    fn now(&self) -> Timestamp;
    /// Fresh randomness.
    fn random(&self) -> u128;
    /// What an instance should hold; `None` if there is no such instance.
    fn told(&self, instance: InstanceId) -> Later<'_, Option<Told>>;
    /// An agent's session stands. Returns once that is durable.
    fn connected(&self, instance: InstanceId) -> Later<'_, ()>;
    /// An agent has been silent for too long.
    fn lost(&self, instance: InstanceId) -> Later<'_, ()>;
    /// What an instance's health checks say of a task. Of others' tasks it has nothing to say.
    fn health(
        &self,
        instance: InstanceId,
        task: TaskId,
        checked: Vec<(String, state::Health)>,
    ) -> Later<'_, ()>;
    /// What all tasks of an instance use of it.
    fn used(&self, instance: InstanceId, tasks: Vec<TaskUse>) -> Later<'_, ()>;
}

/// All sessions of a region.
pub struct Hub {
    region: Arc<dyn Region>,
    sessions: Mutex<BTreeMap<InstanceId, Arc<Line>>>,
    liveness: Mutex<Liveness>,
    silence: Duration,
}

/// What the rest of the house can do with one session.
#[derive(Debug, Default)]
struct Line {
    changed: Notify,
    hang_up: Notify,
    /// Why it is to be hung up.
    why: OnceLock<&'static str>,
}

impl Line {
    /// Ends the conversation. The first reason counts.
    fn hang_up(&self, why: &'static str) {
        self.why.get_or_init(|| why);
        self.hang_up.notify_one();
    }
}

/// What a frame of an agent asks of its session.
enum Heard {
    /// Nothing.
    Enough,
    /// A look at what the instance should hold.
    Message(FromAgent),
    /// To be told that it is none.
    Unreadable(FrameError),
}

impl Hub {
    /// A hub that nobody has called yet. Instances that the state believes connected have until the
    /// silence is over to call.
    pub fn new(
        region: Arc<dyn Region>,
        connected: impl IntoIterator<Item = InstanceId>,
        silence: Option<Duration>,
    ) -> Arc<Self> {
        let mut liveness = Liveness::default();
        let now = region.now();
        for instance in connected {
            liveness.hear(instance, now);
        }
        Arc::new(Self {
            region,
            sessions: Mutex::default(),
            liveness: Mutex::new(liveness),
            silence: silence.unwrap_or(SILENCE_MAX),
        })
    }

    /// What an instance should hold; `None` if there is no such instance.
    pub async fn told(&self, instance: InstanceId) -> Option<Told> {
        self.region.told(instance).await
    }

    /// Looks for the silent, for ever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.region.now();
            let lost = lock(&self.liveness).lost(now, self.silence);
            for instance in lost {
                tracing::warn!(%instance, "the agent has not been heard of: disconnected");
                if let Some(line) = lock(&self.sessions).remove(&instance) {
                    line.hang_up("the agent has not been heard of for too long");
                }
                self.region.lost(instance).await;
                // It may have called meanwhile, and what the region notes last is what stays.
                let back = lock(&self.liveness).hears(instance);
                if back {
                    self.region.connected(instance).await;
                }
            }
        }
    }

    /// Tells the sessions whose instances should hold something else now.
    pub fn changed(&self, changes: &[Change]) {
        let sessions = lock(&self.sessions);
        for change in changes {
            if let Change::ContainerInstance(id, _) | Change::Assignment(id, _) = change
                && let Some(line) = sessions.get(id)
            {
                line.changed.notify_one();
            }
        }
    }

    /// Holds one conversation until either end hangs up. A second agent with the same identity ends
    /// the first one's.
    pub async fn serve<S>(&self, mut socket: WebSocketStream<S>, instance: InstanceId)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        // A call is a sign of life: nobody may take it for lost while that is made durable.
        self.heard(instance);
        self.region.connected(instance).await;
        self.heard(instance);
        let line = Arc::new(Line::default());
        if let Some(older) = lock(&self.sessions).insert(instance, line.clone()) {
            tracing::warn!(%instance, "a second session of this instance: the first one is closed");
            older.hang_up("another session of this instance has begun");
        }
        tracing::info!(%instance, "the agent's session stands");
        let parting = self.converse(&mut socket, instance, &line).await;
        tracing::info!(%instance, why = parting.why(), "the agent's session has ended");
        self.forget(instance, &line);
        parting.say(socket).await;
    }

    fn forget(&self, instance: InstanceId, line: &Arc<Line>) {
        let mut sessions = lock(&self.sessions);
        if sessions.get(&instance).is_some_and(|it| Arc::ptr_eq(it, line)) {
            sessions.remove(&instance);
        }
    }

    async fn converse<S>(
        &self,
        socket: &mut WebSocketStream<S>,
        instance: InstanceId,
        line: &Line,
    ) -> Parting
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut session =
            Session::open(instance, self.region.random(), self.region.now()).within(self.silence);
        line.changed.notify_one();
        loop {
            let wait = session.due().since(self.region.now());
            let frame = tokio::select! {
                frame = socket.next() => match frame {
                    Some(Ok(Message::Close(_))) | None => return Parting::Theirs,
                    Some(Ok(frame)) => Some(frame),
                    Some(Err(error)) => return Parting::of(&error),
                },
                () = line.changed.notified() => None,
                () = tokio::time::sleep(wait) => None,
                () = line.hang_up.notified() => {
                    return Parting::policy(line.why.get().copied().unwrap_or_default());
                }
            };
            let said = match frame.map(|it| self.hear(&mut session, &it)) {
                Some(Heard::Enough) => continue,
                Some(Heard::Unreadable(error)) => Ok(vec![frames::bad_request(&error)]),
                Some(Heard::Message(message)) => self.answer(&mut session, Some(&message)).await,
                None => self.answer(&mut session, None).await,
            };
            let said = match said {
                Ok(said) => said,
                Err(parting) => return parting,
            };
            for frame in said {
                if socket.feed(Message::text(frame)).await.is_err() {
                    return Parting::Theirs;
                }
            }
            if socket.flush().await.is_err() {
                return Parting::Theirs;
            }
        }
    }

    /// Takes in a frame.
    fn hear(&self, session: &mut Session, frame: &Message) -> Heard {
        self.heard(session.instance());
        let read = match frame {
            Message::Text(text) => frames::from_agent(text),
            Message::Binary(_) => Err(FrameError::Binary),
            _ => return Heard::Enough,
        };
        match read {
            Ok(FromAgent::Ack(ack)) => session.acknowledged(&ack),
            Ok(message @ FromAgent::StopVerification(_)) => return Heard::Message(message),
            Ok(FromAgent::HeartbeatAck(_) | FromAgent::CredentialsAck(_)) => {}
            Ok(FromAgent::Other(kind)) => tracing::debug!(kind, "an agent says what nobody needs"),
            Err(error) => {
                tracing::warn!(%error, "an agent sent what is no message");
                return Heard::Unreadable(error);
            }
        }
        Heard::Enough
    }

    /// What is due to be said by now, as frames.
    async fn answer(
        &self,
        session: &mut Session,
        heard: Option<&FromAgent>,
    ) -> Result<Vec<String>, Parting> {
        let Some(told) = self.region.told(session.instance()).await else {
            return Err(Parting::normal("there is no such container instance"));
        };
        if told.assignments.instance.status == InstanceStatus::Inactive {
            return Err(Parting::normal("this container instance was deregistered"));
        }
        Ok(self.turn(session, &told, heard).iter().map(frames::to_agent).collect())
    }

    fn turn(&self, session: &mut Session, told: &Told, heard: Option<&FromAgent>) -> Vec<ToAgent> {
        let around = Surroundings { home: self.region.home(), region: told.region.as_deref() };
        let now = self.region.now();
        let all = &told.assignments;
        let mut said = Vec::new();
        if let Some(message) = heard {
            said.extend(session.hear(message, around, all, now));
        }
        said.extend(session.tick(around, all, now));
        said
    }

    /// Holds one telemetry conversation until either end hangs up.
    pub async fn serve_telemetry<S>(&self, socket: WebSocketStream<S>, instance: InstanceId)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        telemetry::serve(self.region.as_ref(), socket, instance).await;
    }

    fn heard(&self, instance: InstanceId) {
        lock(&self.liveness).hear(instance, self.region.now());
    }
}

/// A panic while a lock was held is impossible to say anything about here; what is guarded is whole
/// after every statement.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
