//! A backlog, with a writer's threads and files in a folder.

use reconcilers::Past;
use state::{Audit, Change, Context, Dice, Draft, Outcome};
use store::journal::memory::{MemoryJournal, MemoryRegion};
use store::{Desk, SYNCS_AT_ONCE, Surroundings, Threads};
use telemetry::history::Retention;
use types::{AccountId, Home, Region};

use super::*;

const NOW: Timestamp = Timestamp(24 * 60 * 60 * 1000);

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

fn audit(number: u64) -> Audit {
    Audit {
        number,
        at: Timestamp(0),
        request_id: Vec::new(),
        source: "ecs.amazonaws.com".into(),
        operation: "RunTask".into(),
        caller: String::new(),
        access_key: String::new(),
        source_ip: String::new(),
        user_agent: String::new(),
        token: None,
        outcome: Outcome::Done,
        resources: Vec::new(),
    }
}

/// A region with so many old rows of the audit trail.
fn region(rows: usize) -> (Writer, Threads) {
    let mut journal = MemoryJournal::open(&MemoryRegion::new());
    let home = Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    };
    let (mut core, epoch) = Core::open(home, Dice::of(1), &mut journal).expect("opens");
    for number in 1..=rows as u64 {
        core.write(Caller::region(), 0, |draft, _| draft.change(audit(number).into()));
    }
    let surroundings = Surroundings {
        now: Box::new(|| NOW),
        durable: Box::new(|_| {}),
        syncs_at_once: SYNCS_AT_ONCE,
        fatal: Box::new(|error| panic!("{error}")),
    };
    Writer::start(core, epoch, Box::new(journal), Box::new(Idle), surroundings)
}

#[tokio::test]
async fn a_backlog_is_carried_without_rest() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let history = History::open(folder.path(), Retention::Forever).expect("opens");
    let (writer, threads) = region(2 * Due::CARRIED_MAX + 1);
    let policy = Policy { past: Past::Archived, ..Policy::default() };
    let archivist = Archivist::new(Arc::new(history), writer, policy, Arc::new(|| NOW));

    let mut left = Vec::new();
    for _ in 0..3 {
        let wait = archivist.turn().await;
        let rows = archivist.ask(|core| core.state().audits().len()).await.expect("answers");
        left.push((rows, wait.is_zero()));
    }
    assert_eq!(left, [(Due::CARRIED_MAX + 1, true), (1, true), (0, false)]);
    threads.end();
}
