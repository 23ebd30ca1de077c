//! Waiting: for processes that end, and for the kernel to finish something.

use std::fs;

use rustix::event::Timespec;

/// Longest single pause, in milliseconds.
const PAUSE_LIMIT_MS: i64 = 50;

/// Waits a little, longer with each attempt: 1, 2, 4, … 50 ms. For states of the kernel that
/// nothing announces, such as a version 1 control group becoming empty.
pub(crate) fn pause(attempt: u32) {
    let milliseconds = 1_i64.checked_shl(attempt).unwrap_or(PAUSE_LIMIT_MS).min(PAUSE_LIMIT_MS);
    let wait = Timespec { tv_sec: 0, tv_nsec: milliseconds.max(1) * 1_000_000 };
    let _ = rustix::event::poll(&mut [], Some(&wait));
}

/// Whether a process is gone or only waits for its parent to take note of its end.
pub(crate) fn is_dead(pid: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The name is in parentheses and may hold anything, so the state is behind the last one.
    let state = text.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_none_or(|it| it.starts_with(['Z', 'X']))
}
