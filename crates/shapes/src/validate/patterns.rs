//! Regular expressions of the models, which are those of Java.

use regex_lite::Regex;

/// The patterns that one validation has met. They repeat from tag to tag, and compiling one costs
/// more than matching it.
#[derive(Default)]
pub(super) struct Patterns {
    compiled: Vec<(&'static str, Option<Regex>)>,
}

impl Patterns {
    /// Whether the whole text matches. A pattern that cannot be compiled refuses nothing.
    pub(super) fn matches(&mut self, pattern: &'static str, text: &str) -> bool {
        let found = self.compiled.iter().position(|(known, _)| core::ptr::eq(*known, pattern));
        let place = found.unwrap_or_else(|| {
            self.compiled.push((pattern, compile(pattern)));
            self.compiled.len() - 1
        });
        let Some((_, Some(regex))) = self.compiled.get(place) else { return true };
        if speaks_of_categories(pattern) {
            regex.is_match(&folded(text))
        } else {
            regex.is_match(text)
        }
    }
}

#[cfg(test)]
impl Patterns {
    /// Whether a pattern that was met could be compiled.
    pub(super) fn compiles(&self, pattern: &str) -> bool {
        self.compiled.iter().any(|(known, regex)| *known == pattern && regex.is_some())
    }
}

/// What the small regular expression engine lacks, said without it: a label that does not begin with
/// a hyphen. Two it cannot say: that a name of Cloud Map's has at most 127 characters or begins with
/// something else than `arn:`; the operations check that.
const REWORDED: [(&str, &str); 4] = [
    ("(?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9]", "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"),
    ("(?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9]", "[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]"),
    ("(?=^.{1,127}$)", ""),
    ("(?!arn:)", ""),
];

fn compile(pattern: &str) -> Option<Regex> {
    let reworded =
        REWORDED.iter().fold(pattern.to_owned(), |text, (lacks, has)| text.replace(lacks, has));
    let ascii = reworded
        .replace(r"\p{L}", "a-zA-Z")
        .replace(r"\p{N}", "0-9")
        .replace(r"\p{Z}", " ")
        .replace(r"\p{M}", "");
    Regex::new(&format!("^(?s:{ascii})$")).ok()
}

/// Whether the pattern names Unicode categories, which the small regular expression engine lacks.
fn speaks_of_categories(pattern: &str) -> bool {
    pattern.contains(r"\p{")
}

/// The text with every letter, number and space outside ASCII replaced by one of ASCII, so that
/// `[\p{L}\p{N}\p{Z}]` can be asked as `[a-zA-Z0-9 ]`.
fn folded(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            letter if letter.is_ascii() => letter,
            letter if letter.is_alphabetic() => 'a',
            letter if letter.is_numeric() => '0',
            letter if letter.is_whitespace() => ' ',
            letter => letter,
        })
        .collect()
}
