//! Stories: readable scripts over the simulated world, with faults at exact points.
//!
//! A story is a text of one sentence a line; `#` begins a comment, and the comment at its head says
//! what it is about. Sentences either do something ([`deeds`]), look at something ([`facts`]) or
//! wait:
//!
//! | sentence | meaning |
//! |---|---|
//! | `machines 2` | machines 0 and 1, with 1,024 CPU units and 2,048 MiB, in the zones a, b, c |
//! | `a = RunTask {…}` | a client sends a request; `$a.0` stands for the first task of its answer, `$m0` for the container instance of machine 0 |
//! | `b = again a` | a client sends the same request |
//! | `a answers 2 tasks 0 failures` | waits for the answer, which is a success with so many |
//! | `wait 20s` | time passes |
//! | `balancers 2` | balancers `b0` and `b1` are there from the start |
//! | `send r to b0 for 5s` | a request that takes so long comes to a balancer |
//! | `service web runs 2 tasks` | so many of its tasks run and are to run; also `has 2 tasks`, `is steady`, `is INACTIVE`, `says …`, `is of small` |
//! | `until FACT within 20s` | waits for something to be so |
//! | `FACT` | is so now |
//!
//! Everything that must hold of random runs is checked after each step of a story too, and at its
//! end the world must settle.

mod balancing;
mod deeds;
mod facts;
mod services;

use std::collections::BTreeMap;

use crate::balancing::BalancerId;
use crate::event::{CallId, Reply};
use crate::machine::Machine;
use crate::plant::Plant;
use crate::swarm::Swarm;
use crate::trace::Trace;
use crate::world::World;

/// How long the world may take to settle after the last sentence, in milliseconds.
const SETTLES_WITHIN: u64 = 40 * 60 * 1_000;
/// How often waiting sentences look, in milliseconds.
const LOOK_EVERY: u64 = 200;
/// Steps between two looks at everything.
const CHECK_EVERY: u64 = 8;

/// The sentence of a story whose journal lies in files on a simulated disk.
const FILES: &str = "journal in files";

/// How the sentence begins that says how many balancers there are; they are there from the start.
const BALANCERS: &str = "balancers ";

/// A story: its name and its text.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    /// The name of its file.
    pub name: &'static str,
    /// What happens in it.
    pub text: &'static str,
}

macro_rules! stories {
    ($($name:literal)*) => {
        &[$(Story { name: $name, text: include_str!(concat!("../stories/", $name, ".txt")) }),*]
    };
}

impl Story {
    /// All of them.
    pub const ALL: &[Self] = stories! {
        "addresses-come-back"
        "addresses-of-the-lost"
        "agent-away-while-container-ends"
        "agent-restarts-during-pull"
        "answer-lost"
        "balancer-cut-off-while-draining"
        "balancer-restarts-alone"
        "clock-back"
        "clock-forward"
        "crash-before-durable"
        "crash-when-durable"
        "deregister-force-with-many"
        "disk-full"
        "disk-lost"
        "draining"
        "first-registration-late-again"
        "frozen-agent"
        "frozen-for-long"
        "gpus-are-pinned"
        "group-changed-under-requests"
        "late-copy"
        "lost-and-back-in-time"
        "lost-and-back-too-late"
        "mass-loss"
        "newer-release"
        "older-agent"
        "partial-success-replayed"
        "reboot"
        "region-away-for-long"
        "registers-late-again"
        "report-repeated"
        "request-lost"
        "same-request-in-other-words"
        "second-machine"
        "service-a-hundred-percent"
        "service-alarms"
        "service-bad-version"
        "service-balancing-blocked"
        "service-classic"
        "service-constrained"
        "service-daemon"
        "service-daemon-first"
        "service-daemon-no-room"
        "service-definition-deregistered"
        "service-drain"
        "service-lost-instance"
        "service-needs-listener"
        "service-rebalanced"
        "service-singleton"
        "service-singleton-overlaps"
        "service-slow-requests"
        "service-static-port"
        "service-unbalanced"
        "stop-before-start"
        "stopped-during-pull"
        "sync-fails"
        "token-conflict-after-stop"
        "two-at-once"
        "two-network-modes"
        "write-cut"
        "write-without-space"
    };

    /// Plays it; what goes wrong, with the line and the way to see it again.
    ///
    /// # Errors
    ///
    /// What went wrong, as a text for people.
    pub fn play(self, follow: Option<fn(&str)>) -> Result<(), String> {
        self.play_with(None, follow)
    }

    /// The same with a bug in it.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn play_with(self, plant: Option<Plant>, follow: Option<fn(&str)>) -> Result<(), String> {
        let lines = self.text.lines().enumerate();
        let mut sentences = lines.filter_map(|(number, line)| {
            let line = line.split('#').next().unwrap_or_default().trim();
            (!line.is_empty()).then_some((number + 1, line))
        });
        let files = self.text.lines().any(|it| it == FILES);
        let balancers = self.text.lines().find_map(|it| it.strip_prefix(BALANCERS)?.parse().ok());
        let mut stage = Stage::new(files, balancers.unwrap_or(0), plant, follow);
        let begun = stage.pass(1_000);
        let mut play = |(number, line): (usize, &str)| {
            stage.world.say(format_args!("story: {line}"));
            stage.sentence(line).map_err(|why| format!("line {number}: `{line}`: {why}"))
        };
        let played = begun.and_then(|()| sentences.try_for_each(&mut play));
        played.and_then(|()| stage.end()).map_err(|why| {
            let tail =
                if follow.is_none() { stage.world.trace.tail().join("\n") } else { String::new() };
            let name = self.name;
            format!(
                "{tail}\nstory {name}, {why}\nreplay: cargo run --release -p sim -- --story {name}"
            )
        })
    }
}

