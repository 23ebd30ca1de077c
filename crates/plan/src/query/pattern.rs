//! Regular expressions of the query language, matched against whole values.

use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};

/// Most memory a compiled pattern may take, in bytes: ample for instance types and names.
const SIZE_LIMIT: usize = 1 << 18;

/// A compiled pattern; cloning is cheap.
///
/// Differs: AWS uses Java's expressions. Look-around, back references, possessive quantifiers,
/// atomic groups and operations on character classes are refused, because a linear-time matcher
/// has none of them.
#[derive(Debug, Clone)]
pub struct Pattern(Arc<Regex>);

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(what) = foreign(text) {
            return Err(format!("the pattern uses {what}, which is not supported"));
        }
        RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(SIZE_LIMIT)
            .build()
            .map(|it| Self(Arc::new(it)))
            .map_err(|error| format!("the pattern is not a regular expression: {error}"))
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

/// What of Java's expressions this text uses that we do not have.
fn foreign(text: &str) -> Option<&'static str> {
    let mut letters = text.char_indices();
    let mut classes = 0_usize;
    let mut repeated = false;
    while let Some((at, letter)) = letters.next() {
        let tail = text.get(at + letter.len_utf8()..).unwrap_or_default();
        let mut repeats = false;
        match letter {
            '\\' => match letters.next() {
                Some((_, '1'..='9' | 'k')) => return Some("a back reference"),
                Some((_, 'p' | 'P')) => return Some("a named character class"),
                Some((_, 'Q' | 'E' | 'G' | 'R' | 'X')) => return Some("an escape of Java's own"),
                _ => {}
            },
            '[' if classes > 0 => return Some("a class within a class"),
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            '&' if classes > 0 && tail.starts_with('&') => {
                return Some("an intersection of classes");
            }
            '(' if classes == 0 => {
                if ["?=", "?!", "?<=", "?<!"].iter().any(|it| tail.starts_with(it)) {
                    return Some("look-around");
                }
                if tail.starts_with("?>") {
                    return Some("an atomic group");
                }
            }
            '+' if classes == 0 && repeated => return Some("a possessive quantifier"),
            '*' | '+' | '?' | '}' if classes == 0 => repeats = true,
            _ => {}
        }
        repeated = repeats;
    }
    None
}
