//! The words and signs of an expression.

use super::parse::SyntaxError;

/// A sign or word, as far as it means the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    And,
    Or,
    Not,
    Open,
    Close,
}

/// Reads an expression from left to right. What a word means depends on where it stands, so the
/// parser asks for the kind it expects.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// An error at the current place.
    pub(super) fn error(&self, what: impl Into<String>) -> SyntaxError {
        let position = self.text.get(..self.at).map_or(0, |it| it.chars().count()) + 1;
        SyntaxError { position, what: what.into() }
    }

    pub(super) fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    pub(super) fn is_done(&mut self) -> bool {
        self.skip_space();
        self.rest().is_empty()
    }

    /// Takes this text if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Takes this word if it comes next and ends there.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let Some(tail) = self.rest().strip_prefix(word) else { return false };
        let ends = tail.chars().next().is_none_or(|it| it.is_whitespace() || "([\"'".contains(it));
        if ends {
            self.at += word.len();
        }
        ends
    }

    /// The next sign that joins or groups, without taking it.
    pub(super) fn sign(&mut self) -> Option<Sign> {
        self.skip_space();
        let before = self.at;
        let sign = self.take_sign();
        self.at = before;
        sign
    }

    /// Takes the next sign that joins or groups.
    pub(super) fn take_sign(&mut self) -> Option<Sign> {
        const SIGNS: [(&str, Sign); 5] = [
            ("&&", Sign::And),
            ("||", Sign::Or),
            ("(", Sign::Open),
            (")", Sign::Close),
            ("!", Sign::Not),
        ];
        const WORDS: [(&str, Sign); 3] = [("and", Sign::And), ("or", Sign::Or), ("not", Sign::Not)];
        if let Some((_, sign)) = SIGNS.iter().find(|(text, _)| self.take(text)) {
            return Some(*sign);
        }
        WORDS.iter().find(|(word, _)| self.take_word(word)).map(|(_, sign)| *sign)
    }

    /// The name of a subject: up to a space or a sign.
    pub(super) fn subject(&mut self) -> &'a str {
        self.skip_space();
        self.until(|it| it.is_whitespace() || "=!<>()[]&|,\"'".contains(it))
    }

    /// A word of letters and underscores.
    pub(super) fn word(&mut self) -> &'a str {
        self.skip_space();
        self.until(|it| !(it.is_ascii_alphabetic() || it == '_'))
    }

    fn until(&mut self, stop: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(stop).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// A literal: quoted, or up to a space, an unmatched `)`, or a joining sign. In a list it also
    /// ends at `,` and `]`.
    pub(super) fn literal(&mut self, place: Place) -> Result<String, SyntaxError> {
        self.skip_space();
        let text = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.bare(place).to_owned(),
        };
        Ok(text)
    }

    fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                it if it == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match letters.next() {
                    Some((_, it)) if it == quote => text.push(it),
                    Some((_, it)) => text.extend(['\\', it]),
                    None => break,
                },
                it => text.push(it),
            }
        }
        Err(self.error("this quote is never closed"))
    }

    fn bare(&mut self, place: Place) -> &'a str {
        let rest = self.rest();
        let mut open = 0_usize;
        let mut end = rest.len();
        let mut escaped = false;
        for (at, letter) in rest.char_indices() {
            if letter.is_whitespace() {
                end = at;
                break;
            }
            if escaped {
                escaped = false;
                continue;
            }
            let tail = rest.get(at..).unwrap_or_default();
            let ends = match letter {
                '\\' => {
                    escaped = true;
                    false
                }
                '(' => {
                    open += 1;
                    false
                }
                ')' if open > 0 => {
                    open -= 1;
                    false
                }
                ')' => true,
                ',' | ']' => place == Place::List && open == 0,
                _ => open == 0 && (tail.starts_with("&&") || tail.starts_with("||")),
            };
            if ends {
                end = at;
                break;
            }
        }
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }
}

/// Where a literal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By itself.
    Alone,
    /// Between brackets.
    List,
}
