//! The agents of a region on one machine: started, kept alive, stopped.

use core::time::Duration;
use std::process::Stdio;

use anyhow::Context as _;
use state::AccessKey;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::plan::Instance;

/// How long an agent that dies at once waits for its next start, at first and at most.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(10);
/// An agent that has lived so long starts again at once.
const STEADY: Duration = Duration::from_secs(30);
/// How long an agent may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The agents under this process.
pub(super) struct Fleet {
    stop: watch::Sender<bool>,
    keepers: Vec<JoinHandle<()>>,
}

impl Fleet {
    /// Starts an agent for each instance and keeps it alive.
    pub(super) fn start(instances: Vec<Instance>, key: &AccessKey) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let (stop, stopped) = watch::channel(false);
        let keeper = |instance: Instance| {
            let mut command = Command::new(&program);
            command
                .args(["agent", "--tied"])
                .args(&instance.arguments)
                .env("AWS_ACCESS_KEY_ID", &key.id)
                .env("AWS_SECRET_ACCESS_KEY", &key.secret)
                .env_remove("AWS_SESSION_TOKEN")
                // Held open by this process alone: agents of a killed `up` end, so that the next
                // one can start its own.
                .stdin(Stdio::piped())
                // An interrupt at the terminal is for `up`, which then stops its agents in order.
                .process_group(0);
            tokio::spawn(keep(instance.name, command, stopped.clone()))
        };
        Ok(Self { stop, keepers: instances.into_iter().map(keeper).collect() })
    }

    /// Stops all agents; containers go on.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        for keeper in self.keepers {
            drop(keeper.await);
        }
    }
}

async fn keep(name: String, mut command: Command, mut stop: watch::Receiver<bool>) {
    let mut wait = AGAIN_AFTER;
    loop {
        let since = Instant::now();
        match command.spawn() {
            Ok(mut child) => {
                // Waiting for a child closes its input, which would end it.
                let held = child.stdin.take();
                tokio::select! {
                    ended = child.wait() => match ended {
                        Ok(status) => tracing::warn!(name, %status, "an agent ended; starting it again"),
                        Err(error) => tracing::error!(name, %error, "an agent cannot be waited for"),
                    },
                    () = told(&mut stop) => {
                        end(&name, &mut child).await;
                        return;
                    }
                }
                drop(held);
            }
            Err(error) => tracing::error!(name, %error, "an agent cannot be started"),
        }
        wait = if since.elapsed() > STEADY { AGAIN_AFTER } else { (wait * 2).min(AGAIN_AFTER_MAX) };
        tokio::select! {
            () = sleep(wait) => {}
            () = told(&mut stop) => return,
        }
    }
}

/// Asks an agent to end, and makes it if it does not.
async fn end(name: &str, child: &mut Child) {
    let id = child.id().and_then(|it| i32::try_from(it).ok());
    if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
        // It may have ended already; then there is nobody to ask.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    if timeout(STOP_WITHIN, child.wait()).await.is_err() {
        tracing::warn!(name, "an agent does not end; killing it");
        drop(child.kill().await);
    }
}

async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|it| *it).await);
}
