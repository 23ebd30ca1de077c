//! Where the world must get once faults have ended.

use state::{Desired, InstanceStatus, Status};

use crate::violation::Checked;
use crate::world::World;

impl World {
    /// Operators restart agents whose instances were deregistered; these join anew.
    pub(crate) fn rejoin(&mut self) -> Checked {
        let Some(process) = &self.region.process else { return Ok(()) };
        let state = process.core.state();
        let standing = |it: types::InstanceId| {
            state.container_instance(it).is_some_and(|it| it.status != InstanceStatus::Inactive)
        };
        let out: Vec<_> = self
            .machines
            .values()
            .filter(|it| it.exists && it.agent.as_ref().is_some_and(|it| it.core.is_some()))
            .filter(|it| it.instance().is_some_and(|it| !standing(it)))
            .map(|it| it.id)
            .collect();
        for id in out {
            self.restart_agent(id)?;
        }
        Ok(())
    }

    /// What is not yet as it should be, if anything is not.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let Some(process) = &self.region.process else { return Some("there is no region".into()) };
        let state = process.core.state();
        for machine in self.machines.values().filter(|it| it.exists) {
            let id = machine.id;
            let Some(instance) = machine.instance() else {
                return Some(format!("machine {id} is not registered"));
            };
            let Some(row) = state.container_instance(instance) else {
                return Some(format!("machine {id} is registered as nobody"));
            };
            if row.status == InstanceStatus::Inactive || !row.connected {
                return Some(format!("machine {id} is not connected"));
            }
            for (arn, held) in &machine.runtime.tasks {
                let wanted = state.tasks().values().find(|it| arn.ends_with(&it.id.to_string()));
                let wanted = wanted.filter(|it| it.desired == Desired::Running && !it.is_over());
                if wanted.is_none_or(|it| it.instance != instance) {
                    let runs = if held.runs() { "runs" } else { "holds" };
                    return Some(format!("machine {id} {runs} {arn}, which nobody asked for"));
                }
            }
        }
        for task in state.tasks().values() {
            let id = task.id;
            if task.is_over() && task.released {
                continue;
            }
            let standing = state.container_instance(task.instance);
            if standing.is_none_or(|it| it.status == InstanceStatus::Inactive) {
                return Some(format!("task {id} belongs to an instance that is gone"));
            }
            let machine =
                self.machines.values().find(|it| it.exists && it.instance() == Some(task.instance));
            let Some(machine) = machine else {
                // Nobody speaks for that instance any more; what it held stays held.
                if !task.is_over() && !standing.is_some_and(|it| it.connected) {
                    return Some(format!("task {id} is not given up with its instance"));
                }
                continue;
            };
            if task.is_over() || task.desired == Desired::Stopped {
                return Some(format!("task {id} is {:?} and not free", task.last));
            }
            let runs = machine.runtime.running().any(|arn| arn.ends_with(&id.to_string()));
            if task.last != Status::Running || !runs {
                return Some(format!("task {id} is {:?}, really running: {runs}", task.last));
            }
        }
        let alarms =
            || self.swarm.has_fronts().then(|| crate::services::unsettled_alarms(state)).flatten();
        crate::services::unsettled(state)
            .or_else(alarms)
            .or_else(|| self.unsettled_names(state))
            .or_else(|| self.unsettled_balancing(state))
    }
}
