//! Takes in task manifests, stop verifications and heartbeats.
//!
//! A manifest holds everything that the instance should. What the agent has beyond it is offered for
//! stopping and stopped once the control plane confirms; so a returning agent ends up with exactly
//! its assigned set.

use shapes::acs;

use super::Core;
use super::effect::{AgentMessage, Effect, Output};
use super::spec::TaskArn;
use crate::lifecycle::Desired;

impl Core {
    /// Takes in a manifest; one that is older than what was seen before is dropped silently.
    // Differs: the genuine agent also drops one as old as what it has seen. This one takes it in
    // again, so that a verification lost with its session is asked for again; candidates stop only
    // when verified, so nothing can go wrong by asking.
    pub(super) fn manifest(&mut self, message: acs::TaskManifestMessage, output: &mut Output) {
        let seen = self.sequence.payload.max(self.sequence.manifest);
        let Some(timeline) = message.timeline.filter(|it| *it >= seen) else { return };
        if !self.is_for_me(message.container_instance_arn.as_deref()) {
            return;
        }
        let listed = message.tasks.iter().flatten();
        let running = listed
            .filter(|it| it.desired_status.as_deref() == Some("RUNNING"))
            .filter_map(|it| it.task_arn.clone())
            .collect::<std::collections::BTreeSet<String>>();
        let candidates: Vec<_> = self
            .tasks
            .values()
            .filter(|it| it.record.desired == Desired::Running)
            .filter(|it| !running.contains(it.arn.as_str()))
            .map(|it| acs::TaskIdentifier {
                desired_status: Some("STOPPED".into()),
                task_arn: Some(it.arn.to_string()),
                task_cluster_arn: message.cluster_arn.clone(),
            })
            .collect();
        let known = |it: &String| TaskArn::parse(it).is_some_and(|it| self.tasks.contains_key(&it));
        self.sequence.awaited = running.into_iter().filter(|it| !known(it)).collect();
        self.sequence.manifest = timeline;
        self.keep_sequence(output);
        self.verification.clone_from(&message.message_id);
        output.effects.push(Effect::Send(AgentMessage::Ack(acs::AckRequest {
            cluster: message.cluster_arn,
            container_instance: Some(self.settings.container_instance.clone()),
            message_id: message.message_id.clone(),
        })));
        if !candidates.is_empty() {
            let verification = acs::TaskStopVerificationMessage {
                message_id: message.message_id,
                stop_candidates: Some(candidates),
            };
            output.effects.push(Effect::Send(AgentMessage::TaskStopVerification(verification)));
        }
    }

    /// Stops what the control plane confirms, if it speaks of the last manifest.
    pub(super) fn verified(&mut self, message: acs::TaskStopVerificationAck, output: &mut Output) {
        if message.message_id.is_none() || message.message_id != self.verification {
            return;
        }
        for task in message.stop_tasks.into_iter().flatten() {
            if let Some(arn) = task.task_arn.as_deref().and_then(TaskArn::parse) {
                self.stop(&arn, output);
            }
        }
    }

    /// Updates are not taken over this protocol.
    pub(super) fn nack_update(&self, message_id: Option<String>, output: &mut Output) {
        output.effects.push(Effect::Send(AgentMessage::Nack(acs::NackRequest {
            cluster: Some(self.settings.cluster.clone()),
            container_instance: Some(self.settings.container_instance.clone()),
            message_id,
            reason: Some("UpdateFailure".into()),
        })));
    }
}

/// Answers a sign of life with another.
pub(super) fn heartbeat(message: acs::HeartbeatMessage, output: &mut Output) {
    let ack = acs::HeartbeatAckRequest { message_id: message.message_id };
    output.effects.push(Effect::Send(AgentMessage::HeartbeatAck(ack)));
}
