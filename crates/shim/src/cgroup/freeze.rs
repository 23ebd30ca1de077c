//! Everything in a control group standing still, and going on.

use std::fs;
use std::io;

use super::{Group, Hierarchies};
use crate::wait;

/// How often is looked whether the kernel has got hold of every process; with [`wait::pause`] about
/// two seconds.
const ATTEMPTS: u32 = 60;

/// Lets nothing in a control group and below it have time of the processor any more. It can be killed
/// all the same. Fine if it stands still already, or there is no such group.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] if the machine has no version 2 tree; if the path is not a plain
/// one, or some process cannot be stopped at the moment.
pub fn freeze_control_group(path: &str) -> io::Result<()> {
    let hierarchies = Hierarchies::detect()?;
    if hierarchies.v2.is_none() {
        let text = "this machine has no control groups of version 2, which freeze processes";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let group = Group::new(&hierarchies, path)?;
    match group.set_frozen("1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    for attempt in 0..ATTEMPTS {
        if group.is_frozen()? {
            return Ok(());
        }
        wait::pause(attempt);
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "processes do not stand still"))
}

/// Takes [`freeze_control_group`] back. Fine if there is no such group.
///
/// # Errors
///
/// If there are no control groups, or the path is not a plain one.
pub fn thaw_control_group(path: &str) -> io::Result<()> {
    match Group::new(&Hierarchies::detect()?, path)?.set_frozen("0") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Group {
    fn set_frozen(&self, word: &str) -> io::Result<()> {
        fs::write(self.unified()?.join("cgroup.freeze"), word)
    }

    fn is_frozen(&self) -> io::Result<bool> {
        let events = fs::read_to_string(self.unified()?.join("cgroup.events"))?;
        Ok(events.lines().any(|it| it == "frozen 1"))
    }
}
