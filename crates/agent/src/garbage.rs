//! Takes away what no task needs any more: at the start what an agent with another memory left,
//! then unused images, now and then.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use images::Policy;
use plan::agent::Core;

use crate::api::chain;
use crate::clock;
use crate::machine::{Machine, blocking};
use crate::prepare::{is_attachment_of, tasks_on_disk};
use crate::stop::stop_task;

/// Clears what belongs to no task, then looks for unused images, for ever.
pub(crate) async fn keep(machine: Arc<Machine>) {
    // Listed before the core is asked: what comes later is not in doubt.
    let listed = machine.clone();
    let there = blocking(move || There::list(&listed)).await;
    let question = |core: &Core| {
        let specs = core.tasks().filter_map(|it| it.spec());
        specs.map(|it| it.arn.id().to_owned()).collect()
    };
    let Some(mut tasks) = machine.inbox.ask::<BTreeSet<String>>(question).await else { return };
    // Those that are known on disk only are looked after by their workers.
    let on_disk = tasks_on_disk(&machine.config.data);
    tasks.extend(on_disk.iter().map(|it| it.id().to_owned()));
    let cleared = machine.clone();
    blocking(move || there.clear(&cleared, &tasks)).await;
    loop {
        tokio::time::sleep(machine.config.timings.collect_every).await;
        let store = machine.store.clone();
        match blocking(move || store.collect(&Policy::default(), clock::now())).await {
            Ok(collected) if collected.images.is_empty() => {}
            Ok(collected) => tracing::info!(images = ?collected.images, "unused images are gone"),
            Err(error) => tracing::warn!(error = chain(&error), "images are not looked through"),
        }
    }
}

/// What is on the machine in the name of tasks.
struct There {
    shims: Vec<PathBuf>,
    attachments: Vec<network::Id>,
    holders: Vec<String>,
}

impl There {
    fn list(machine: &Machine) -> Self {
        let shims = fs::read_dir(machine.config.run.join("tasks")).into_iter().flatten().flatten();
        Self {
            shims: shims.map(|it| it.path()).collect(),
            attachments: machine.host.attachments().into_iter().map(|it| it.id).collect(),
            holders: machine.store.holders().unwrap_or_default(),
        }
    }

    /// Takes away what is of none of these tasks.
    fn clear(self, machine: &Machine, tasks: &BTreeSet<String>) {
        let failed = |what: &str, error: &dyn core::error::Error| {
            tracing::warn!(what, error = chain(error), "something of a former task is left");
        };
        for folder in self.shims {
            let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if tasks.contains(&id) {
                continue;
            }
            tracing::warn!(id, "containers of a task that nobody knows are stopped");
            if let Err(error) = stop_task(&folder) {
                failed("shim", &error);
            }
        }
        for attachment in self.attachments {
            if !tasks.iter().any(|it| is_attachment_of(&attachment, it))
                && let Err(error) = machine.host.detach(&attachment)
            {
                failed("network", &error);
            }
        }
        let own = format!("{}.", machine.instance_id);
        for holder in self.holders {
            if holder.strip_prefix(&own).is_some_and(|it| !tasks.contains(it))
                && let Err(error) = machine.store.release(&holder, clock::now())
            {
                failed("image", &error);
            }
        }
    }
}
