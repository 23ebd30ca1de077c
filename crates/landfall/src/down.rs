//! `landfall down`: stops every task and leaves nothing of the region running or mounted.

use core::time::Duration;

use anyhow::{Context as _, bail};
use network::Region;
use shapes::ecs as op;
use shim::Signal;
use tokio::time::{Instant, sleep};

use crate::args::Place;
use crate::client::Client;
use crate::home::Folder;
use crate::server;
use crate::up::{Faults, Runs, Runtime, say};

/// What stands as the reason of the tasks that are stopped.
const REASON: &str = "The region was taken down";
/// Longer than the longest usual stop timeout of a container.
const STOP_WITHIN: Duration = Duration::from_mins(3);
/// How long the region's process may take to end.
const END_WITHIN: Duration = Duration::from_secs(30);
/// How long a balancer may take to let those go whom it serves.
const BALANCER_WITHIN: Duration = Duration::from_secs(10);
/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most tasks of one DescribeTasks and one page of ListTasks.
const PAGE: usize = 100;

pub(crate) fn run(place: &Place) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("stopping containers needs root: try `sudo landfall down`");
    }
    let folder = Folder::of(place)?;
    let runtime = Runtime::of(&folder)?;
    // What a fault holds down cannot tell of the end of its tasks.
    let faults = Faults::of(folder.path());
    faults.heal_all()?;
    // A region whose folder was removed has left containers all the same.
    match folder.read_note() {
        Ok(_) => server::runtime()?.block_on(async {
            let client = Client::of(place)?;
            if client.call::<op::ListClusters>(&op::ListClustersRequest::default()).await.is_ok() {
                stop_tasks(&client).await?;
            }
            end_process(&runtime).await
        })?,
        Err(error) if runtime.is_empty() && matches!(runtime.process(), Runs::Nobody) => {
            runtime.clear()?;
            return Err(error);
        }
        Err(_) => server::runtime()?.block_on(end_process(&runtime))?,
    }
    // The network goes also if an instance is stubborn: what is left then is less.
    let cleared = runtime.clear();
    let network = Region::destroy(&runtime.tag).context("cannot remove the region's network");
    cleared.and(network).and(faults.clear())?;
    say("the region is down; what it knows is kept for the next `landfall up`");
    Ok(())
}

async fn stop_tasks(client: &Client) -> anyhow::Result<()> {
    let clusters = client.call::<op::ListClusters>(&op::ListClustersRequest::default()).await?;
    let mut waiting = Vec::new();
    for cluster in clusters.cluster_arns.unwrap_or_default() {
        loop {
            let tasks = list(client, &cluster).await?;
            if tasks.is_empty() {
                break;
            }
            say(&format!("stopping {} tasks", tasks.len()));
            for task in tasks {
                let ask = op::StopTaskRequest {
                    cluster: Some(cluster.clone()),
                    task: Some(task.clone()),
                    reason: Some(REASON.into()),
                };
                client.call::<op::StopTask>(&ask).await?;
                waiting.push((cluster.clone(), task));
            }
        }
    }
    let deadline = Instant::now() + STOP_WITHIN;
    for chunk in waiting.chunks(PAGE) {
        while !all_stopped(client, chunk).await? {
            if Instant::now() > deadline {
                say("some tasks do not stop; killing them");
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

async fn list(client: &Client, cluster: &str) -> anyhow::Result<Vec<String>> {
    let ask = op::ListTasksRequest { cluster: Some(cluster.to_owned()), ..Default::default() };
    Ok(client.call::<op::ListTasks>(&ask).await?.task_arns.unwrap_or_default())
}

/// Tasks that have been forgotten meanwhile have stopped.
async fn all_stopped(client: &Client, tasks: &[(String, String)]) -> anyhow::Result<bool> {
    for (cluster, task) in tasks {
        let ask = op::DescribeTasksRequest {
            cluster: Some(cluster.clone()),
            tasks: Some(vec![task.clone()]),
            include: None,
        };
        let answer = client.call::<op::DescribeTasks>(&ask).await?;
        let mut rows = answer.tasks.iter().flatten();
        if rows.any(|it| it.last_status.as_deref() != Some("STOPPED")) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ends the process that runs the region, and then the balancers, which go on without it.
async fn end_process(runtime: &Runtime) -> anyhow::Result<()> {
    end_up(runtime).await?;
    let balancers = runtime.balancers();
    for balancer in &balancers {
        balancer.signal(Signal::TERM);
    }
    for balancer in &balancers {
        if !balancer.ends_within(BALANCER_WITHIN) {
            balancer.signal(Signal::KILL);
        }
    }
    Ok(())
}

/// Asks the process that runs the region to end, and waits for it.
async fn end_up(runtime: &Runtime) -> anyhow::Result<()> {
    let deadline = Instant::now() + END_WITHIN;
    let mut asked = false;
    loop {
        match runtime.process() {
            Runs::Nobody => return Ok(()),
            Runs::Process(process) if !asked => {
                say("stopping the region");
                process.signal(Signal::TERM);
                asked = true;
            }
            Runs::Process(_) | Runs::Starting => {}
        }
        if Instant::now() > deadline {
            bail!(
                "the process that runs the region was asked to end {} seconds ago and still runs \
                 (its number is in {}): see its last words where it was started; `kill -9` loses \
                 nothing that was answered, then run `landfall down` again",
                END_WITHIN.as_secs(),
                runtime.path.display()
            );
        }
        sleep(LOOK_EVERY).await;
    }
}
