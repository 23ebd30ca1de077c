//! Writing limits, in the words of both versions.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::spec::Limits;

/// Bounds of CPU shares, as the kernel and ECS have them (handbook 3.3).
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// Version 1: one folder for each controller.
pub(super) fn apply_legacy(
    folder: impl Fn(&str) -> io::Result<PathBuf>,
    limits: &Limits,
) -> io::Result<()> {
    let set =
        |controller: &str, file: &str, value: String| write(&folder(controller)?, file, &value);
    if let Some(shares) = limits.cpu_shares {
        set("cpu", "cpu.shares", clamp_shares(shares).to_string())?;
    }
    if let Some(quota) = limits.cpu_quota {
        set("cpu", "cpu.cfs_period_us", quota.period_us.to_string())?;
        set("cpu", "cpu.cfs_quota_us", quota.quota_us.to_string())?;
    }
    if let Some(bytes) = limits.memory_bytes {
        set("memory", "memory.limit_in_bytes", bytes.to_string())?;
    }
    if let Some(bytes) = limits.memory_reservation_bytes {
        set("memory", "memory.soft_limit_in_bytes", bytes.to_string())?;
    }
    if let (Some(memory), Some(swap)) = (limits.memory_bytes, limits.swap_bytes) {
        let both = memory.saturating_add(swap).to_string();
        skip_missing(set("memory", "memory.memsw.limit_in_bytes", both))?;
    }
    if let Some(swappiness) = limits.swappiness {
        set("memory", "memory.swappiness", swappiness.to_string())?;
    }
    if let Some(pids) = limits.pids {
        set("pids", "pids.max", pids.to_string())?;
    }
    Ok(())
}

/// Version 2: one folder for all controllers.
pub(super) fn apply_unified(folder: &Path, limits: &Limits) -> io::Result<()> {
    if let Some(shares) = limits.cpu_shares {
        write(folder, "cpu.weight", &weight(shares).to_string())?;
    }
    if let Some(quota) = limits.cpu_quota {
        write(folder, "cpu.max", &format!("{} {}", quota.quota_us, quota.period_us))?;
    }
    if let Some(bytes) = limits.memory_bytes {
        write(folder, "memory.max", &bytes.to_string())?;
    }
    if let Some(bytes) = limits.memory_reservation_bytes {
        write(folder, "memory.low", &bytes.to_string())?;
    }
    if let Some(swap) = limits.swap_bytes {
        skip_missing(write(folder, "memory.swap.max", &swap.to_string()))?;
    }
    if let Some(pids) = limits.pids {
        write(folder, "pids.max", &pids.to_string())?;
    }
    Ok(())
}

/// Shares within the kernel's bounds.
fn clamp_shares(shares: u64) -> u64 {
    shares.clamp(*SHARES.start(), *SHARES.end())
}

/// Shares (2 to 262,144) as a version 2 weight (1 to 10,000).
///
/// Source: the linear conversion that OCI runtimes share ("cgroup v2", runc documentation).
fn weight(shares: u64) -> u64 {
    1 + (clamp_shares(shares) - 2) * 9_999 / 262_142
}

/// A kernel without swap accounting has no such file, and then nothing to limit.
fn skip_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Opens without creating: to a file that the group has not got, the kernel says with that flag
/// that permission is denied.
fn write(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(folder.join(file))
        .and_then(|mut it| it.write_all(value.as_bytes()))
        .map_err(|error| io::Error::new(error.kind(), format!("{file} = {value}: {error}")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{apply_unified, weight};
    use crate::spec::Limits;

    #[test]
    fn shares_become_weights_over_the_whole_range() {
        let pairs = [(0, 1), (2, 1), (1024, 39), (262_144, 10_000), (u64::MAX, 10_000)];
        for (shares, expected) in pairs {
            assert_eq!(weight(shares), expected, "{shares}");
        }
    }

    #[test]
    fn a_group_without_swap_accounting_takes_the_other_limits() {
        let group = tempfile::tempdir().expect("folder");
        let at = |file: &str| group.path().join(file);
        fs::write(at("memory.max"), "max").expect("writes");
        let limits = Limits { memory_bytes: Some(4_096), swap_bytes: Some(0), ..Limits::default() };
        apply_unified(group.path(), &limits).expect("applied");
        assert_eq!(fs::read_to_string(at("memory.max")).expect("read"), "4096");
        assert!(!at("memory.swap.max").exists(), "nothing is made up");
    }

    #[test]
    fn a_limit_without_its_controller_is_refused_as_missing() {
        let group = tempfile::tempdir().expect("folder");
        let limits = Limits { cpu_shares: Some(2), ..Limits::default() };
        let error = apply_unified(group.path(), &limits).expect_err("refused");
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
