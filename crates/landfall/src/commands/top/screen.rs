//! A terminal that is drawn anew again and again, and put back as it was.

use std::io::{self, Write as _};

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The other screen of the terminal, without a cursor; and back.
const OPEN: &str = "\x1b[?1049h\x1b[?25l";
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner; the rest of this line, and everything below, is cleared.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\r\n";
const CLEAR_BELOW: &str = "\x1b[J";

/// What a terminal has that does not say.
const ROWS: usize = 24;
const COLUMNS: usize = 80;

/// The terminal while it is ours. Dropping gives it back.
pub(super) struct Screen {
    before: Termios,
}

impl Screen {
    /// Takes the terminal: keys are read as they are pressed and are not shown.
    pub(super) fn open() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("the terminal cannot be asked")?;
        let mut ours = before.clone();
        ours.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &ours)
            .context("the terminal cannot be set")?;
        let screen = Self { before };
        write(OPEN)?;
        Ok(screen)
    }

    /// Shows a text on the terminal, as much of it as fits.
    pub(super) fn show(text: &str) -> anyhow::Result<()> {
        let size = tcgetwinsize(io::stdout()).context("the terminal cannot be asked")?;
        // Some terminals do not know their size.
        let known = |it: u16, usual| if it == 0 { usual } else { usize::from(it) };
        write(&page(text, known(size.ws_row, ROWS), known(size.ws_col, COLUMNS)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing back.
        drop(write(CLOSE));
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// The text as the terminal gets it: cut to its size.
fn page(text: &str, rows: usize, columns: usize) -> String {
    let lines = text.lines().take(rows.saturating_sub(1));
    let cut = lines.map(|it| it.chars().take(columns).collect::<String>() + CLEAR_LINE);
    format!("{HOME}{}{CLEAR_BELOW}", cut.collect::<Vec<_>>().concat())
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("the terminal is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_to_the_terminal() {
        let shown = page("one line\nsecond\nthird\n", 3, 5);
        assert_eq!(shown, format!("{HOME}one l{CLEAR_LINE}secon{CLEAR_LINE}{CLEAR_BELOW}"));
        assert_eq!(page("", 0, 0), format!("{HOME}{CLEAR_BELOW}"));
    }
}
