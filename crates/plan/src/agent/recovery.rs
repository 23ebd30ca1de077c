//! After a start of the agent: fits what was kept to what is really there.
//!
//! What runs goes on. What should run and is gone has stopped, with a reason and without an exit
//! code. What nobody knows is freed.

use state::Dice;

use super::Core;
use super::effect::{Action, Effect, Output, Step};
use super::input::{FailureClass, Found, FoundContainer, FoundState};
use super::reasons;
use super::spec::TaskArn;
use super::task::{Task, Turn};
use crate::lifecycle::Status;

impl Core {
    /// Takes in what is really there of a task.
    pub(super) fn recovered(
        &mut self,
        arn: &TaskArn,
        found: Found,
        dice: &mut Dice,
        output: &mut Output,
    ) {
        match self.tasks.get(arn) {
            None => {
                for action in [Action::Release, Action::Remove] {
                    let step = Step { task: arn.clone(), spec: None, action };
                    output.effects.push(Effect::Step(step));
                }
            }
            Some(task) if task.volatile.recovering => {
                self.with(arn, dice, output, |task, turn| task.recover(found, turn));
            }
            Some(task) if task.is_stopped() => {
                let (task, spec) = (arn.clone(), task.spec.clone());
                let step = Step { task, spec, action: Action::Release };
                output.effects.push(Effect::Step(step));
            }
            Some(_) => {}
        }
    }
}

impl Task {
    fn recover(&mut self, found: Found, turn: &mut Turn<'_>) {
        self.volatile.recovering = false;
        let unheard = core::mem::take(&mut self.volatile.unheard);
        if found.containers.is_empty() && self.record.containers.iter().any(|it| it.ran) {
            // What ran left nothing, not even how it ended: its shim died, or the machine did.
            self.lost("the task was gone when the agent started again", turn);
            return;
        }
        if found.containers.is_empty() || found.network.is_some() {
            // Without containers, whatever network there was is made, or found, again.
            self.record.network = found.network;
        }
        let Some(spec) = self.spec.clone() else { return };
        for (index, container) in spec.containers.iter().enumerate() {
            let there = found.containers.iter().find(|it| it.container == container.name);
            self.recover_container(index, there, turn);
        }
        for happened in unheard {
            self.take_in(happened, turn);
        }
    }

    fn recover_container(
        &mut self,
        index: usize,
        there: Option<&FoundContainer>,
        turn: &mut Turn<'_>,
    ) {
        let Some((record, _)) = self.at(index) else { return };
        let (status, run) = (record.status, record.run);
        let there = there.filter(|it| it.run >= run);
        if status == Status::Stopped {
            if let Some(FoundContainer { container, run, state: FoundState::Running(_) }) = there {
                let (container, run, signal) = (container.clone(), *run, "KILL".to_owned());
                self.step(turn, Action::Signal { container, run, signal });
            }
            return;
        }
        if let Some(there) = there {
            record.run = there.run;
        }
        match there.map(|it| &it.state) {
            Some(FoundState::Running(running)) => self.runs(index, running.clone()),
            Some(FoundState::Exited(running, exit)) => {
                self.runs(index, running.clone());
                self.ran_to_its_end(index, *exit, turn);
            }
            Some(FoundState::Created) if status != Status::Running => {
                record.status = Status::Created;
            }
            Some(FoundState::Created) | None if status == Status::Running => {
                let text = "the container was gone when the agent started again";
                let reason = reasons::reason(FailureClass::ContainerVanished, text);
                self.end(index, Some(reason), turn);
            }
            Some(FoundState::Created) | None => record.status = Status::None,
        }
    }
}
