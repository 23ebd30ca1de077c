//! The agents and balancers of a region on one machine: started, kept alive, stopped.

use core::time::Duration;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use state::AccessKey;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::balancers;
use super::faults::{Faults, Kind};
use super::plan::{Instance, LocalBalancer};
use super::ward::{Verdict, Ward};
use crate::clock::now;

/// How long a process that dies at once waits for its next start, at first and at most.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(200);
pub(super) const AGAIN_AFTER_MAX: Duration = Duration::from_secs(10);
/// One that has lived so long starts again at once.
const STEADY: Duration = Duration::from_secs(30);
/// How long one may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The processes under this one.
pub(super) struct Fleet {
    stop: watch::Sender<bool>,
    keepers: Vec<JoinHandle<()>>,
}

impl Fleet {
    /// Starts balancers and keeps them alive. Those of a killed `up` go on serving until these take
    /// their places.
    pub(super) fn balance(balancers: Vec<LocalBalancer>, key: &AccessKey) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let (stop, stopped) = watch::channel(false);
        let keeper = |balancer: LocalBalancer| {
            let mut command = command(&program, key);
            command.arg("balancer").args(&balancer.arguments);
            tokio::spawn(balancers::keep(balancer.name, command, stopped.clone()))
        };
        Ok(Self { stop, keepers: balancers.into_iter().map(keeper).collect() })
    }

    /// Starts an agent for each instance and keeps it alive, but for those that a fault holds down.
    pub(super) fn start(
        instances: Vec<Instance>,
        key: &AccessKey,
        faults: &Faults,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let (stop, stopped) = watch::channel(false);
        let (tell, asked) = watch::channel(faults.all(now()));
        let keeper = |instance: Instance| {
            let mut command = command(&program, key);
            command
                .args(["agent", "--tied"])
                .args(&instance.arguments)
                // Held open by this process alone: agents of a killed `up` end, so that the next
                // one can start its own.
                .stdin(Stdio::piped());
            let Instance { name, places, .. } = instance;
            let (faults, asked) = (faults.clone(), asked.clone());
            let ward = Ward { name: name.clone(), places, faults, asked };
            tokio::spawn(keep(name, command, stopped.clone(), ward))
        };
        let mut keepers: Vec<_> = instances.into_iter().map(keeper).collect();
        let looking = stopped.clone();
        keepers.push(tokio::spawn(faults.clone().watch(tell, looking)));
        Ok(Self { stop, keepers })
    }

    /// Stops all of them; containers go on.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        for keeper in self.keepers {
            drop(keeper.await);
        }
    }
}

/// This program with a key.
fn command(program: &Path, key: &AccessKey) -> Command {
    let mut command = Command::new(program);
    command
        .env("AWS_ACCESS_KEY_ID", &key.id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret)
        .env_remove("AWS_SESSION_TOKEN")
        // An interrupt at the terminal is for `up`, which then stops the others in order.
        .process_group(0);
    command
}

async fn keep(name: String, mut command: Command, mut stop: watch::Receiver<bool>, mut ward: Ward) {
    let mut wait = AGAIN_AFTER;
    loop {
        if ward.hold(&mut stop).await == Verdict::Stop {
            return;
        }
        let since = Instant::now();
        match command.spawn() {
            Ok(mut child) => {
                // Waiting for a child closes its input, which would end it.
                let held = child.stdin.take();
                match attend(&name, &mut child, &mut stop, &mut ward).await {
                    Attended::Ended => {}
                    Attended::Killed => continue,
                    Attended::Stopped => return,
                }
                drop(held);
            }
            Err(error) => tracing::error!(name, %error, "a process cannot be started"),
        }
        wait = if since.elapsed() > STEADY { AGAIN_AFTER } else { (wait * 2).min(AGAIN_AFTER_MAX) };
        tokio::select! {
            () = sleep(wait) => {}
            () = told(&mut stop) => return,
        }
    }
}

/// How a process came to its end.
enum Attended {
    /// By itself.
    Ended,
    /// Because a fault was asked for.
    Killed,
    /// Because the region ends.
    Stopped,
}

/// Looks after a process until it ends or is ended.
async fn attend(
    name: &str,
    child: &mut Child,
    stop: &mut watch::Receiver<bool>,
    ward: &mut Ward,
) -> Attended {
    let mut fault = None;
    loop {
        tokio::select! {
            ended = child.wait() => {
                match ended {
                    Ok(status) => tracing::warn!(name, %status, "a process ended; starting it again"),
                    Err(error) => tracing::error!(name, %error, "a process cannot be waited for"),
                }
                return Attended::Ended;
            }
            () = told(stop) => {
                if fault.is_some() {
                    // It stands still, and would hear of nothing.
                    drop(child.kill().await);
                } else {
                    end(name, child).await;
                }
                return Attended::Stopped;
            }
            asked = ward.changed(fault) => {
                fault = asked;
                match asked {
                    Some(Kind::Killed) => {
                        drop(child.kill().await);
                        return Attended::Killed;
                    }
                    Some(Kind::Paused) => ward.pause(child).await,
                    None => ward.lift(Some(child)).await,
                }
            }
        }
    }
}

/// Asks a process to end, and makes it if it does not.
pub(super) async fn end(name: &str, child: &mut Child) {
    let id = child.id().and_then(|it| i32::try_from(it).ok());
    if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
        // It may have ended already; then there is nobody to ask.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    if timeout(STOP_WITHIN, child.wait()).await.is_err() {
        tracing::warn!(name, "a process does not end; killing it");
        drop(child.kill().await);
    }
}

/// Waits until the region ends.
pub(super) async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|it| *it).await);
}
