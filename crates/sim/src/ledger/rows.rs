//! What must hold of a task's row from one version to the next.

use std::collections::BTreeMap;

use state::{InstanceStatus, State, Task};
use types::TaskId;

use super::Ledger;
use crate::event::{MachineId, Party};
use crate::holdings::check_capable;
use crate::machine::Machine;
use crate::region::{Cause, Decided};
use crate::violation::{Checked, Invariant, broken};

impl Ledger {
    pub(super) fn check_task(
        &mut self,
        state: &State,
        machines: &BTreeMap<MachineId, Machine>,
        it: &Decided,
        id: TaskId,
        rows: (Option<&Task>, Option<&Task>),
    ) -> Checked {
        match rows {
            (None, Some(after)) => self.check_new(state, it, after),
            (Some(before), Some(after)) => {
                check_forward(before, after)?;
                check_release(state, machines, it, before, after)?;
                if after.last == state::Status::Running && before.last < after.last {
                    self.count.ran += 1;
                }
                if after.is_over() && !before.is_over() {
                    self.count.stopped += 1;
                    self.stopped.insert(id, it.at);
                    check_end(after)?;
                }
                Ok(())
            }
            (Some(before), None) => {
                let due = before.stopped_at.map(|at| at.after(self.kept));
                if !before.is_over() || !before.released || due.is_none_or(|due| due > it.at) {
                    let detail = format!("task {id} is forgotten as {:?}", before.last);
                    return broken(Invariant::Retention, detail);
                }
                self.gone.insert(id);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    fn check_new(&mut self, state: &State, it: &Decided, task: &Task) -> Checked {
        if !self.made.insert(task.id) {
            return broken(Invariant::Forward, format!("task {} is made twice", task.id));
        }
        self.count.made += 1;
        let Some(instance) = state.container_instance(task.instance) else {
            return broken(Invariant::Standing, format!("task {} is nowhere", task.id));
        };
        if !instance.connected || instance.status != InstanceStatus::Active {
            let detail = format!(
                "task {} is placed on {}, {:?}, connected: {} ({:?})",
                task.id, instance.id, instance.status, instance.connected, it.cause
            );
            return broken(Invariant::Standing, detail);
        }
        if task.demand.interface && task.interface.is_none() {
            let detail = format!("task {} is made without the interface it needs", task.id);
            return broken(Invariant::Addresses, detail);
        }
        check_capable(state, task, instance)?;
        let has = |name: &str, value: &str| {
            instance.attributes.get(name).and_then(Option::as_deref) == Some(value)
        };
        let holds = match task.started_by.as_deref() {
            Some("ssd") => has("disk", "ssd"),
            Some("zone-a") => has("ecs.availability-zone", "us-east-1a"),
            _ => true,
        };
        if !holds {
            let detail = format!("task {} is placed against its constraint", task.id);
            return broken(Invariant::Constraints, detail);
        }
        Ok(())
    }
}

fn check_forward(before: &Task, after: &Task) -> Checked {
    let id = after.id;
    let wrong = |what: String| broken(Invariant::Forward, format!("task {id}: {what}"));
    if before.instance != after.instance || before.zone != after.zone {
        return wrong(format!("moves from {} to {}", before.instance, after.instance));
    }
    if before.interface != after.interface {
        return wrong(format!(
            "its interface {:?} becomes {:?}",
            before.interface, after.interface
        ));
    }
    if after.last < before.last || after.desired < before.desired {
        return wrong(format!(
            "goes from {:?}/{:?} back to {:?}/{:?}",
            before.last, before.desired, after.last, after.desired
        ));
    }
    if before.stop.is_some() && before.stop != after.stop {
        return wrong(format!("its stop {:?} becomes {:?}", before.stop, after.stop));
    }
    for (old, new) in before.containers.iter().zip(&after.containers) {
        if new.last < old.last {
            return wrong(format!("{} goes from {:?} back to {:?}", old.name, old.last, new.last));
        }
        if old.exit_code.is_some() && old.exit_code != new.exit_code {
            return wrong(format!("the exit code of {} changes", old.name));
        }
    }
    // What its service notes of it does not show.
    let seen = Task {
        released: before.released,
        version: before.version,
        service: before.service.clone(),
        ..after.clone()
    };
    if before.service_key() != after.service_key() {
        return wrong("goes to another service".into());
    }
    if seen != *before && after.version <= before.version {
        return wrong(format!("changes and keeps version {}", after.version));
    }
    if before.is_over() && seen != *before {
        return wrong("changes after its end".into());
    }
    Ok(())
}

/// The end of a task has a class and a reason, and all its containers have ended.
fn check_end(after: &Task) -> Checked {
    let explained = after.stop.as_ref().is_some_and(|it| !it.reason.is_empty());
    let whole = after.containers.iter().all(|it| it.last == state::Status::Stopped);
    if !explained || !whole || after.stopped_at.is_none() {
        let detail = format!("task {} ends as {:?}, {:?}", after.id, after.stop, after.containers);
        return broken(Invariant::Forward, detail);
    }
    Ok(())
}

/// What a task holds is free only once its own machine has said that it is over, has come back
/// empty, or is out of the region.
fn check_release(
    state: &State,
    machines: &BTreeMap<MachineId, Machine>,
    it: &Decided,
    before: &Task,
    after: &Task,
) -> Checked {
    if before.released && !after.released {
        return broken(Invariant::Released, format!("task {} takes back what it held", after.id));
    }
    if before.released || !after.released {
        return Ok(());
    }
    if !after.is_over() {
        return broken(Invariant::Released, format!("task {} is freed before its end", after.id));
    }
    let by = match &it.cause {
        Cause::Operation { name, from, .. } => (*name, *from),
        // Deregistered by force: its many tasks are ended in steps.
        Cause::Review if is_gone(state, after) => return Ok(()),
        other => {
            let detail = format!("task {} is freed by {other:?}", after.id);
            return broken(Invariant::Released, detail);
        }
    };
    match by {
        ("DeregisterContainerInstance", _) => Ok(()),
        ("SubmitTaskStateChange" | "RegisterContainerInstance", Party::Agent { machine, .. }) => {
            check_really_over(machines, machine, after)
        }
        (name, from) => {
            let detail = format!("task {} is freed by {name} of {from:?}", after.id);
            broken(Invariant::Released, detail)
        }
    }
}

fn is_gone(state: &State, task: &Task) -> bool {
    let instance = state.container_instance(task.instance);
    instance.is_none_or(|it| it.status == InstanceStatus::Inactive)
}

fn check_really_over(
    machines: &BTreeMap<MachineId, Machine>,
    machine: MachineId,
    task: &Task,
) -> Checked {
    // A copy speaks for what its original runs; nobody can tell them apart.
    if machines.values().any(|it| it.copy_of.is_some()) {
        return Ok(());
    }
    let id = task.id.to_string();
    let runs = machines.get(&machine).is_some_and(|it| it.runtime.runs_on(&id));
    if runs {
        let detail = format!("task {id} is freed, and machine {machine} still runs it");
        return broken(Invariant::Released, detail);
    }
    Ok(())
}
