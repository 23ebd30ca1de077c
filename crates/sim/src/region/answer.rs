//! Requests over HTTP: from a body to an answer, through the registry as the gateway does it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Checked as HealthChecked, Entry, Fault, Invalid};
use shapes::{Document, cloudwatch, ecs, elb, elbv2, servicediscovery};
use state::{Caller, Health};
use store::Core;
use types::TaskId;

use super::{Cause, Release};
use crate::event::{Call, CallId, Party, Reply};
use crate::planted;
use crate::violation::{Checked, Invariant, broken};
use crate::world::{World, world_error};

fn caller(from: Party) -> Caller {
    let who = match from {
        Party::Client(id) => format!("client-{id}"),
        Party::Operator => "operator".to_owned(),
        Party::Agent { machine, .. } => format!("agent-{machine}"),
    };
    Caller {
        arn: format!("arn:aws:iam::123456789012:user/{who}").into(),
        access_key: "AKIASIMULATED".into(),
        source_ip: "192.0.2.1".into(),
        user_agent: who.into(),
        endpoint: "http://192.0.2.2:4566".into(),
    }
}

impl World {
    /// A request arrives.
    pub(crate) fn asked(&mut self, call: &Call) -> Checked {
        if self.region.process.is_none() {
            self.reply(call.from, call.id, Reply::Unknown);
            return Ok(());
        }
        self.say(format_args!("call {}: {} {}", call.id, call.operation, call.body));
        let body = call.body.clone();
        let fill =
            &mut |shape: &mut dyn shapes::Shape| shapes::json::decode(body.as_bytes(), shape);
        let id = self.lots.region.bits();
        let (to, number, who) = (call.from, call.id, caller(call.from));
        // Cloud Map has operations of the same names as ECS.
        let (service, operation) = match call.operation.split_once(':') {
            Some((_, operation)) => (&servicediscovery::SERVICE, operation),
            None if ecs::SERVICE.operation(call.operation).is_some() => {
                (&ecs::SERVICE, call.operation)
            }
            None if cloudwatch::SERVICE.operation(call.operation).is_some() => {
                (&cloudwatch::SERVICE, call.operation)
            }
            // Two APIs share a name of operations, and none of what they are asked with.
            None if call.body.contains("\"LoadBalancerName\"") => (&elb::SERVICE, call.operation),
            None => (&elbv2::SERVICE, call.operation),
        };
        let entry = match self.region.registry.find(service, operation) {
            Ok(entry) => entry,
            Err(fault) => return Err(world_error(format!("{}: {fault}", call.operation))),
        };
        let prepared = match entry {
            Entry::Write(entry) => entry.prepare(fill).map(Prepared::Write),
            Entry::Read(entry) => entry.prepare(fill).map(Prepared::Read),
            Entry::Call(_) => return Err(world_error(format!("{} is no write", call.operation))),
        };
        let prepared = match prepared {
            Ok(it) => it,
            Err(Invalid::OutOfBounds(fault)) => {
                self.reply(to, number, refusal(fault));
                return Ok(());
            }
            Err(Invalid::Unreadable(error)) => {
                return Err(world_error(format!("{}: {error}", call.operation)));
            }
        };
        let (plant, name, variant) = (self.plant, operation, call.variant);
        let mut refused = false;
        let release =
            |answer: api::Answer| Release::Answer { to, call: number, reply: reply(answer) };
        match prepared {
            Prepared::Read(read) => self.job(Cause::Review, |core| {
                release(core.read(who, id, |state, context| read.run(state, context)))
            }),
            Prepared::Write(write) => {
                let seen = self.region.process.as_ref().map_or(0, |it| it.core.fresh().len());
                let decide = |core: &mut Core| {
                    let answer = core.write(who, id, |draft, context| {
                        let answer = write.run(draft, context);
                        planted::tamper(plant, name, draft);
                        answer
                    });
                    planted::tamper_after(plant, name, core, seen);
                    answer
                };
                let mut kept = None;
                // Decided in place, so that the cause can say how it went.
                if let Some(process) = &mut self.region.process {
                    process.core.advance(self.region.clock.steady(self.agenda.now()));
                    let answer = decide(&mut process.core);
                    refused = answer.is_err();
                    kept = Some(answer);
                }
                let cause = Cause::Operation { name, from: to, variant, refused };
                match kept {
                    Some(answer) => self.job(cause, |_| release(answer)),
                    None => Ok(()),
                }
            }
        }
    }

    /// What leaves must be durable: every task an answer names stands in what is.
    pub(crate) fn check_answer(&mut self, to: Party, call: CallId, answer: &Reply) -> Checked {
        if let Party::Client(client) = to
            && let Some(ask) = self.clients.asked(client, call)
        {
            let (operation, variant, token) = (ask.operation, ask.variant, ask.token.clone());
            if let Some(wrong) =
                self.ledger.check_reply(&self.region.shadow, operation, token, variant, answer)
            {
                return broken(wrong.invariant, wrong.detail);
            }
        }
        if let Reply::Refused { code, message, .. } = answer
            && code == "ServerException"
        {
            return broken(Invariant::World, format!("{code}: {message}"));
        }
        Ok(())
    }

    /// An agent's telemetry says how its containers are.
    pub(crate) fn health(&mut self, health: BTreeMap<TaskId, Vec<(String, Health)>>) -> Checked {
        for (task, checked) in health {
            let one = |(container, health)| HealthChecked { container, health };
            let checked: Vec<_> = checked.into_iter().map(one).collect();
            self.job(Cause::Health, |core| {
                core.write(Caller::region(), 0, |draft, _| {
                    // Machines here publish of their own tasks only.
                    let by = draft.state().task(task).map(|it| it.instance);
                    if let Some(by) = by {
                        api::report_health(draft, by, task, &checked);
                    }
                });
                Release::Nothing
            })?;
        }
        Ok(())
    }
}

enum Prepared {
    Read(api::Read),
    Write(api::Write),
}

fn reply(answer: api::Answer) -> Reply {
    match answer {
        Ok(shape) => Reply::Done(Arc::from(shapes::json::encode(&*shape))),
        Err(fault) => refusal(fault),
    }
}

fn refusal(fault: Fault) -> Reply {
    let resources = match fault.members.get("resourceIds") {
        Some(Document::List(all)) => all
            .iter()
            .filter_map(|it| match it {
                Document::String(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Reply::Refused { code: fault.code, message: fault.message, resources }
}
