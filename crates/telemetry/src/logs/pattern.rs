//! Filter patterns for unstructured text.
//!
//! Source: CloudWatch Logs User Guide, "Filter pattern syntax": terms are case-sensitive and all
//! must be there; `?term` is one of several; `-term` must not be there; quotes keep spaces.

/// What a message must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

/// A pattern that is none of unstructured text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Patterns over JSON members or columns.
    #[error("Filter patterns for JSON and space-delimited log events are not supported yet.")]
    Structured,
    /// A quote that does not end.
    #[error("Invalid filter pattern: a quote does not end.")]
    Unquoted,
}

impl Pattern {
    /// Reads a pattern; an empty one matches everything.
    ///
    /// # Errors
    ///
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        if text.starts_with(['{', '[', '%']) {
            return Err(PatternError::Structured);
        }
        let mut pattern = Self::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (list, term) = match first {
                '?' => (&mut pattern.any, rest.get(1..).unwrap_or_default()),
                '-' => (&mut pattern.none, rest.get(1..).unwrap_or_default()),
                _ => (&mut pattern.all, rest),
            };
            let (word, after) = match term.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or(PatternError::Unquoted)?,
                None => term.split_once(char::is_whitespace).unwrap_or((term, "")),
            };
            if !word.is_empty() {
                list.push(word.to_owned());
            }
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    /// Whether a message holds it.
    pub fn matches(&self, message: &str) -> bool {
        let holds = |term: &String| message.contains(term.as_str());
        self.all.iter().all(holds)
            && (self.any.is_empty() || self.any.iter().any(holds))
            && !self.none.iter().any(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, message: &str, expected: bool) {
        let parsed = Pattern::parse(pattern).expect("a pattern");
        assert_eq!(parsed.matches(message), expected, "{pattern} on {message}");
    }

    #[test]
    fn terms_decide() {
        check("", "anything", true);
        check("ERROR", "an ERROR here", true);
        check("ERROR", "an error here", false);
        check("ERROR disk", "disk ERROR", true);
        check("ERROR disk", "ERROR", false);
        check("\"no space\"", "there is no space left", true);
        check("\"no space\"", "no, space", false);
        check("?ERROR ?WARN", "WARN: x", true);
        check("?ERROR ?WARN", "INFO: x", false);
        check("ERROR -harmless", "ERROR but harmless", false);
    }

    #[test]
    fn what_is_not_supported_is_said() {
        assert_eq!(Pattern::parse("{ $.a = 1 }"), Err(PatternError::Structured));
        assert_eq!(Pattern::parse("\"open"), Err(PatternError::Unquoted));
    }
}
