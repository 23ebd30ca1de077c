//! What happened, as lines: a rolling hash of all, and the last ones for people.

use core::fmt;
use std::collections::VecDeque;

/// Lines kept for a failure's report.
const KEPT: usize = 60;

/// The story of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    last: VecDeque<String>,
    follow: Option<fn(&str)>,
}

impl Trace {
    /// An empty story; each line also goes to `follow`.
    pub(crate) fn new(follow: Option<fn(&str)>) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, last: VecDeque::new(), follow }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, now: u64, what: fmt::Arguments<'_>) {
        let mut text = if self.last.len() < KEPT {
            String::with_capacity(96)
        } else {
            self.last.pop_front().unwrap_or_default()
        };
        text.clear();
        let (seconds, rest) = (now / 1000, now % 1000);
        fmt::write(&mut text, format_args!("{seconds:>7}.{rest:03}s {what}"))
            .expect("memory takes any text");
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(follow) = self.follow {
            follow(&text);
        }
        self.last.push_back(text);
    }

    /// The hash of all lines so far (FNV-1a).
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
