//! Lines that belong together become one event (`awslogs-multiline-pattern`,
//! `awslogs-datetime-format`).

use core::time::Duration;

use regex_lite::Regex;
use types::Timestamp;

use super::follow::Line;

/// An event that nothing was added to for so long is complete, as in Docker's driver.
const COMPLETE_AFTER: Duration = Duration::from_secs(5);
/// Largest event. Source: Amazon CloudWatch Logs quotas, event size with its overhead.
const BYTES_MAX: usize = 1_048_576 - super::EVENT_OVERHEAD;

/// Gathers lines into events; without a pattern every line is one.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    first_line: Option<Regex>,
    held: Option<Line>,
}

impl Gatherer {
    /// A new event begins at lines that match.
    pub(super) fn new(first_line: Option<Regex>) -> Self {
        Self { first_line, held: None }
    }

    /// Takes lines in; gives the events that are complete.
    pub(super) fn take(&mut self, lines: Vec<Line>) -> Vec<Line> {
        let Some(first_line) = &self.first_line else { return lines };
        let mut complete = Vec::new();
        for line in lines {
            match &mut self.held {
                Some(held)
                    if !first_line.is_match(&line.text)
                        && held.text.len() + 1 + line.text.len() <= BYTES_MAX =>
                {
                    held.text.push('\n');
                    held.text.push_str(&line.text);
                }
                held => complete.extend(held.replace(line)),
            }
        }
        complete
    }

    /// The event that was begun, if it is old enough to be complete.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Option<Line> {
        let due = |it: &mut Line| now.since(Timestamp(it.at)) >= COMPLETE_AFTER;
        self.held.take_if(due)
    }

    /// The event that was begun; nothing will be added.
    pub(super) fn finish(&mut self) -> Option<Line> {
        self.held.take()
    }

    /// Whether everything that was taken in has been given out.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |(at, text): (i64, &&str)| Line { at, text: (*text).to_owned() };
        (1..).zip(texts).map(line).collect()
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|it| it.text.as_str()).collect()
    }

    #[test]
    fn an_event_lasts_until_the_next_first_line() {
        let pattern = Regex::new("^INFO|^ERROR").expect("a pattern");
        let mut gatherer = Gatherer::new(Some(pattern));
        let first = gatherer.take(lines(&["early", "INFO a", "ERROR b", "  at c", "  at d"]));
        assert_eq!(texts(&first), ["early", "INFO a"]);
        assert!(!gatherer.is_empty());
        let second = gatherer.take(lines(&["  at e", "INFO f"]));
        assert_eq!(texts(&second), ["ERROR b\n  at c\n  at d\n  at e"]);
        assert_eq!(gatherer.overdue(Timestamp(5_001)), None);
        assert_eq!(gatherer.overdue(Timestamp(5_002)).map(|it| it.text), Some("INFO f".into()));
        assert!(gatherer.is_empty());
    }

    #[test]
    fn an_event_that_is_too_large_is_cut_between_lines() {
        let mut gatherer = Gatherer::new(Some(Regex::new("^never$").expect("a pattern")));
        let large = "x".repeat(BYTES_MAX - 1);
        let cut = gatherer.take(lines(&["a", &large, "b", "c"]));
        assert_eq!(cut.iter().map(|it| it.text.len()).collect::<Vec<_>>(), [1, BYTES_MAX - 1]);
        assert_eq!(gatherer.finish().map(|it| it.text), Some("b\nc".into()));
    }

    #[test]
    fn without_a_pattern_every_line_is_an_event() {
        let mut gatherer = Gatherer::default();
        assert_eq!(texts(&gatherer.take(lines(&["a", "  b"]))), ["a", "  b"]);
        assert!(gatherer.is_empty());
    }
}
