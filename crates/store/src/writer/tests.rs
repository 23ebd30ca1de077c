//! The threads, with a journal in memory whose syncs end when the test says so.

use std::sync::mpsc::{Receiver, Sender, channel};

use state::{Dice, Draft};
use types::{AccountId, ClusterName, Home, Region};

use super::*;
use crate::journal::memory::{MemoryJournal, MemoryRegion, Outcome, Write};

/// A sync that has begun and waits for its fate.
struct Sync {
    batches: usize,
    fate: Sender<Outcome>,
}

impl Sync {
    fn ends(&self, outcome: Outcome) {
        self.fate.send(outcome).expect("the sync waits");
    }
}

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

/// A writer, and everything it tells the outside.
struct Bench {
    region: MemoryRegion,
    writer: Writer,
    threads: Threads,
    syncs: Receiver<Sync>,
    /// Answers, and how many transactions were told as durable, in order.
    seen: Receiver<String>,
    see: Sender<String>,
}

impl Bench {
    fn new(syncs_at_once: usize) -> Self {
        let region = MemoryRegion::new();
        let (begun, syncs) = channel();
        let (see, seen) = channel();
        let faults = move |write: Write| {
            if write.batches == 0 {
                return Outcome::Durable;
            }
            let (fate, told) = channel();
            begun.send(Sync { batches: write.batches, fate }).expect("the test listens");
            told.recv().expect("the test decides")
        };
        let mut journal = MemoryJournal::with_faults(&region, Arc::new(faults));
        let home = Home {
            region: Region::parse("us-east-1").expect("a region"),
            account: AccountId::parse("123456789012").expect("an account"),
        };
        let (core, epoch) =
            Core::open(home, Dice::new([7; 32]), &mut journal).expect("an empty region opens");
        let (durable, fatal) = (see.clone(), see.clone());
        let surroundings = Surroundings {
            now: Box::new(Timestamp::default),
            durable: Box::new(move |it| say(&durable, format!("durable {}", it.len()))),
            syncs_at_once,
            fatal: Box::new(move |error| say(&fatal, format!("fatal: {error}"))),
        };
        let (writer, threads) =
            Writer::start(core, epoch, Box::new(journal), Box::new(Idle), surroundings);
        Self { region, writer, threads, syncs, seen, see }
    }

    /// An input that changes something, or looks only.
    fn submit(&self, name: &'static str, changes: Changes) {
        let see = self.see.clone();
        let job = Box::new(move |core: &mut Core| -> Release {
            if let Changes::One = changes {
                core.write(Caller::region(), 0, |draft, _| {
                    let cluster = ClusterName::parse(name).expect("a name");
                    draft.change(Change::Cluster(cluster, None));
                });
            }
            Box::new(move || say(&see, name.to_owned()))
        });
        self.writer.submit(job).expect("there is room");
    }

    fn write(&self, name: &'static str) -> Sync {
        self.submit(name, Changes::One);
        self.sync()
    }

    fn sync(&self) -> Sync {
        self.syncs.recv().expect("a sync begins")
    }

    #[track_caller]
    fn sees(&self, expected: &[&str]) {
        let seen: Vec<_> =
            expected.iter().map(|_| self.seen.recv().expect("something is said")).collect();
        assert_eq!(seen, expected);
    }

