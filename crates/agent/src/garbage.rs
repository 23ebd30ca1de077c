//! Takes unused images away, now and then.

use std::collections::BTreeSet;
use std::sync::Arc;

use images::Policy;
use plan::agent::Core;

use crate::api::chain;
use crate::clock;
use crate::machine::{Machine, blocking};

/// Lets go of the images of tasks that are no more, then looks for unused ones, for ever.
pub(crate) async fn keep(machine: Arc<Machine>) {
    let question = |core: &Core| {
        let specs = core.tasks().filter_map(|it| it.spec());
        specs.map(|it| it.arn.id().to_owned()).collect()
    };
    let Some(tasks) = machine.inbox.ask::<BTreeSet<String>>(question).await else { return };
    let names = machine.clone();
    let released = blocking(move || {
        let own = format!("{}.", names.instance_id);
        for holder in names.store.holders()? {
            if holder.strip_prefix(&own).is_some_and(|it| !tasks.contains(it)) {
                names.store.release(&holder, clock::now())?;
            }
        }
        Ok::<_, images::StoreError>(())
    });
    if let Err(error) = released.await {
        tracing::warn!(error = chain(&error), "images of former tasks are still held");
    }
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