/// A request of the story.
#[derive(Debug, Clone)]
struct Asked {
    operation: &'static str,
    body: String,
    variant: u64,
    call: CallId,
}

/// A world with a story going on in it.
struct Stage {
    world: World,
    asked: BTreeMap<String, Asked>,
    /// Requests to load balancers, by their labels: the balancer and the number.
    sent: BTreeMap<String, (BalancerId, u64)>,
    steps: u64,
}

impl Stage {
    fn new(files: bool, balancers: u32, plant: Option<Plant>, follow: Option<fn(&str)>) -> Self {
        let swarm = Swarm { files, balancers, ..Swarm::calm(0) };
        let mut world = World::of(swarm, 0, plant, Trace::new(follow));
        world.healing = true;
        world.heal_balancing();
        world.orders.stay_down = true;
        world.clients.answers = Some(BTreeMap::new());
        Self { world, asked: BTreeMap::new(), sent: BTreeMap::new(), steps: 0 }
    }

    fn sentence(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["wait", time] => self.pass(milliseconds(time)?),
            ["until", fact @ .., "within", time] => self.until(fact, milliseconds(time)?),
            [label, "answers", rest @ ..] => {
                self.heard(label)?;
                self.must(&[&[*label, "answers"], rest].concat())
            }
            [label, "conflicts", ..] | [label, "is", "refused" | "unanswered", ..] => {
                self.heard(label)?;
                self.must(&words)
            }
            _ if self.balancing_deed(&words)? => Ok(()),
            _ => match self.deed(line, &words)? {
                true => Ok(()),
                false => self.must(&words),
            },
        }
    }

    /// Something must be so now.
    fn must(&mut self, fact: &[&str]) -> Result<(), String> {
        match self.fact(fact)? {
            None => Ok(()),
            Some(instead) => Err(format!("it is not so: {instead}")),
        }
    }

    fn until(&mut self, fact: &[&str], within: u64) -> Result<(), String> {
        let end = self.world.agenda.now() + within;
        loop {
            match self.fact(fact)? {
                None => return Ok(()),
                Some(instead) if self.world.agenda.now() >= end => {
                    return Err(format!("it is not so in time: {instead}"));
                }
                Some(_) => self.pass(LOOK_EVERY)?,
            }
        }
    }

    /// Waits for the answer to a request, or until its client gives up.
    fn heard(&mut self, label: &str) -> Result<(), String> {
        while self.answer(label)?.is_none() {
            self.pass(LOOK_EVERY)?;
        }
        Ok(())
    }

    fn answer(&self, label: &str) -> Result<Option<&Reply>, String> {
        let asked = self.asked.get(label).ok_or_else(|| format!("nobody asked for '{label}'"))?;
        let answers = self.world.clients.answers.as_ref();
        Ok(answers.and_then(|it| it.get(&asked.call)))
    }

    /// Time passes, and what is due happens.
    fn pass(&mut self, wait: u64) -> Result<(), String> {
        let end = self.world.agenda.now() + wait;
        while self.world.agenda.due().is_some_and(|at| at <= end) {
            let stepped = self.world.step().and_then(|_| {
                self.steps += 1;
                self.world.check_step()?;
                if self.steps.is_multiple_of(CHECK_EVERY) { self.world.check_all() } else { Ok(()) }
            });
            stepped.map_err(|it| format!("{:?}: {}", it.invariant, it.detail))?;
        }
        self.world.agenda.wait_until(end);
        Ok(())
    }

    /// After the last sentence everybody comes back, and the world settles.
    fn end(&mut self) -> Result<(), String> {
        let wrong = |it: crate::Violation| format!("at the end: {:?}: {}", it.invariant, it.detail);
        self.world.orders.stay_down = false;
        self.world.orders.pulls = None;
        self.wake_everybody();
        self.world.heal().map_err(wrong)?;
        let end = self.world.agenda.now() + SETTLES_WITHIN;
        while let Some(unsettled) = self.world.unsettled() {
            if self.world.agenda.now() > end {
                return Err(format!("at the end: Convergence: {unsettled}"));
            }
            self.world.rejoin().map_err(wrong)?;
            self.pass(LOOK_EVERY * 10).map_err(|it| format!("at the end: {it}"))?;
        }
        self.world.check_all().and_then(|()| self.world.check_rows()).map_err(wrong)
    }

    /// The machine of a number, as `m0` or `0`.
    fn machine(&self, word: &str) -> Result<&Machine, String> {
        let number = word.trim_start_matches('m').parse().ok();
        let machine = number.and_then(|it: u32| self.world.machines.get(&it));
        machine.ok_or_else(|| format!("there is no machine {word}"))
    }
}

/// `200ms`, `20s`, `5m` or `2h` in milliseconds.
fn milliseconds(word: &str) -> Result<u64, String> {
    let digits = word.find(|it: char| !it.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("'{word}' is no time")),
    };
    number.parse::<u64>().map(|it| it * factor).map_err(|_| format!("'{word}' is no time"))
}