    /// Ends the threads; nothing more may have been said.
    #[track_caller]
    fn ends(self) {
        self.threads.end();
        assert_eq!(self.seen.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    }
}

#[derive(Clone, Copy)]
enum Changes {
    None,
    One,
}

fn say(see: &Sender<String>, what: String) {
    // The test may have seen enough.
    drop(see.send(what));
}

#[test]
fn an_answer_goes_out_when_its_sync_has_ended_and_not_before() {
    let bench = Bench::new(1);
    let sync = bench.write("a");
    assert_eq!(sync.batches, 1);
    assert!(bench.seen.try_recv().is_err(), "nothing is durable yet");
    sync.ends(Outcome::Durable);
    bench.sees(&["durable 1", "a"]);
    bench.ends();
}

#[test]
fn a_look_at_what_is_durable_waits_for_nothing() {
    let bench = Bench::new(2);
    bench.submit("look", Changes::None);
    bench.sees(&["look"]);
    bench.ends();
}

#[test]
fn a_look_waits_for_what_it_has_seen() {
    for syncs_at_once in [1, 2] {
        let bench = Bench::new(syncs_at_once);
        let sync = bench.write("a");
        bench.submit("look", Changes::None);
        // Handled after the look, so the look lies on the belt or further on by then.
        bench.submit("look again", Changes::None);
        assert!(bench.seen.try_recv().is_err(), "nothing is durable yet");
        sync.ends(Outcome::Durable);
        bench.sees(&["durable 1", "a", "look", "look again"]);
        bench.ends();
    }
}

#[test]
fn a_second_sync_begins_while_the_first_is_under_way() {
    let bench = Bench::new(2);
    let first = bench.write("a");
    let second = bench.write("b");
    first.ends(Outcome::Durable);
    bench.sees(&["durable 1", "a"]);
    second.ends(Outcome::Durable);
    bench.sees(&["durable 1", "b"]);
    bench.ends();
}

#[test]
fn what_is_synced_first_waits_for_what_was_decided_before() {
    let bench = Bench::new(3);
    let first = bench.write("a");
    let second = bench.write("b");
    second.ends(Outcome::Durable);
    // That the third thread begins shows nothing of the second; that nothing is said does.
    let third = bench.write("c");
    third.ends(Outcome::Durable);
    assert!(bench.seen.try_recv().is_err(), "the first is not durable yet");
    first.ends(Outcome::Durable);
    bench.sees(&["durable 1", "a", "durable 1", "b", "durable 1", "c"]);
    bench.ends();
}

#[test]
fn with_one_sync_at_a_time_all_that_came_meanwhile_goes_into_the_next() {
    let bench = Bench::new(1);
    let first = bench.write("a");
    bench.submit("b", Changes::One);
    bench.submit("c", Changes::One);
    // What ends the threads is handled after both, and waits for what was decided.
    let Bench { threads, syncs, seen, .. } = bench;
    let inbox = threads.inbox.clone();
    inbox.send(Order::End).expect("the writer listens");
    let mut handles = threads.handles.into_iter();
    handles.next().expect("the writer").join().expect("it ends");
    first.ends(Outcome::Durable);
    let second = syncs.recv().expect("a sync begins");
    assert_eq!(second.batches, 2);
    second.ends(Outcome::Durable);
    handles.for_each(|it| it.join().expect("it ends"));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["durable 1", "a", "durable 2", "b", "c"]);
}

#[test]
fn after_a_failed_sync_no_later_answer_goes_out() {
    let bench = Bench::new(2);
    let region = bench.region.clone();
    let first = bench.write("a");
    let second = bench.write("b");
    first.ends(Outcome::Fails { applied: 0 });
    bench.sees(&["fatal: write 1 failed"]);
    second.ends(Outcome::Durable);
    bench.ends();
    assert_eq!(region.rows(), []);
}

#[test]
fn an_earlier_sync_that_fails_holds_back_a_later_one_that_did_not() {
    let bench = Bench::new(2);
    let first = bench.write("a");
    let second = bench.write("b");
    second.ends(Outcome::Durable);
    first.ends(Outcome::Fails { applied: 1 });
    bench.sees(&["fatal: write 1 failed"]);
    bench.ends();
}

#[test]
fn ending_makes_safe_and_answers_what_was_decided() {
    let bench = Bench::new(2);
    let first = bench.write("a");
    let second = bench.write("b");
    let Bench { threads, writer, seen, .. } = bench;
    let ends = std::thread::spawn(move || threads.end());
    second.ends(Outcome::Durable);
    first.ends(Outcome::Durable);
    ends.join().expect("it ends");
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["durable 1", "a", "durable 1", "b"]);
    let late = writer.submit(Box::new(|_| Box::new(|| {})));
    assert_eq!(late, Err(Overloaded), "nobody listens any more");
}

#[test]
fn that_only_the_reserve_is_left_is_known_after_a_sync() {
    let bench = Bench::new(2);
    assert!(!bench.writer.reserve_only());
    bench.region.set_room(Room::ReserveOnly);
    bench.write("a").ends(Outcome::Durable);
    bench.sees(&["durable 1", "a"]);
    assert!(bench.writer.reserve_only());

    // Nobody commits anything on a full disk, and that it has space again is found out all the same.
    bench.region.set_room(Room::Ample);
    while bench.writer.reserve_only() {
        std::thread::yield_now();
    }
    bench.ends();
}
