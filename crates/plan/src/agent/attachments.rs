//! Interfaces announced for tasks to come.
//!
//! A control plane may announce an interface ahead of its task and wait until it is attached. Ours
//! are made with the task, so there is nothing to wait for: the announcement is acknowledged and
//! answered with ATTACHED, until that is acknowledged or the announcement's time is over.

use core::time::Duration;

use minicbor::{Decode, Encode};
use shapes::{acs, ecs};
use state::Dice;
use types::Timestamp;

use super::Core;
use super::effect::{AgentMessage, Effect, Flush, Output, Row, Submission, SubmissionId};
use super::input::Submitted;
use super::parse;
use super::rows;
use super::submissions::backoff;

/// An interface announced and not yet reported attached.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Attachment {
    /// ARN of the task it is for.
    #[n(0)]
    pub(super) task: String,
    /// When nobody waits for it any more.
    #[n(1)]
    pub(super) until: Timestamp,
}

/// The report of an attachment, as far as it got. Forgotten when the agent ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Attaching {
    in_flight: Option<SubmissionId>,
    attempts: u32,
    retry_at: Timestamp,
}

impl Core {
    /// Takes in an announcement; one that no interface could be made of is not acknowledged.
    pub(super) fn attach(
        &mut self,
        message: acs::AttachTaskNetworkInterfacesMessage,
        output: &mut Output,
    ) {
        let interfaces = message.elastic_network_interfaces.unwrap_or_default();
        let wait = message.wait_timeout_ms.and_then(|it| u64::try_from(it).ok());
        let (Some(wait), Some(task)) = (wait.filter(|it| *it > 0), message.task_arn) else {
            return;
        };
        let named = interfaces.iter().all(|it| it.attachment_arn.is_some());
        let usable = interfaces.iter().all(|it| parse::interface(it).is_ok());
        if interfaces.is_empty() || !named || !usable {
            return;
        }
        let until = self.now.after(Duration::from_millis(wait));
        for arn in interfaces.into_iter().filter_map(|it| it.attachment_arn) {
            let attachment = Attachment { task: task.clone(), until };
            output.rows.push(rows::put(rows::attachment_key(&arn), &attachment));
            self.attachments.insert(arn, (attachment, Attaching::default()));
        }
        output.flush = Flush::BeforeEffects;
        output.effects.push(Effect::Send(AgentMessage::Ack(acs::AckRequest {
            cluster: message.cluster_arn,
            container_instance: Some(self.settings.container_instance.clone()),
            message_id: message.message_id,
        })));
    }

    /// When an attachment is to be reported again, or forgotten.
    pub(super) fn attachment_timer(&self) -> Option<Timestamp> {
        let waiting = self.attachments.values().map(|(it, attaching)| {
            if attaching.in_flight.is_some() { it.until } else { it.until.min(attaching.retry_at) }
        });
        waiting.min()
    }

    /// Reports what is attached, and forgets what nobody waits for.
    pub(super) fn report_attachments(&mut self, output: &mut Output) {
        let now = self.now;
        let over = self.attachments.iter().filter(|(_, (it, _))| it.until <= now);
        let over: Vec<String> = over.map(|(arn, _)| arn.clone()).collect();
        for arn in over {
            self.forget_attachment(&arn, output);
        }
        for (arn, (attachment, attaching)) in &mut self.attachments {
            if attaching.in_flight.is_some() || attaching.retry_at > now {
                continue;
            }
            let id = SubmissionId(self.next_submission);
            self.next_submission += 1;
            attaching.in_flight = Some(id);
            let change = ecs::AttachmentStateChange {
                attachment_arn: Some(arn.clone()),
                status: Some("ATTACHED".into()),
            };
            let request = ecs::SubmitTaskStateChangeRequest {
                cluster: Some(self.settings.cluster.clone()),
                task: Some(attachment.task.clone()),
                attachments: Some(vec![change]),
                ..ecs::SubmitTaskStateChangeRequest::default()
            };
            output.effects.push(Effect::Submit(Submission { id, request }));
        }
    }

    /// Takes in the answer to the report of an attachment, if it is one.
    pub(super) fn attached(
        &mut self,
        id: SubmissionId,
        outcome: Submitted,
        dice: &mut Dice,
        output: &mut Output,
    ) {
        let now = self.now;
        let mut all = self.attachments.iter_mut();
        let Some((arn, (_, attaching))) = all.find(|(_, (_, it))| it.in_flight == Some(id)) else {
            return;
        };
        match outcome {
            Submitted::Failed => {
                attaching.in_flight = None;
                attaching.attempts = attaching.attempts.saturating_add(1);
                attaching.retry_at = now.after(backoff(attaching.attempts, dice));
            }
            Submitted::Acknowledged | Submitted::Refused => {
                let arn = arn.clone();
                self.forget_attachment(&arn, output);
            }
        }
    }

    fn forget_attachment(&mut self, arn: &str, output: &mut Output) {
        if self.attachments.remove(arn).is_some() {
            output.rows.push(Row { key: rows::attachment_key(arn), value: None });
        }
    }
}
