//! One instance under the faults that users ask for: struck, held down, lifted.

use std::collections::BTreeMap;

use agent::Places;
use anyhow::Context as _;
use rustix::process::{Pid, kill_process};
use shim::Signal;
use tokio::process::Child;
use tokio::sync::watch;

use super::faults::{Done, Fault, Faults, Kind};
use super::fleet::told;

/// The instance of a keeper.
pub(super) struct Ward {
    pub(super) name: String,
    pub(super) places: Places,
    pub(super) faults: Faults,
    /// What is asked for, by name of the instance.
    pub(super) asked: watch::Receiver<BTreeMap<String, Fault>>,
}

/// What the keeper was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The instance may run.
    Run,
    /// The region ends.
    Stop,
}

impl Ward {
    /// What is asked for now.
    fn asked(&self) -> Option<Kind> {
        self.asked.borrow().get(&self.name).map(|it| it.kind)
    }

    /// Waits until something else is asked for than this.
    pub(super) async fn changed(&mut self, from: Option<Kind>) -> Option<Kind> {
        let name = self.name.clone();
        let kind = |all: &BTreeMap<String, Fault>| all.get(&name).map(|it| it.kind);
        let other = self.asked.wait_for(|all| kind(all) != from).await.map(|all| kind(&all));
        match other {
            Ok(kind) => kind,
            // Nobody looks any more: the region is about to end.
            Err(_) => core::future::pending().await,
        }
    }

    /// Holds the instance down as long as that is asked for; its agent does not run. Afterwards the
    /// instance is free of whatever held it.
    pub(super) async fn hold(&mut self, stop: &mut watch::Receiver<bool>) -> Verdict {
        while let Some(kind) = self.asked() {
            tracing::warn!(name = self.name, ?kind, "an instance is held down, as was asked for");
            self.strike(kind).await;
            tokio::select! {
                _ = self.changed(Some(kind)) => {}
                () = told(stop) => return Verdict::Stop,
            }
        }
        if self.faults.done(&self.name).is_some() {
            self.lift(None).await;
        }
        Verdict::Run
    }

    /// Carries a fault out on an instance whose agent does not run, or runs no longer.
    async fn strike(&self, kind: Kind) {
        let places = self.places.clone();
        self.carry_out(kind, move || {
            agent::end_agents(&places.run).context("an agent of the instance runs")?;
            match kind {
                Kind::Killed => {
                    // What stands still does not end either.
                    release(&places)?;
                    Ok(agent::stop_everything(&places)?)
                }
                Kind::Paused => hold_still(&places),
            }
        })
        .await;
    }

    /// Lets an instance stand still whose agent runs.
    pub(super) async fn pause(&self, agent: &Child) {
        signal(agent, Signal::STOP);
        let places = self.places.clone();
        self.carry_out(Kind::Paused, move || hold_still(&places)).await;
    }

    /// Lets everything of the instance go on.
    pub(super) async fn lift(&self, agent: Option<&Child>) {
        let places = self.places.clone();
        let released = tokio::task::spawn_blocking(move || release(&places)).await;
        if let Ok(Err(error)) = released {
            let error = format!("{error:#}");
            tracing::error!(name = self.name, error, "an instance cannot be let go on");
        }
        if let Some(agent) = agent {
            signal(agent, Signal::CONT);
        }
        self.faults.forget(&self.name);
        tracing::info!(name = self.name, "an instance is no longer held down");
    }

    async fn carry_out(
        &self,
        kind: Kind,
        work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) {
        let problem = match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(error) => Some(error.to_string()),
        };
        self.faults.note(&self.name, &Done { kind, problem });
    }
}

/// Stops shims and containers where they are. Shims are looked for twice: one may just have begun.
fn hold_still(places: &Places) -> anyhow::Result<()> {
    for _ in 0..2 {
        for (_, shim) in shim::shims_below(&places.run) {
            shim.signal(Signal::STOP);
        }
    }
    shim::freeze_control_group(&places.cgroup).context("its containers cannot be frozen")
}

/// Takes [`hold_still`] back; harmless where nothing stands still.
pub(super) fn release(places: &Places) -> anyhow::Result<()> {
    let thawed = shim::thaw_control_group(&places.cgroup);
    for (_, shim) in shim::shims_below(&places.run) {
        shim.signal(Signal::CONT);
    }
    thawed.context("its containers cannot be thawed")
}

fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|it| i32::try_from(it).ok());
    if let Some(id) = id.and_then(Pid::from_raw) {
        // It may have ended already; then there is nobody to tell.
        let _ = kill_process(id, signal);
    }
}
