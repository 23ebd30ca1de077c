//! The agent from start to end.

use std::fs;
use std::sync::{Arc, Mutex};

use images::{Puller, Store};
use network::Host;
use plan::agent::{Core, Settings, TaskArn};
use state::Dice;
use tokio::sync::{Notify, OnceCell, mpsc, watch};
use tokio::task::JoinSet;

use crate::api::Api;
use crate::config::Config;
use crate::desk::{Desk, Ended};
use crate::error::AgentError;
use crate::machine::{INBOX_MAX, Inbox, Letter, Machine, blocking};
use crate::register::{Note, register};
use crate::rows::Rows;
use crate::worker::Order;
use crate::{endpoint, garbage, join, prepare, pull, tcs};

/// Runs an agent until `shutdown` says `true`. Containers go on after that; if there are none, the
/// caller may take the rest away by [`crate::stop_everything`] once the runtime has ended.
///
/// Must be called within a tokio runtime with I/O and time; one thread is enough. The program that
/// calls this must enter [`shim::main`] when executed with `shim --dir DIR`, and
/// [`images::unpack_main`] when executed with `unpack …`.
///
/// # Errors
///
/// [`AgentError`] if the agent cannot start, or can no longer keep what it must not forget.
pub async fn run(config: Config, shutdown: watch::Receiver<bool>) -> Result<Ended, AgentError> {
    for folder in [&config.data, &config.run, &config.images] {
        fs::create_dir_all(folder).map_err(AgentError::file("make", folder))?;
    }
    let mut stopped = shutdown.clone();
    let (machine, note, inbox) = tokio::select! {
        made = machine(config) => made?,
        _ = stopped.wait_for(|it| *it) => return Ok(Ended::Busy),
    };
    let endpoint = endpoint::listen(&machine).await?;
    let health = Arc::new(Notify::new());
    let desk = desk(&machine, health.clone())?;
    let mut parts = JoinSet::new();
    parts.spawn(endpoint::serve(machine.clone(), endpoint));
    parts.spawn(tcs::keep(machine.clone(), health));
    parts.spawn(garbage::keep(machine.clone()));
    parts.spawn(make_built_in(machine.clone()));
    let files = AgentError::file("write the memory in", machine.config.data.clone());
    let worked = tokio::select! {
        worked = serve(machine.clone(), desk, inbox, shutdown) => worked.map_err(files),
        failed = reregister(machine, note) => Err(failed),
    };
    parts.shutdown().await;
    worked
}

async fn serve(
    machine: Arc<Machine>,
    mut desk: Desk,
    inbox: mpsc::Receiver<Letter>,
    shutdown: watch::Receiver<bool>,
) -> std::io::Result<Ended> {
    let mut known: Vec<TaskArn> = desk.core().awaiting_recovery().cloned().collect();
    known.extend(prepare::tasks_on_disk(&machine.config.data));
    known.sort();
    known.dedup();
    for task in known {
        drop(desk.adopt(&task).send(Order::Recover));
    }
    desk.work(inbox, shutdown).await
}

/// Registers an instance that is known already; its containers do not wait for that. Ends only if
/// the region does not take it back.
async fn reregister(machine: Arc<Machine>, mut note: Note) -> AgentError {
    if !*machine.registered.borrow() {
        let instance = match register(&machine.api, &machine.config, &note).await {
            Ok(instance) => instance,
            Err(error) => return error,
        };
        if instance != machine.instance {
            note.instance = Some(instance.clone());
            return match note.keep(&machine.config.data) {
                Ok(()) => AgentError::Renamed(instance),
                Err(error) => error,
            };
        }
        tracing::info!(instance, "registered");
        machine.registered.send_replace(true);
    }
    core::future::pending().await
}

/// The first task that wants it should not wait for it.
async fn make_built_in(machine: Arc<Machine>) {
    if let Err(failure) = pull::built_in(&machine).await {
        tracing::error!(why = failure.text, "the built-in image cannot be made");
    }
}

/// Opens all doors, and registers an instance that never was.
async fn machine(
    mut config: Config,
) -> Result<(Arc<Machine>, Note, mpsc::Receiver<Letter>), AgentError> {
    let keys = join::keys(&mut config).await?;
    let api = Api::new(&config, Some(keys))?;
    let store = Store::open(images::Config::new(&config.images))?;
    let options = images::Options {
        insecure: config.insecure_registries.clone(),
        ..images::Options::default()
    };
    let puller = Puller::new(store.clone(), options);
    let setup = config.network.clone();
    let host = Arc::new(blocking(move || Host::ensure(&setup)).await?);
    let mut note = Note::open(&config)?;
    let known = note.instance.clone();
    let instance = match &known {
        Some(known) => known.clone(),
        None => {
            let instance = register(&api, &config, &note).await?;
            note.instance = Some(instance.clone());
            note.keep(&config.data)?;
            tracing::info!(instance, "registered");
            instance
        }
    };
    let mut secret = [0; 32];
    hex::decode_to_slice(&note.secret, &mut secret)
        .map_err(|it| AgentError::Randomness(it.to_string()))?;
    let (letters, inbox) = mpsc::channel(INBOX_MAX);
    let (inbox_of, built_in) = (Inbox(letters), OnceCell::new());
    let machine = Machine {
        config,
        api,
        store,
        puller,
        host,
        inbox: inbox_of,
        secret,
        instance,
        instance_id: note.instance_id.clone(),
        built_in,
        lines: Mutex::default(),
        registered: watch::Sender::new(known.is_none()),
    };
    Ok((Arc::new(machine), note, inbox))
}

/// The core with what it remembers.
fn desk(machine: &Arc<Machine>, health: Arc<Notify>) -> Result<Desk, AgentError> {
    let config = &machine.config;
    let folder = &config.data;
    let rows = Rows::open(folder).map_err(AgentError::file("open the memory in", folder))?;
    let resources = &config.resources;
    let host = plan::agent::Host {
        cpu: resources.cpu,
        memory: resources.memory,
        reserved_ports: resources.reserved_ports.clone(),
        gpus: resources.gpus.clone(),
    };
    let settings = Settings {
        stop_timeout: config.timings.stop_timeout,
        cleanup_after: config.timings.cleanup_after,
        ..Settings::new(config.cluster.clone(), machine.instance.clone(), host)
    };
    let core = match Core::restore(settings.clone(), rows.iter()) {
        Ok(core) => core,
        Err(error) => {
            // What cannot be read cannot be gone on from; tasks are found again on the machine.
            tracing::error!(%error, "the agent's memory is damaged: beginning anew");
            Core::new(settings)
        }
    };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|it| AgentError::Randomness(it.to_string()))?;
    Ok(Desk::new(machine.clone(), core, Dice::new(seed), rows, health))
}
