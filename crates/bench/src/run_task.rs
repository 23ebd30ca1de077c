//! `RunTask` from many clients at once: as fast as it goes, or at a given rate.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::client::{Client, Target};
use crate::tally::Tally;

/// What is asked for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Flags {
    #[arg(long)]
    cluster: String,
    #[arg(long)]
    task_definition: String,
    /// Tasks of each request.
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Clients at once, each with a connection of its own.
    #[arg(long, default_value_t = 64)]
    clients: u32,
    /// How long, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Requests a second over all clients, sent on time however late answers are; as many as the
    /// server takes if absent. Latency then counts from when a request was due.
    #[arg(long)]
    rate: Option<f64>,
    /// No more requests than this.
    #[arg(long, default_value_t = u64::MAX)]
    requests_max: u64,
}

/// What all clients share.
struct Plan {
    flags: Flags,
    begin: Instant,
    end: Instant,
    /// Distinguishes this run's tokens from any other's.
    run: u64,
    next: AtomicU64,
}

/// What one client has seen.
#[derive(Default)]
struct Seen {
    tally: Tally,
    tasks: u64,
    failures: u64,
    errors: u64,
    first_error: Option<String>,
}

pub(crate) async fn run(target: Target, flags: Flags) -> anyhow::Result<Value> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(flags.seconds);
    let mut run = [0; 8];
    getrandom::fill(&mut run).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let run = u64::from_ne_bytes(run);
    let plan = Arc::new(Plan { flags, begin, end, run, next: AtomicU64::new(0) });
    let clients: Vec<_> = (0..plan.flags.clients)
        .map(|_| tokio::spawn(client(Client::new(target.clone()), plan.clone())))
        .collect();
    let mut all = Seen::default();
    for client in clients {
        let seen = client.await?;
        all.tally.append(seen.tally);
        all.tasks += seen.tasks;
        all.failures += seen.failures;
        all.errors += seen.errors;
        all.first_error = all.first_error.or(seen.first_error);
    }
    let took = begin.elapsed().as_secs_f64();
    let requests = all.tally.count();
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds' requests")]
    let rate = requests as f64 / took;
    Ok(json!({
        "requests": requests,
        "seconds": took,
        "requests_per_second": rate.round(),
        "tasks": all.tasks,
        "failures": all.failures,
        "errors": all.errors,
        "first_error": all.first_error,
        "milliseconds": all.tally.percentiles(),
    }))
}

async fn client(mut client: Client, plan: Arc<Plan>) -> Seen {
    let mut seen = Seen::default();
    loop {
        let number = plan.next.fetch_add(1, Ordering::Relaxed);
        let Some(due) = due(&plan, number) else { return seen };
        let began = match plan.flags.rate {
            Some(_) => {
                sleep_until(due).await;
                due
            }
            // A timer fires at a whole millisecond, even for a time that has passed.
            None => Instant::now(),
        };
        let body = format!(
            "{{\"cluster\":\"{}\",\"taskDefinition\":\"{}\",\"count\":{},\
             \"clientToken\":\"load-{:016x}-{number}\"}}",
            plan.flags.cluster, plan.flags.task_definition, plan.flags.count, plan.run
        );
        match client.ask("RunTask", &body).await.and_then(|it| it.json()) {
            Ok(answer) => {
                seen.tally.add(began.elapsed());
                let count = |name: &str| {
                    answer.get(name).and_then(Value::as_array).map_or(0, |it| it.len() as u64)
                };
                seen.tasks += count("tasks");
                seen.failures += count("failures");
            }
            Err(error) => {
                seen.errors += 1;
                seen.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}

/// When a request is to be sent; `None` if the run is over by then.
fn due(plan: &Plan, number: u64) -> Option<Instant> {
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds' requests")]
    let due = match plan.flags.rate {
        Some(rate) => plan.begin + Duration::from_secs_f64(number as f64 / rate),
        None => Instant::now(),
    };
    (due < plan.end && number < plan.flags.requests_max).then_some(due)
}
