//! Reading counters, in the words of both versions.

use std::fs;
use std::io;
use std::path::Path;

use super::{Group, Version};
use crate::protocol::Stats;

/// Limits from here on mean "none": version 1 shows a page-aligned maximum.
const NO_LIMIT: u64 = 1 << 62;

impl Group {
    /// The group's counters. What a kernel does not count reads as zero.
    pub(crate) fn stats(&self) -> io::Result<Stats> {
        match self.hierarchies.version {
            Version::Unified => self.unified().map(|it| stats_unified(&it)),
            _ => self.stats_legacy(),
        }
    }

    /// How many processes of the group the kernel has killed for lack of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let file = match self.hierarchies.version {
            Version::Unified => self.unified().map(|it| it.join("memory.events")),
            _ => self.legacy("memory").map(|it| it.join("memory.oom_control")),
        };
        let text = file.and_then(fs::read_to_string).unwrap_or_default();
        field(&text, "oom_kill")
    }

    fn stats_legacy(&self) -> io::Result<Stats> {
        let memory = self.legacy("memory")?;
        let detail = fs::read_to_string(memory.join("memory.stat")).unwrap_or_default();
        let io = self.legacy("blkio").map(|it| it.join("blkio.throttle.io_service_bytes"));
        let io = io.and_then(fs::read_to_string).unwrap_or_default();
        let used = number(&memory, "memory.usage_in_bytes");
        Ok(Stats {
            cpu_ns: number(&self.legacy("cpuacct")?, "cpuacct.usage"),
            memory_bytes: used.saturating_sub(field(&detail, "total_inactive_file")),
            memory_limit_bytes: limit(number(&memory, "memory.limit_in_bytes")),
            pids: number(&self.legacy("pids")?, "pids.current"),
            read_bytes: sum_legacy(&io, "Read"),
            write_bytes: sum_legacy(&io, "Write"),
        })
    }
}

fn stats_unified(folder: &Path) -> Stats {
    let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let io = text("io.stat");
    let inactive = field(&text("memory.stat"), "inactive_file");
    Stats {
        cpu_ns: field(&text("cpu.stat"), "usage_usec").saturating_mul(1_000),
        memory_bytes: number(folder, "memory.current").saturating_sub(inactive),
        memory_limit_bytes: text("memory.max").trim().parse().ok(),
        pids: number(folder, "pids.current"),
        read_bytes: sum_unified(&io, "rbytes="),
        write_bytes: sum_unified(&io, "wbytes="),
    }
}

fn number(folder: &Path, file: &str) -> u64 {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn limit(bytes: u64) -> Option<u64> {
    (bytes < NO_LIMIT).then_some(bytes)
}

/// The number behind a name in lines of `name number`.
fn field(text: &str, name: &str) -> u64 {
    let values = text.lines().filter_map(|line| line.split_once(' '));
    let mut values = values.filter(|(it, _)| *it == name);
    values.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

/// Sums lines of `major:minor Operation bytes`.
fn sum_legacy(text: &str, operation: &str) -> u64 {
    let numbers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == operation).then(|| words.next()?.parse::<u64>().ok()).flatten()
    });
    numbers.sum()
}

/// Sums words of `key=bytes`.
fn sum_unified(text: &str, key: &str) -> u64 {
    let words = text.split_whitespace().filter_map(|it| it.strip_prefix(key));
    words.filter_map(|it| it.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_both_versions_are_read() {
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"), 3);
        assert_eq!(field("", "oom_kill"), 0);
        let legacy = "254:0 Read 10\n254:0 Write 5\n254:16 Read 1\nTotal 16\n";
        assert_eq!((sum_legacy(legacy, "Read"), sum_legacy(legacy, "Write")), (11, 5));
        let unified = "254:0 rbytes=10 wbytes=5 rios=1\n254:16 rbytes=1 wbytes=0\n";
        assert_eq!((sum_unified(unified, "rbytes="), sum_unified(unified, "wbytes=")), (11, 5));
        assert_eq!(limit(9_223_372_036_854_771_712), None);
    }
}
