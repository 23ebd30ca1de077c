//! What commands say: data on standard output, progress on standard error.

use std::io::{self, Write as _};
use std::process::exit;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use shapes::{Shape, json};

/// Writes data. A reader that has seen enough (`landfall ps | head -1`) ends the command well.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit(0),
        written => written.context("cannot write to standard output"),
    }
}

/// Whether somebody still reads. A command that waits for something to write asks this, because
/// otherwise it would learn of it with its next line only, which may never come.
pub(super) fn is_read() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    match poll(&mut asked, Some(&Timespec::default())) {
        Ok(_) => !asked.iter().any(|it| it.revents().intersects(gone)),
        // Nothing was learnt, so nothing has changed.
        Err(_) => true,
    }
}

/// Writes one JSON document.
pub(super) fn print_json(value: &Value) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Progress and advice; nobody has to listen.
pub(crate) fn say(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// A shape as the wire has it.
pub(super) fn value(shape: &dyn Shape) -> Value {
    serde_json::from_slice(&json::encode(shape)).unwrap_or_default()
}
