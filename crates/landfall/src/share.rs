//! What this machine has for tasks, and each instance's share of it.

use std::fs;

use anyhow::{Context as _, bail};
use types::{Cpu, MemoryMib};

/// CPU units of one processor.
const UNITS_OF_PROCESSOR: u32 = 1024;
/// What is kept for the system, the control plane and the agents: this part of the memory, …
const RESERVE_PART: u32 = 16;
/// … but at least so much.
const RESERVE_MIN: MemoryMib = MemoryMib(256);
/// An instance with less could run next to nothing.
const MEMORY_MIN: MemoryMib = MemoryMib(64);

/// CPU and memory, of a machine or of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) cpu: Cpu,
    pub(crate) memory: MemoryMib,
}

/// What somebody asked for instead of a fair share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) cpu: Option<u32>,
    pub(crate) memory: Option<u32>,
}

impl Share {
    /// Everything this machine has.
    pub(crate) fn of_machine() -> anyhow::Result<Self> {
        let processors = std::thread::available_parallelism().context("cannot count processors")?;
        let processors = u32::try_from(processors.get()).unwrap_or(u32::MAX);
        let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
        let memory = memory_total(&text).context("/proc/meminfo does not say how much there is")?;
        Ok(Self { cpu: Cpu(processors.saturating_mul(UNITS_OF_PROCESSOR)), memory })
    }

    /// What each of so many instances has. Memory is divided, less a reserve for everything that is
    /// no task: two cannot use the same. CPU is not: each has all of it, and what several want at
    /// once is shared by weight.
    ///
    /// # Errors
    ///
    /// If so many instances would have next to no memory; what is asked for is not doubted.
    pub(crate) fn part(self, instances: u32, asked: Asked) -> anyhow::Result<Self> {
        let reserve = MemoryMib((self.memory.0 / RESERVE_PART).max(RESERVE_MIN.0));
        let part = self.memory.0.saturating_sub(reserve.0) / instances.max(1);
        let memory = asked.memory.unwrap_or(part);
        if asked.memory.is_none() && memory < MEMORY_MIN.0 {
            bail!(
                "--instances {instances}: {} MiB, less {} for the system, are {memory} for each: \
                 run fewer, or say more with --instance-memory",
                self.memory.0,
                reserve.0
            );
        }
        Ok(Self { cpu: asked.cpu.map_or(self.cpu, Cpu), memory: MemoryMib(memory) })
    }
}

fn memory_total(text: &str) -> Option<MemoryMib> {
    let total = text.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    let kib = total.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?;
    u32::try_from(kib / 1024).ok().map(MemoryMib)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Share = Share { cpu: Cpu(8192), memory: MemoryMib(32_768) };

    #[test]
    fn instances_together_never_have_more_memory_than_the_machine_less_its_reserve() {
        for count in 1..=200 {
            let part = MACHINE.part(count, Asked::default()).expect("a share");
            assert!(part.memory.0 * count <= 32_768 - 2048, "{count}");
        }
        let three = MACHINE.part(3, Asked::default()).expect("a share");
        assert_eq!(three, Share { cpu: Cpu(8192), memory: MemoryMib(10_240) });
    }

    #[test]
    fn a_task_of_one_processor_fits_an_instance_of_three_on_two_processors() {
        let small = Share { cpu: Cpu(2048), memory: MemoryMib(4096) };
        assert!(small.part(3, Asked::default()).expect("a share").cpu >= Cpu(1024));
    }

    #[test]
    fn small_machines_keep_a_quarter_gibibyte_for_the_system() {
        let small = Share { cpu: Cpu(1024), memory: MemoryMib(1024) };
        let part = small.part(3, Asked::default()).expect("a share");
        assert_eq!(part, Share { cpu: Cpu(1024), memory: MemoryMib(256) });
    }

    #[test]
    fn what_is_asked_for_is_not_doubted_and_next_to_nothing_is_refused() {
        for asked in [(20_000, 100_000), (100, 1)] {
            let (cpu, memory) = asked;
            let part = MACHINE.part(3, Asked { cpu: Some(cpu), memory: Some(memory) });
            let expected = Share { cpu: Cpu(cpu), memory: MemoryMib(memory) };
            assert_eq!(part.expect("a share"), expected);
        }
        let refused = MACHINE.part(10_000, Asked::default()).expect_err("too many").to_string();
        assert!(refused.contains("--instance-memory"), "{refused}");
    }

    #[test]
    fn the_memory_of_a_machine_is_read_in_mebibytes() {
        assert_eq!(
            memory_total("MemTotal:   24683212 kB\nMemFree: 1 kB\n"),
            Some(MemoryMib(24_104))
        );
        assert_eq!(memory_total("MemFree: 1 kB\n"), None);
    }
}
