//! What stories look at.

use state::{Desired, InstanceStatus, Task};
use types::TaskId;

use super::Stage;
use super::balancing::balancer;
use crate::event::Reply;

impl Stage {
    /// Whether something is so: nothing if it is, else what is instead.
    pub(super) fn fact(&self, words: &[&str]) -> Result<Option<String>, String> {
        match words {
            ["settled"] => Ok(self.world.unsettled()),
            ["region", up @ ("up" | "down")] => {
                let is = if self.world.region.process.is_some() { "up" } else { "down" };
                Ok(differs(up, is))
            }
            [label, "answers", "as", other] => self.same_launch(label, other),
            [label, "answers"] => Ok(self.refusal(label)?.map(|(code, _)| code)),
            [label, "answers", tasks, "tasks", failures, "failures"] => {
                let (made, failed) = self.launched(label)?;
                let asked = format!("{tasks} tasks {failures} failures");
                Ok(differs(&asked, &format!("{} tasks {} failures", made.len(), failed.len())))
            }
            [label, "answers", "failures", reasons @ ..] => {
                Ok(differs(&reasons.join(" "), &self.launched(label)?.1.join(" ")))
            }
            [label, "is", "unanswered"] => Ok(match self.answer(label)? {
                Some(Reply::Unknown) => None,
                other => Some(format!("{other:?}")),
            }),
            [label, "is", "refused", code] => {
                let is = self.refusal(label)?.map_or("a success".to_owned(), |(code, _)| code);
                Ok(differs(code, &is))
            }
            [label, "conflicts", "with", other] => {
                let (code, resources) = self.refusal(label)?.unwrap_or_default();
                let wanted = format!("ConflictException {:?}", self.launched(other)?.0);
                Ok(differs(&wanted, &format!("{code} {resources:?}")))
            }
            ["tasks", count] => {
                let state = self.state()?;
                let living = state.tasks().values().filter(|it| !it.is_over()).count();
                Ok(differs(count, &living.to_string()))
            }
            ["service", name, fact @ ..] => self.service_fact(name, fact),
            ["target", id, "is", found] => self.target_fact(id, found),
            ["request", label, "is", is @ ("open" | "over")] => self.request_fact(label, is),
            [name, fact @ ..] if balancer(name).is_ok() => self.balancer_fact(name, fact),
            [name, fact @ ..] if name.contains('.') => self.task_fact(name, fact),
            [name, fact @ ..] if name.starts_with('m') => self.machine_fact(name, fact),
            _ => Err("nobody understands this sentence".into()),
        }
    }

    pub(super) fn state(&self) -> Result<&state::State, String> {
        let process = self.world.region.process.as_ref();
        process.map(|it| it.core.state()).ok_or_else(|| "the region is down".into())
    }

    fn task_fact(&self, name: &str, fact: &[&str]) -> Result<Option<String>, String> {
        let arn = self.stands_for(name)?;
        let id = arn.rsplit('/').next().and_then(|it| TaskId::parse(it).ok());
        let row = id.and_then(|it| self.world.region.shadow.task(it));
        let Some(row) = row else {
            return Ok(differs(fact.first().unwrap_or(&""), "forgotten"));
        };
        let stop = row.stop.as_ref();
        Ok(match fact {
            ["is", status] => differs(status, row.last.as_str()),
            ["should", desired] => differs(desired, row.desired.as_str()),
            ["stops", "as", code] => {
                let is = stop.map_or("nothing".into(), |it| format!("{:?}", it.code));
                differs(code, &is)
            }
            ["says", text @ ..] => {
                let is = stop.map(|it| it.reason.clone()).unwrap_or_default();
                (!is.contains(&text.join(" "))).then_some(is)
            }
            ["exits", code] => {
                let codes: Vec<_> = row.containers.iter().filter_map(|it| it.exit_code).collect();
                let any = codes.iter().any(|it| it.to_string() == *code);
                (!any).then(|| format!("exit codes {codes:?}"))
            }
            [held @ ("held" | "free")] => differs(held, if row.released { "free" } else { "held" }),
            ["on", machine] => {
                let at = self.machine(machine)?.instance();
                (at != Some(row.instance)).then(|| format!("it is on {}", row.instance))
            }
            ["runs"] => self.really(row, true),
            ["runs", "nowhere"] => self.really(row, false),
            ["never", "ran"] => {
                row.started_at.map(|it| format!("it ran at {it:?}")).or(self.really(row, false))
            }
            _ => return Err("nobody understands this of a task".into()),
        })
    }

