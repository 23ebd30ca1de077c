//! Runs seeds and stories: `sim --seed N` follows one, `sim --seeds N` runs many on all cores,
//! `sim --stories` plays all stories and `sim --story NAME` follows one, which may be a file.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sim::{Count, Options, Outcome, Story};

/// Events of the phase with faults, if nothing else is said.
const STEPS: u64 = 2_000;

struct Asked {
    from: u64,
    seeds: u64,
    steps: u64,
    follow: bool,
    /// One story by its name, or all.
    stories: Option<String>,
}

/// All stories.
const ALL: &str = "all";

fn asked() -> Result<Asked, String> {
    let mut asked = Asked { from: 0, seeds: 1_000, steps: STEPS, follow: false, stories: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--story" {
            asked.stories = Some(words.next().unwrap_or_default());
            continue;
        }
        if word == "--stories" {
            asked.stories = Some(ALL.to_owned());
            continue;
        }
        let mut number = || {
            let text = words.next().unwrap_or_default();
            text.parse().map_err(|_| format!("{word} wants a number, not '{text}'"))
        };
        match word.as_str() {
            "--seed" => {
                asked.from = number()?;
                asked.seeds = 1;
                asked.follow = true;
            }
            "--seeds" => asked.seeds = number()?,
            "--from" => asked.from = number()?,
            "--steps" => asked.steps = number()?,
            _ => {
                return Err(format!(
                    "unknown word '{word}': --seed, --seeds, --from, --steps, --story, --stories"
                ));
            }
        }
    }
    Ok(asked)
}

fn say(text: &str) {
    // Whoever closed our output does not want to hear of it.
    drop(writeln!(std::io::stdout(), "{text}"));
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            say(&error);
            return ExitCode::FAILURE;
        }
    };
    if let Some(name) = &asked.stories {
        return play(name);
    }
    let begun = Instant::now();
    let next = AtomicU64::new(asked.from);
    let threads = std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
    let sums: Vec<Sum> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&asked, &next))).collect();
        workers.into_iter().filter_map(|it| it.join().ok()).collect()
    });
    let whole = sums.len() == threads;
    let mut total = Sum::default();
    for it in &sums {
        total.add(it);
    }
    let Count { made, ran, stopped, replayed, requests, drained, rollouts, trips, sounded, found } =
        total.count;
    say(&format!(
        "{} seeds, {} steps in {:.1} s: {made} tasks made, {ran} ran, {stopped} stopped, {replayed} answers to tokens; {requests} requests balanced, {drained} targets drained; {rollouts} rollouts, {trips} breakers tripped, {sounded} deployments ended by alarms; {found} tasks found by name; {} seeds failed",
        asked.seeds,
        total.steps,
        begun.elapsed().as_secs_f64(),
        total.failed,
    ));
    if total.failed == 0 && whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays stories; of a single one every line is told.
fn play(name: &str) -> ExitCode {
    let mut chosen: Vec<_> = Story::ALL.to_vec();
    chosen.retain(|it| name == ALL || it.name == name);
    if let Ok(text) = std::fs::read_to_string(name) {
        // A story that is being written; it lives as long as the process.
        chosen.push(Story { name: name.to_owned().leak(), text: text.leak() });
    }
    let follow = (name != ALL).then_some(say as fn(&str));
    let failures: Vec<_> = chosen.iter().filter_map(|it| it.play(follow).err()).collect();
    for failure in &failures {
        say(failure);
    }
    say(&format!("{} stories, {} failed", chosen.len(), failures.len()));
    if failures.is_empty() && !chosen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Sum {
    steps: u64,
    failed: u64,
    count: Count,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.failed += other.failed;
        self.count.made += other.count.made;
        self.count.ran += other.count.ran;
        self.count.stopped += other.count.stopped;
        self.count.replayed += other.count.replayed;
        self.count.requests += other.count.requests;
        self.count.drained += other.count.drained;
        self.count.rollouts += other.count.rollouts;
        self.count.trips += other.count.trips;
        self.count.sounded += other.count.sounded;
        self.count.found += other.count.found;
    }
}

fn work(asked: &Asked, next: &AtomicU64) -> Sum {
    let mut sum = Sum::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= asked.from + asked.seeds {
            return sum;
        }
        let follow = asked.follow.then_some(say as fn(&str));
        let outcome = sim::run(Options { seed, steps: asked.steps, plant: None, follow });
        sum.add(&Sum {
            steps: outcome.steps,
            failed: u64::from(outcome.failure.is_some()),
            count: outcome.count,
        });
        report(seed, asked, &outcome);
    }
}

fn report(seed: u64, asked: &Asked, outcome: &Outcome) {
    if asked.follow {
        say(&format!("hash {:016x} after {} steps", outcome.hash, outcome.steps));
    }
    let Some((violation, tail)) = &outcome.failure else { return };
    let tail = if asked.follow { String::new() } else { tail.join("\n") };
    say(&format!(
        "{tail}\nseed {seed}, step {}: {:?}: {}\nreplay: cargo run --release -p sim -- --seed {seed} --steps {}\n",
        outcome.steps, violation.invariant, violation.detail, asked.steps,
    ));
}
