//! Runs seeds and stories: see [`HELP`].

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sim::{Count, Kind, Options, Outcome, Story, Trial};

/// Events of the phase with faults, if nothing else is said.
const STEPS: u64 = 2_000;

/// What it can be asked.
const HELP: &str = "\
The control plane, its agents and balancers in one thread on made-up time, under every fault that
can happen. A seed draws everything, so that one command replays any run.

  sim                        1,000 seeds on all cores, and how often each promise was put to the test
  sim --seeds N --from M     N seeds beginning with M: others have been run before
  sim --seed N               one seed, with every line of what happens in it
  sim --steps N              so many events before faults end (2,000); more is a longer life
  sim --kind KIND            every world is of that kind, whatever its seed would draw:
                             services, names, zones, balancers or fronts
  sim --stories              all stories; each is a sharp edge with faults at exact points
  sim --story NAME|FILE      one story, with every line of what happens in it

A seed that fails shows the last lines of its story, the promise that was broken and how, and the
command that replays it. The promises are in crates/sim/src/violation.rs. Ends with status 1 if
anything failed.";

#[derive(Debug, Clone, Copy)]
struct Asked {
    from: u64,
    seeds: u64,
    steps: u64,
    kind: Option<(&'static str, Kind)>,
    follow: bool,
}

/// What somebody wants.
enum Wish {
    Help,
    Seeds(Asked),
    /// One story by its name, or all.
    Stories(String),
}

/// All stories.
const ALL: &str = "all";

fn wish() -> Result<Wish, String> {
    let mut asked = Asked { from: 0, seeds: 1_000, steps: STEPS, kind: None, follow: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or_else(|| format!("{word} wants a word behind it"));
        let number =
            |text: String| text.parse().map_err(|_| format!("{word} wants a number, not '{text}'"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--stories" => return Ok(Wish::Stories(ALL.to_owned())),
            "--story" => return next().map(Wish::Stories),
            "--seed" => {
                asked.from = number(next()?)?;
                (asked.seeds, asked.follow) = (1, true);
            }
            "--seeds" => asked.seeds = number(next()?)?,
            "--from" => asked.from = number(next()?)?,
            "--steps" => asked.steps = number(next()?)?,
            "--kind" => {
                let name = next()?;
                let kind = Kind::ALL.into_iter().find(|it| it.0 == name);
                asked.kind = Some(kind.ok_or_else(|| format!("there is no kind '{name}'"))?);
            }
            _ => return Err(format!("unknown word '{word}'")),
        }
    }
    Ok(Wish::Seeds(asked))
}

fn say(text: &str) {
    // Whoever closed our output does not want to hear of it.
    drop(writeln!(std::io::stdout(), "{text}"));
}

fn main() -> ExitCode {
    match wish() {
        Ok(Wish::Help) => {
            say(HELP);
            ExitCode::SUCCESS
        }
        Ok(Wish::Stories(name)) => play(&name),
        Ok(Wish::Seeds(asked)) => run_all(&asked),
        Err(error) => {
            say(&format!("{error}; --help tells what there is"));
            ExitCode::FAILURE
        }
    }
}

fn run_all(asked: &Asked) -> ExitCode {
    let begun = Instant::now();
    let next = AtomicU64::new(asked.from);
    let threads = std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
    let sums: Vec<Sum> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(asked, &next))).collect();
        workers.into_iter().filter_map(|it| it.join().ok()).collect()
    });
    let whole = sums.len() == threads;
    let mut total = Sum::default();
    for it in &sums {
        total.add(it);
    }
    let Count { made, ran, stopped, replayed, requests, drained, tried } = total.count;
    say("How often what is promised of services was put to the test:");
    for trial in Trial::ALL {
        say(&format!("{:>9} {}", tried.of(*trial), trial.text()));
    }
    say(&format!(
        "{} seeds, {} steps in {:.1} s: {made} tasks made, {ran} ran, {stopped} stopped, {replayed} answers to tokens; {requests} requests balanced, {drained} targets drained; {} seeds failed",
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
        self.count.add(&other.count);
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
        let kind = asked.kind.map(|it| it.1);
        let outcome = sim::run(Options { seed, steps: asked.steps, kind, plant: None, follow });
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
    let kind = asked.kind.map(|it| format!(" --kind {}", it.0)).unwrap_or_default();
    say(&format!(
        "{tail}\nseed {seed}, step {}: {:?}: {}\nreplay: cargo run --release -p sim -- --seed {seed} --steps {}{kind}\n",
        outcome.steps, violation.invariant, violation.detail, asked.steps,
    ));
}
