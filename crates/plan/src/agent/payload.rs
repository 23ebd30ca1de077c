//! Takes in payload messages: tasks to stop, then tasks to start.
//!
//! A message is acknowledged once every task of it has been taken in, and a task once its row is
//! safe. A task known already is only told where to go; it never starts twice.

use shapes::acs;

use super::Core;
use super::effect::{AgentMessage, Effect, Flush, Output};
use super::parse;
use super::reasons;
use super::record::Role;
use super::rows;
use super::spec::TaskArn;
use super::task::Task;
use crate::lifecycle::Desired;

/// Whether a task of a payload is now this agent's concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    In,
    /// It has no usable name, so nothing can be said about it.
    Not,
}

impl Core {
    /// Takes in a payload message.
    pub(super) fn payload(&mut self, message: acs::PayloadMessage, output: &mut Output) {
        if !self.is_for_me(message.container_instance_arn.as_deref()) {
            return;
        }
        let sequence = i64::from(message.seq_num.unwrap_or(0)).max(message.timeline.unwrap_or(0));
        let tasks = message.tasks.unwrap_or_default();
        let (stops, starts): (Vec<_>, Vec<_>) = tasks.into_iter().partition(wants_stop);
        let mut all = Taken::In;
        for task in &stops {
            if self.stop_known(task, output) == Taken::Not {
                all = Taken::Not;
            }
        }
        for task in &starts {
            if self.start(task, sequence, output) == Taken::Not {
                all = Taken::Not;
            }
        }
        self.sequence.payload = self.sequence.payload.max(sequence);
        self.keep_sequence(output);
        if all == Taken::Not {
            return;
        }
        let Some(id) = message.message_id else { return };
        for task in &starts {
            let sets = [&task.role_credentials, &task.execution_role_credentials];
            for set in sets.into_iter().flatten() {
                output.effects.push(credentials_ack(set, &id));
            }
        }
        output.effects.push(Effect::Send(AgentMessage::Ack(acs::AckRequest {
            cluster: message.cluster_arn.or_else(|| Some(self.settings.cluster.clone())),
            container_instance: Some(self.settings.container_instance.clone()),
            message_id: Some(id),
        })));
    }

    /// Whether a message names this instance, or none.
    pub(super) fn is_for_me(&self, container_instance: Option<&str>) -> bool {
        container_instance.is_none_or(|it| it == self.settings.container_instance)
    }

    fn stop_known(&mut self, task: &acs::Task, output: &mut Output) -> Taken {
        let Some(arn) = task.arn.as_deref().and_then(TaskArn::parse) else { return Taken::Not };
        if !self.tasks.contains_key(&arn) {
            // It may have been forgotten with this machine's disk; the control plane still waits.
            self.refuse(arn, "The task is not known to its container instance".into(), output);
            return Taken::In;
        }
        self.stop(&arn, output);
        Taken::In
    }

    /// A known task shall stop.
    pub(super) fn stop(&mut self, arn: &TaskArn, output: &mut Output) {
        if let Some(task) = self.tasks.get_mut(arn)
            && task.record.desired == Desired::Running
        {
            task.record.desired = Desired::Stopped;
            output.flush = Flush::BeforeEffects;
            self.touched.insert(arn.clone());
        }
    }

    fn start(&mut self, task: &acs::Task, sequence: i64, output: &mut Output) -> Taken {
        let Some(arn) = task.arn.as_deref().and_then(TaskArn::parse) else { return Taken::Not };
        if self.tasks.contains_key(&arn) {
            return Taken::In;
        }
        let awaited = self.sequence.awaited.remove(arn.as_str());
        if sequence < self.sequence.manifest && !awaited {
            // A later manifest, which holds everything, does not hold it any more.
            return Taken::In;
        }
        match parse::task(task) {
            Err(error) => {
                let reason = format!("UnrecognizedTask: {}", reasons::chain(&error));
                self.refuse(arn, reasons::cut(&reason), output);
            }
            Ok(spec) => {
                output.rows.push(rows::put_spec(&arn, task));
                let new = Task::new(spec, self.next_order());
                self.admission.wait(new.record.order, arn.clone());
                self.add(new);
                self.keep_task_credentials(&arn, task, output);
            }
        }
        Taken::In
    }

    fn keep_task_credentials(&mut self, arn: &TaskArn, task: &acs::Task, output: &mut Output) {
        if let Some(set) = &task.role_credentials {
            self.keep_credentials(arn, Role::Application, set, output);
        }
        if let Some(set) = &task.execution_role_credentials {
            self.keep_credentials(arn, Role::Execution, set, output);
        }
    }

    /// A task that cannot run is reported stopped, with the reason.
    fn refuse(&mut self, arn: TaskArn, reason: String, output: &mut Output) {
        let order = self.next_order();
        output.flush = Flush::BeforeEffects;
        self.add(Task::refused(arn, reason, order));
    }

    fn add(&mut self, task: Task) {
        self.touched.insert(task.arn.clone());
        self.tasks.insert(task.arn.clone(), task);
    }

    fn next_order(&mut self) -> u64 {
        let order = self.sequence.next_order;
        self.sequence.next_order += 1;
        order
    }
}

fn wants_stop(task: &acs::Task) -> bool {
    task.desired_status.as_deref() == Some("STOPPED")
}

/// Says that a set of credentials was taken in with this message.
pub(super) fn credentials_ack(set: &acs::IAMRoleCredentials, message: &str) -> Effect {
    Effect::Send(AgentMessage::CredentialsAck(acs::IAMRoleCredentialsAckRequest {
        credentials_id: set.credentials_id.clone(),
        expiration: set.expiration.clone(),
        message_id: Some(message.to_owned()),
    }))
}
