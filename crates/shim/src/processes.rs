//! Processes of this program, found by their command lines: the last way to find one that no
//! folder and no control group names any more.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
pub use rustix::process::{Pid, Signal};
use rustix::process::{PidfdFlags, geteuid, getpid, pidfd_open, pidfd_send_signal};

/// A process, kept by a descriptor: its number may come to mean another, this does not.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// Opens the process with this number; `None` if it has ended.
    pub fn open(process: Pid) -> Option<Self> {
        pidfd_open(process, PidfdFlags::empty()).ok().map(Self)
    }

    /// Sends it a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        // It may have ended already; then there is nobody to tell.
        let _ = pidfd_send_signal(&self.0, signal);
    }

    /// Waits for its end, at most so long; whether it has ended.
    pub fn ends_within(&self, limit: Duration) -> bool {
        let Ok(limit) = Timespec::try_from(limit) else { return false };
        let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut ready, Some(&limit)).is_ok_and(|count| count > 0)
    }
}

/// Other processes of this user whose words after the program's name mean something to `read`,
/// with what they mean.
pub fn find<T>(read: impl Fn(&[String]) -> Option<T>) -> Vec<(T, Process)> {
    let own = getpid();
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|it| Pid::from_raw(it.file_name().to_str()?.parse().ok()?));
    numbers
        .filter(|it| *it != own)
        .filter_map(|it| {
            words(it).and_then(|words| read(&words))?;
            let process = Process::open(it)?;
            // Read again: before it was opened the number may have gone to another.
            let found = words(it).and_then(|words| read(&words))?;
            Some((found, process))
        })
        .collect()
}

/// Shims of tasks whose folders are this one or below it, and processes that a shim has made
/// and that have not executed anything yet; with the folders.
pub fn shims_below(folder: &Path) -> Vec<(PathBuf, Process)> {
    find(|words| match words {
        [shim, flag, dir, ..] if shim == "shim" && flag == "--dir" => {
            Some(PathBuf::from(dir)).filter(|it| it.starts_with(folder))
        }
        _ => None,
    })
}

/// The words after the program's name, of a process of this user.
fn words(process: Pid) -> Option<Vec<String>> {
    let folder = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    if fs::metadata(&folder).ok()?.uid() != geteuid().as_raw() {
        return None;
    }
    let line = fs::read(folder.join("cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line);
    Some(line.split_terminator('\0').skip(1).map(str::to_owned).collect())
}
