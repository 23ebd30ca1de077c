//! What a task definition says about `awslogs`, checked as Docker's driver checks it.
//!
//! `mode` and `max-buffer-size` change nothing here: output is buffered in files, so a container
//! never waits for the log store, and nothing is dropped for lack of memory.
//! Source: Docker documentation, "Amazon CloudWatch Logs logging driver".

use std::collections::BTreeMap;

use plan::agent::TaskSpec;
use plan::agent::spec::ContainerSpec;
use regex_lite::Regex;

/// Options that the driver knows. Those for the credentials and the address of a real CloudWatch
/// have no meaning for a region's own log store.
const KNOWN: [&str; 14] = [
    "awslogs-group",
    "awslogs-stream",
    "awslogs-region",
    "awslogs-create-group",
    "awslogs-create-stream",
    "awslogs-datetime-format",
    "awslogs-multiline-pattern",
    "awslogs-credentials-endpoint",
    "awslogs-endpoint",
    "awslogs-force-flush-interval-seconds",
    "awslogs-max-buffered-events",
    "mode",
    "max-buffer-size",
    "tag",
];

/// Where and how the output of a container is stored.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) group: String,
    pub(super) stream: String,
    /// The region that calls are signed for, if it is not the agent's own. Most regions answer to
    /// every name, so that this is where its reader will look.
    pub(super) region: Option<String>,
    pub(super) create: Create,
    /// What the first line of an event looks like; without it every line is one.
    pub(super) first_line: Option<Regex>,
}

/// Whether a missing group is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    Group,
    Nothing,
}

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in words for the task's reason.
    pub(super) fn of(spec: &TaskSpec, container: &ContainerSpec) -> Result<Self, String> {
        let options = &container.docker.log.options;
        let usual = || crate::machine::runtime_id(&spec.arn, container.name.as_str());
        Self::read(options, usual)
    }

    fn read(
        options: &BTreeMap<String, String>,
        usual_stream: impl FnOnce() -> String,
    ) -> Result<Self, String> {
        if let Some(unknown) = options.keys().find(|it| !KNOWN.contains(&it.as_str())) {
            return Err(format!("unknown log opt '{unknown}' for awslogs log driver"));
        }
        let get = |name: &str| options.get(name).map(String::as_str).filter(|it| !it.is_empty());
        let create = match get("awslogs-create-group").map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Create::Nothing,
            Some("true") => Create::Group,
            Some(other) => {
                return Err(format!("awslogs-create-group is true or false, not {other}"));
            }
        };
        Ok(Self {
            group: get("awslogs-group").ok_or("awslogs-group is missing")?.to_owned(),
            stream: get("awslogs-stream").map_or_else(usual_stream, str::to_owned),
            region: get("awslogs-region").map(str::to_owned),
            create,
            first_line: first_line(
                get("awslogs-multiline-pattern"),
                get("awslogs-datetime-format"),
            )?,
        })
    }
}

fn first_line(pattern: Option<&str>, format: Option<&str>) -> Result<Option<Regex>, String> {
    let (option, pattern) = match (pattern, format) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let both = "'awslogs-datetime-format' and 'awslogs-multiline-pattern'";
            return Err(format!("you cannot configure log opt {both} at the same time"));
        }
        (Some(pattern), None) => ("awslogs-multiline-pattern", pattern.to_owned()),
        (None, Some(format)) => ("awslogs-datetime-format", of_format(format)),
    };
    let read = Regex::new(&pattern);
    read.map(Some).map_err(|it| format!("{option} could not parse '{pattern}': {it}"))
}

/// The pattern of a `strftime` format, in the parts that Docker's driver knows.
fn of_format(format: &str) -> String {
    let mut pattern = String::new();
    let mut rest = format.chars();
    while let Some(letter) = rest.next() {
        let next = if letter == '%' { rest.next() } else { None };
        pattern.push_str(match next {
            None => {
                pattern.push_str(&escaped(letter));
                continue;
            }
            Some('%') => "%",
            Some('a') => "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
            Some('A') => "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)",
            Some('b') => "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
            Some('B') => {
                "(?:January|February|March|April|May|June|July|August|September|October|November|\
                 December)"
            }
            Some('d' | 'H' | 'I' | 'm' | 'M' | 'S' | 'U' | 'W' | 'y') => "[0-9]{2}",
            Some('f') => "[0-9]{6}",
            Some('j') => "[0-9]{3}",
            Some('L') => "\\.[0-9]{3}",
            Some('p') => "(?:AM|PM|am|pm)",
            Some('w') => "[0-6]",
            Some('Y') => "[0-9]{4}",
            Some('z') => "[+-][0-9]{4}",
            Some('Z') => "[A-Z]{1,4}",
            Some(other) => {
                pattern.push_str(&escaped(other));
                continue;
            }
        });
    }
    pattern
}

fn escaped(letter: char) -> String {
    regex_lite::escape(letter.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Options, String> {
        let all = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Options::read(&all.collect(), || "usual".into())
    }

    #[test]
    fn what_the_driver_does_not_know_or_cannot_mean_is_refused() {
        for (pairs, words) in [
            (&[("awslogs-region", "eu-west-1")][..], "awslogs-group is missing"),
            (
                &[("awslogs-group", "g"), ("awslogs-colour", "red")],
                "unknown log opt 'awslogs-colour'",
            ),
            (&[("awslogs-group", "g"), ("awslogs-create-group", "perhaps")], "true or false"),
            (&[("awslogs-group", "g"), ("awslogs-multiline-pattern", "(")], "could not parse"),
            (
                &[
                    ("awslogs-group", "g"),
                    ("awslogs-multiline-pattern", "x"),
                    ("awslogs-datetime-format", "%Y"),
                ],
                "at the same time",
            ),
        ] {
            let refused = read(pairs).expect_err("refused");
            assert!(refused.contains(words), "{refused}");
        }
        let good = read(&[("awslogs-group", "g"), ("mode", "non-blocking")]).expect("reads");
        assert_eq!((good.group.as_str(), good.stream.as_str()), ("g", "usual"));
    }

    #[test]
    fn formats_of_times_match_their_times() {
        for (format, line, matches) in [
            ("[%b %d, %Y %H:%M:%S]", "[Jan 02, 2026 03:04:05] hello", true),
            ("[%b %d, %Y %H:%M:%S]", "  at frame 7", false),
            ("%Y-%m-%dT%H:%M:%S%z", "2026-01-02T03:04:05+0000 x", true),
            ("100%%", "100% done", true),
        ] {
            let pattern = Regex::new(&of_format(format)).expect("a pattern");
            assert_eq!(pattern.is_match(line), matches, "{format} {line}");
        }
    }
}
