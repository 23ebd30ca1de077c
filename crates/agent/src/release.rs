//! The end of a task on the machine: what runs is killed, what was made is taken away.

use std::fs;
use std::io;
use std::sync::atomic::Ordering;

use shim::Command;

use crate::api::chain;
use crate::clock;
use crate::machine::blocking;
use crate::prepare::is_attachment_of;
use crate::stop::stop_task;
use crate::worker::Worker;

/// Ends the shim with all it holds, then frees network and images. May be asked again.
///
/// # Errors
///
/// What could not be freed.
pub(crate) async fn task(worker: &mut Worker) -> Result<(), String> {
    worker.ending.store(true, Ordering::Relaxed);
    if worker.line.is_none() {
        // Without a shim the next step finds out.
        drop(worker.connect().await);
    }
    if worker.line.is_some() {
        // Whatever it answers: if it is still there, recovery says so.
        drop(worker.call(Command::Shutdown).await);
        worker.hang_up();
    }
    worker.finish_logs();
    let (machine, task) = (worker.machine.clone(), worker.task.clone());
    blocking(move || {
        stop_task(&machine.shim_folder(&task)).map_err(|it| chain(&it))?;
        for attached in machine.host.attachments() {
            if is_attachment_of(&attached.id, task.id()) {
                machine.host.detach(&attached.id).map_err(|it| chain(&it))?;
            }
        }
        machine.store.release(&machine.holder(&task), clock::now()).map_err(|it| chain(&it))
    })
    .await
}

/// Deletes what else is left of a task: logs, empty volumes, notes.
pub(crate) async fn remove(worker: &mut Worker) {
    let folder = worker.machine.task_folder(&worker.task);
    let removed = blocking(move || fs::remove_dir_all(&folder)).await;
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(task = %worker.task, %error, "the folder of a task is left");
        }
        _ => {}
    }
}
