//! The control plane's end of a conversation with one agent (ACS).
//!
//! Level-triggered: whatever has changed, the session compares what the instance should hold with
//! what the agent has acknowledged, and says the difference. A new connection begins with the whole:
//! a manifest and every task, and so does what is said after the agent has registered again. Lost,
//! repeated and reordered messages therefore change nothing.

mod messages;

use core::time::Duration;
use std::collections::BTreeMap;

use shapes::acs;
use state::Desired;
use types::{InstanceId, TaskId, Timestamp};

pub use messages::{FromAgent, ToAgent};

use crate::assignments::{Assigned, Assignments};
use crate::payload::{self, Surroundings};

/// How often an agent is asked for a sign of life: three times within the silence that counts as
/// lost.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// After this a payload that was not acknowledged is said again.
const ACK_WITHIN: Duration = Duration::from_secs(20);
/// Tasks in one payload; keeps a frame well under what agents read at once.
const PAYLOAD_TASKS_MAX: usize = 10;

/// One connection of one agent.
#[derive(Debug, Clone)]
pub struct Session {
    instance: InstanceId,
    /// Makes message ids of this connection unlike those of any other.
    id: u128,
    messages: u64,
    /// What the agent has acknowledged, by task.
    known: BTreeMap<TaskId, Desired>,
    /// Payloads on their way, by message id.
    sent: BTreeMap<String, Sent>,
    manifest: Option<Manifest>,
    /// Which credentials the agent was told last, by task.
    keys: BTreeMap<TaskId, String>,
    heartbeat_at: Timestamp,
    heartbeat_every: Duration,
}

/// The latest manifest.
#[derive(Debug, Clone)]
struct Manifest {
    /// Of its message.
    id: String,
    /// How often the instance had registered by then.
    incarnation: u64,
}

#[derive(Debug, Clone)]
struct Sent {
    at: Timestamp,
    tasks: Vec<(TaskId, Desired)>,
}

impl Session {
    /// A connection that has just been made. `id` is random.
    pub fn open(instance: InstanceId, id: u128, now: Timestamp) -> Self {
        Self {
            instance,
            id,
            messages: 0,
            known: BTreeMap::new(),
            sent: BTreeMap::new(),
            manifest: None,
            keys: BTreeMap::new(),
            heartbeat_at: now,
            heartbeat_every: HEARTBEAT_EVERY,
        }
    }

    /// Asks for signs of life three times within the silence that counts as lost, if that is more
    /// often than usual.
    pub fn within(mut self, silence: Duration) -> Self {
        self.heartbeat_every = HEARTBEAT_EVERY.min(silence / 3);
        self
    }

    /// Whose connection this is.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Says what the agent has not heard yet. The first time, and when the instance has registered
    /// since, that is everything: what was acknowledged before may have been forgotten, and what
    /// is not to run any more must stop wherever it runs.
    pub fn tell(
        &mut self,
        around: Surroundings<'_>,
        all: &Assignments,
        now: Timestamp,
    ) -> Vec<ToAgent> {
        let mut said = Vec::new();
        let incarnation = all.instance.incarnation;
        if self.manifest.as_ref().is_none_or(|it| it.incarnation != incarnation) {
            self.known.clear();
            self.sent.clear();
            self.keys.clear();
            said.push(self.say_manifest(around, all, now));
        }
        self.known.retain(|id, _| all.tasks.contains_key(id));
        let unsaid: Vec<_> = all
            .tasks
            .values()
            .filter(|it| !self.has_been_told(it))
            .filter_map(|it| Some((it, word(around, it)?)))
            .collect();
        for some in unsaid.chunks(PAYLOAD_TASKS_MAX) {
            said.push(self.say_payload(around, all, some, now));
        }
        said.extend(self.say_credentials(around, all));
        said
    }

    /// Takes in what the agent said.
    pub fn hear(
        &mut self,
        message: &FromAgent,
        around: Surroundings<'_>,
        all: &Assignments,
        now: Timestamp,
    ) -> Vec<ToAgent> {
        match message {
            FromAgent::Ack(it) => {
                self.acknowledged(it);
                Vec::new()
            }
            FromAgent::StopVerification(it) => {
                self.verify_stops(it, around, all, now).into_iter().collect()
            }
            FromAgent::HeartbeatAck(_) | FromAgent::CredentialsAck(_) | FromAgent::Other(_) => {
                Vec::new()
            }
        }
    }

    /// Takes in that a message has been taken in: the most frequent thing that agents say, and one
    /// that needs no look at what they should hold.
    pub fn acknowledged(&mut self, ack: &acs::AckRequest) {
        let sent = ack.message_id.as_ref().and_then(|id| self.sent.remove(id));
        for (task, desired) in sent.into_iter().flat_map(|it| it.tasks) {
            let known = self.known.entry(task).or_insert(desired);
            *known = (*known).max(desired);
        }
    }

    /// What is due by now: a heartbeat, payloads nobody acknowledged.
    pub fn tick(
        &mut self,
        around: Surroundings<'_>,
        all: &Assignments,
        now: Timestamp,
    ) -> Vec<ToAgent> {
        // What lies ahead was planned before the clock was set back.
        let overdue = |it: &Sent| it.at.after(ACK_WITHIN) <= now || it.at > now;
        self.sent.retain(|_, it| !overdue(it));
        let mut said = Vec::new();
        if self.heartbeat_at <= now || self.heartbeat_at > now.after(self.heartbeat_every) {
            self.heartbeat_at = now.after(self.heartbeat_every);
            said.push(ToAgent::Heartbeat(acs::HeartbeatMessage {
                message_id: Some(self.message_id()),
                healthy: Some(true),
            }));
        }
        said.extend(self.tell(around, all, now));
        said
    }

