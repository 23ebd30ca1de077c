//! The region as agent sessions see it: its state through the writer.

use std::sync::Arc;

use api::{Checked, report_health};
use link::{Later, Region, TaskUse, Told};
use plan::{assignments, instances};
use state::{Caller, Health};
use store::{Core, Writer};
use telemetry::metrics::MetricStore;
use tokio::sync::oneshot;
use types::{Home, InstanceId, TaskId, Timestamp};

use crate::metrics;

/// The clock of the machine.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A region that lives: behind it stands the writer.
pub struct LiveRegion {
    home: Home,
    writer: Writer,
    pub(crate) metrics: Arc<MetricStore>,
    clock: Clock,
}

impl LiveRegion {
    /// The region behind this writer. What machines measure goes into the metric store.
    pub fn new(home: Home, writer: Writer, metrics: Arc<MetricStore>, clock: Clock) -> Self {
        Self { home, writer, metrics, clock }
    }

    /// Puts a question or an order before the writer and waits until the answer is durable. `None`
    /// if the writer is overloaded or gone: the caller comes again with its next turn.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let job = Box::new(move |core: &mut Core| -> store::Release {
            let answer = decide(core);
            // Nobody listens any more if the session has ended meanwhile.
            Box::new(move || drop(tell.send(answer)))
        });
        self.writer.submit(job).ok()?;
        told.await.ok()
    }
}

impl Region for LiveRegion {
    fn home(&self) -> &Home {
        &self.home
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn random(&self) -> u128 {
        crate::answer::random()
    }

    fn told(&self, instance: InstanceId) -> Later<'_, Option<Told>> {
        Box::pin(async move {
            self.ask(move |core| {
                let region = core.state().region().get(&()).cloned();
                let assignments = assignments::of(core.state(), instance)?;
                Some(Told { assignments, region })
            })
            .await
            .flatten()
        })
    }

    fn connected(&self, instance: InstanceId) -> Later<'_, ()> {
        Box::pin(async move {
            self.ask(move |core| {
                core.write(Caller::region(), 0, |draft, context| {
                    instances::connect(draft, instance, context.now);
                });
            })
            .await;
        })
    }

    fn lost(&self, instance: InstanceId) -> Later<'_, ()> {
        Box::pin(async move {
            self.ask(move |core| {
                core.write(Caller::region(), 0, |draft, context| {
                    instances::disconnect(draft, instance, context.now);
                });
            })
            .await;
        })
    }

    fn health(
        &self,
        instance: InstanceId,
        task: TaskId,
        checked: Vec<(String, Health)>,
    ) -> Later<'_, ()> {
        let one = |(container, health)| Checked { container, health };
        let checked: Vec<_> = checked.into_iter().map(one).collect();
        Box::pin(async move {
            self.ask(move |core| {
                core.write(Caller::region(), 0, |draft, _| {
                    report_health(draft, instance, task, &checked);
                });
            })
            .await;
        })
    }

    fn used(&self, instance: InstanceId, tasks: Vec<TaskUse>) -> Later<'_, ()> {
        Box::pin(async move {
            let used = self.ask(move |core| metrics::used(core.state(), instance, &tasks)).await;
            let (now, used) = (self.now(), used.unwrap_or_default());
            tokio::task::block_in_place(|| metrics::put_used(&self.metrics, &used, now));
        })
    }
}
