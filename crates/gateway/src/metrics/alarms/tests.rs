//! Alarms over a store in memory, with a writer's threads.

use core::sync::atomic::{AtomicI64, Ordering};

use state::{AlarmState, Change, Comparison, Context, Dice, Draft, MissingData};
use store::journal::memory::{MemoryJournal, MemoryRegion};
use store::{Desk, SYNCS_AT_ONCE, Surroundings, Threads, Writer};
use telemetry::history::MemoryFiles;
use telemetry::metrics::{Resolution, Sample};
use types::{AccountId, Home, Region};

use super::*;

/// Midnight of a day, in seconds.
const MIDNIGHT: i64 = 20_000 * 24 * 60 * 60;

/// Nothing to do, ever.
struct Idle;

impl Desk for Idle {
    fn hear(&mut self, _: &Change, _: Timestamp) {}

    fn due(&self) -> Timestamp {
        Timestamp(i64::MAX)
    }

    fn turn(&mut self, _: &mut Draft<'_>, _: &mut Context<'_>) -> bool {
        false
    }
}

/// A region, and the time of its clock in seconds.
struct World {
    clock: AlarmClock,
    region: Arc<LiveRegion>,
    store: Arc<MetricStore>,
    seconds: Arc<AtomicI64>,
    threads: Threads,
}

impl World {
    fn new() -> Self {
        let files = Arc::new(MemoryFiles::default());
        let store = Arc::new(MetricStore::open(files).expect("opens"));
        let seconds = Arc::new(AtomicI64::new(MIDNIGHT));
        let now = {
            let seconds = seconds.clone();
            move || Timestamp(seconds.load(Ordering::SeqCst) * 1000)
        };
        let mut journal = MemoryJournal::open(&MemoryRegion::new());
        let home = Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        };
        let (core, epoch) = Core::open(home.clone(), Dice::of(1), &mut journal).expect("opens");
        let surroundings = Surroundings {
            now: Box::new(now.clone()),
            durable: Box::new(|_| {}),
            syncs_at_once: SYNCS_AT_ONCE,
            fatal: Box::new(|error| panic!("{error}")),
        };
        let (writer, threads) =
            Writer::start(core, epoch, Box::new(journal), Box::new(Idle), surroundings);
        let region = Arc::new(LiveRegion::new(home, writer, store.clone(), Arc::new(now)));
        let clock = AlarmClock::new(region.clone());
        Self { clock, region, store, seconds, threads }
    }

    async fn write(&self, row: Alarm) {
        let write = move |core: &mut Core| {
            core.write(Caller::region(), 0, |draft, _| draft.change(row.into()));
        };
        self.region.ask(write).await.expect("the writer lives");
    }

    /// A value at so many seconds after midnight.
    fn put(&self, seconds: i64, value: f64) {
        let at = (MIDNIGHT + seconds) * 1000;
        let series = Series::new("Shop", "Errors", [], "Count");
        let statistics = Statistics::of(value);
        let sample = Sample { series, at, resolution: Resolution::Minute, statistics };
        self.store.put(&[sample], at).expect("the disk takes it");
    }

    /// What the alarm is so many seconds after midnight.
    async fn at(&mut self, seconds: i64) -> AlarmState {
        self.seconds.store(MIDNIGHT + seconds, Ordering::SeqCst);
        self.clock.turn().await;
        let look = |core: &mut Core| core.state().alarms().get("errors").map(|it| it.state);
        self.region.ask(look).await.expect("the writer lives").expect("it is there")
    }
}

fn alarm() -> Alarm {
    Alarm {
        name: "errors".into(),
        spec: Vec::new(),
        terms: AlarmTerms {
            namespace: "Shop".into(),
            metric: "Errors".into(),
            dimensions: BTreeMap::new(),
            unit: None,
            statistic: AlarmStatistic::Sum,
            period: Duration::from_mins(1),
            periods: 1,
            breaches: 1,
            threshold: 5.0,
            comparison: Comparison::Above,
            missing: MissingData::Missing,
        },
        state: AlarmState::InsufficientData,
        reason: String::new(),
        reason_data: None,
        state_updated_at: Timestamp(MIDNIGHT * 1000),
        state_changed_at: Timestamp(MIDNIGHT * 1000),
        configured_at: Timestamp(MIDNIGHT * 1000),
        tags: Vec::new(),
    }
}

#[tokio::test]
async fn an_alarm_follows_its_metric_period_by_period() {
    let mut world = World::new();
    world.write(alarm()).await;
    assert_eq!(world.at(0).await, AlarmState::InsufficientData);
    world.put(61, 3.0);
    world.put(62, 3.0);
    assert_eq!(world.at(119).await, AlarmState::InsufficientData, "the period goes on");
    assert_eq!(world.at(124).await, AlarmState::InsufficientData, "more of it may come in");
    assert_eq!(world.at(125).await, AlarmState::Alarm, "six is more than five");
    world.put(121, 1.0);
    assert_eq!(world.at(184).await, AlarmState::Alarm);
    assert_eq!(world.at(185).await, AlarmState::Ok);
    // What is missing is looked for further back, for two periods more.
    assert_eq!(world.at(305).await, AlarmState::Ok);
    assert_eq!(world.at(365).await, AlarmState::InsufficientData);
    world.threads.end();
}

#[tokio::test]
async fn an_alarm_that_was_set_by_hand_is_so_until_it_is_next_due() {
    let mut world = World::new();
    world.write(alarm()).await;
    world.at(10).await;
    world.write(Alarm { state: AlarmState::Alarm, ..alarm() }).await;
    assert_eq!(world.at(30).await, AlarmState::Alarm);
    assert_eq!(world.at(65).await, AlarmState::InsufficientData);
    world.threads.end();
}