    /// When [`Session::tick`] has something to do next.
    pub fn due(&self) -> Timestamp {
        let unacknowledged = self.sent.values().map(|it| it.at.after(ACK_WITHIN)).min();
        unacknowledged.map_or(self.heartbeat_at, |at| at.min(self.heartbeat_at))
    }

    /// A task that is to stop and one that was told to stop need no more words.
    fn has_been_told(&self, it: &Assigned) -> bool {
        let desired = it.desired();
        let on_its_way = self.sent.values().flat_map(|it| &it.tasks);
        self.known.get(&it.task.id).is_some_and(|known| *known >= desired)
            || on_its_way.into_iter().any(|(id, said)| *id == it.task.id && *said >= desired)
    }

    fn say_manifest(
        &mut self,
        around: Surroundings<'_>,
        all: &Assignments,
        now: Timestamp,
    ) -> ToAgent {
        let id = self.message_id();
        self.manifest = Some(Manifest { id: id.clone(), incarnation: all.instance.incarnation });
        let cluster = around.home.cluster(&all.instance.cluster);
        let tasks = all.tasks.values().map(|it| acs::TaskIdentifier {
            task_arn: Some(around.home.task(&it.task.cluster, it.task.id)),
            task_cluster_arn: Some(cluster.clone()),
            desired_status: Some(it.desired().as_str().into()),
        });
        ToAgent::Manifest(acs::TaskManifestMessage {
            message_id: Some(id),
            cluster_arn: Some(cluster.clone()),
            container_instance_arn: Some(
                around.home.instance(&all.instance.cluster, self.instance),
            ),
            generated_at: Some(now.0),
            timeline: Some(version(all)),
            tasks: Some(tasks.collect()),
        })
    }

    fn say_payload(
        &mut self,
        around: Surroundings<'_>,
        all: &Assignments,
        some: &[(&Assigned, acs::Task)],
        now: Timestamp,
    ) -> ToAgent {
        let id = self.message_id();
        let tasks = some.iter().map(|(it, _)| (it.task.id, it.desired())).collect();
        self.sent.insert(id.clone(), Sent { at: now, tasks });
        ToAgent::Payload(acs::PayloadMessage {
            message_id: Some(id),
            cluster_arn: Some(around.home.cluster(&all.instance.cluster)),
            container_instance_arn: Some(
                around.home.instance(&all.instance.cluster, self.instance),
            ),
            generated_at: Some(now.0),
            seq_num: i32::try_from(version(all)).ok(),
            timeline: Some(version(all)),
            tasks: Some(some.iter().map(|(_, words)| words.clone()).collect()),
        })
    }

    /// Fresh credentials of tasks that run on. The first ones come with the task itself.
    fn say_credentials(&mut self, around: Surroundings<'_>, all: &Assignments) -> Vec<ToAgent> {
        self.keys.retain(|id, _| all.tasks.contains_key(id));
        let mut said = Vec::new();
        for it in all.tasks.values().filter(|it| it.should_run()) {
            let Some(key) = &it.key else { continue };
            match self.keys.insert(it.task.id, key.id.clone()) {
                Some(before) if before != key.id => {}
                _ => continue,
            }
            said.push(ToAgent::Credentials(acs::IAMRoleCredentialsMessage {
                message_id: Some(self.message_id()),
                role_credentials: payload::credentials(key),
                role_type: Some("TaskApplication".into()),
                task_arn: Some(around.home.task(&it.task.cluster, it.task.id)),
                task_cluster_arn: Some(around.home.cluster(&it.task.cluster)),
            }));
        }
        said
    }

    /// The agent asks before it stops what the manifest did not hold; only the answer to the
    /// latest manifest counts.
    fn verify_stops(
        &mut self,
        asked: &acs::TaskStopVerificationMessage,
        around: Surroundings<'_>,
        all: &Assignments,
        now: Timestamp,
    ) -> Option<ToAgent> {
        let latest = self.manifest.as_ref().map(|it| &it.id);
        if asked.message_id.as_ref() != latest {
            return None;
        }
        let keep: Vec<_> = all
            .tasks
            .values()
            .filter(|it| it.should_run())
            .map(|it| around.home.task(&it.task.cluster, it.task.id))
            .collect();
        let candidates = asked.stop_candidates.iter().flatten();
        let stop = candidates
            .filter(|it| it.task_arn.as_ref().is_some_and(|arn| !keep.contains(arn)))
            .map(|it| acs::TaskIdentifier {
                desired_status: Some(Desired::Stopped.as_str().into()),
                ..it.clone()
            });
        Some(ToAgent::StopVerified(acs::TaskStopVerificationAck {
            message_id: asked.message_id.clone(),
            generated_at: Some(now.0),
            stop_tasks: Some(stop.collect()),
        }))
    }

    fn message_id(&mut self) -> String {
        self.messages += 1;
        format!("{:032x}-{}", self.id, self.messages)
    }
}

fn version(all: &Assignments) -> i64 {
    i64::try_from(all.version).unwrap_or(i64::MAX)
}

/// A task in words; `None` for one that should run but has no definition, which registration
/// keeps from happening: a definition stays while a task that has not stopped refers to it.
fn word(around: Surroundings<'_>, it: &Assigned) -> Option<acs::Task> {
    match payload::task(around, it) {
        Ok(words) => Some(words),
        Err(_) if it.should_run() => None,
        Err(_) => Some(payload::stop_only(around.home, &it.task)),
    }
}

#[cfg(test)]
mod tests;