    fn really(&self, row: &Task, wanted: bool) -> Option<String> {
        let id = row.id.to_string();
        let mut machines = self.world.machines.values();
        let on = machines.find(|it| it.exists && it.runtime.running().any(|it| it.ends_with(&id)));
        match (on, wanted) {
            (Some(_), true) | (None, false) => None,
            (None, true) => Some(format!("it runs nowhere, {:?}", row.last)),
            (Some(it), false) => Some(format!("machine {} runs it", it.id)),
        }
    }

    fn machine_fact(&self, name: &str, fact: &[&str]) -> Result<Option<String>, String> {
        let machine = self.machine(name)?;
        let row = machine.instance().and_then(|it| self.world.region.shadow.container_instance(it));
        let running = machine.runtime.running().count();
        Ok(match fact {
            [standing @ ("connected" | "disconnected")] => {
                let is = match row {
                    Some(it) if it.connected => "connected",
                    Some(_) => "disconnected",
                    None => "unknown",
                };
                differs(standing, is)
            }
            ["inactive"] => {
                let gone = row.is_none_or(|it| it.status == InstanceStatus::Inactive);
                (!gone).then(|| "it is registered".into())
            }
            ["runs", count, "tasks"] => differs(count, &running.to_string()),
            ["holds", count, "tasks"] => {
                let held = self
                    .world
                    .region
                    .shadow
                    .tasks()
                    .values()
                    .filter(|it| Some(it.instance) == row.map(|it| it.id) && !it.released);
                differs(count, &held.count().to_string())
            }
            ["wanted", count, "tasks"] => {
                let held = self.world.region.shadow.tasks().values().filter(|it| {
                    Some(it.instance) == row.map(|it| it.id) && it.desired == Desired::Running
                });
                differs(count, &held.count().to_string())
            }
            _ => return Err("nobody understands this of a machine".into()),
        })
    }

    /// Tasks and failures of a launch that was answered.
    pub(super) fn launched(&self, label: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let body = match self.answer(label)? {
            Some(Reply::Done(body)) => body,
            other => return Err(format!("'{label}' is no success: {other:?}")),
        };
        let mut answer = shapes::ecs::RunTaskResponse::default();
        shapes::json::decode(body, &mut answer).map_err(|it| it.to_string())?;
        let tasks = answer.tasks.into_iter().flatten().filter_map(|it| it.task_arn).collect();
        let failures = answer.failures.into_iter().flatten().filter_map(|it| it.reason).collect();
        Ok((tasks, failures))
    }

    fn same_launch(&self, label: &str, other: &str) -> Result<Option<String>, String> {
        let (is, wanted) = (self.launched(label)?, self.launched(other)?);
        Ok((is != wanted).then(|| format!("{is:?} instead of {wanted:?}")))
    }

    fn refusal(&self, label: &str) -> Result<Option<(String, Vec<String>)>, String> {
        Ok(match self.answer(label)? {
            Some(Reply::Refused { code, resources, .. }) => Some((code.clone(), resources.clone())),
            Some(Reply::Done(_)) => None,
            other => return Err(format!("'{label}' has no answer: {other:?}")),
        })
    }
}

pub(super) fn differs(wanted: &str, is: &str) -> Option<String> {
    (wanted != is).then(|| is.to_owned())
}
