//! From text to expression: `or` of `and` of terms.

use super::term::{Comparison, Property, Term, Test};
use super::token::{Place, Reader, Sign};
use super::{DEEPEST, LONGEST, Node};

/// Why a text is not an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Character at which it went wrong, counted from 1.
    pub position: usize,
    /// What is wrong there.
    pub what: String,
}

impl core::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (at character {})", self.what, self.position)
    }
}

impl core::error::Error for SyntaxError {}

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.chars().count() > LONGEST {
        let what = format!("an expression has at most {LONGEST} characters");
        return Err(SyntaxError { position: LONGEST + 1, what });
    }
    let mut reader = Reader::new(text);
    let node = any(&mut reader, 0)?;
    if reader.is_done() {
        return Ok(node);
    }
    let what = match reader.sign() {
        Some(Sign::Close) => "this parenthesis was never opened",
        _ => "expected `and`, `or` or the end; quote values that contain spaces",
    };
    Err(reader.error(what))
}

fn any(reader: &mut Reader<'_>, depth: usize) -> Result<Node, SyntaxError> {
    joined(reader, depth, Sign::Or, all)
        .map(|mut it| if it.len() == 1 { it.remove(0) } else { Node::Any(it) })
}

fn all(reader: &mut Reader<'_>, depth: usize) -> Result<Node, SyntaxError> {
    joined(reader, depth, Sign::And, one)
        .map(|mut it| if it.len() == 1 { it.remove(0) } else { Node::All(it) })
}

type Part = fn(&mut Reader<'_>, usize) -> Result<Node, SyntaxError>;

fn joined(
    reader: &mut Reader<'_>,
    depth: usize,
    sign: Sign,
    part: Part,
) -> Result<Vec<Node>, SyntaxError> {
    let mut parts = vec![part(reader, depth)?];
    while reader.sign() == Some(sign) {
        reader.take_sign();
        parts.push(part(reader, depth)?);
    }
    Ok(parts)
}

fn one(reader: &mut Reader<'_>, depth: usize) -> Result<Node, SyntaxError> {
    if depth > DEEPEST {
        return Err(reader.error(format!("parentheses nest at most {DEEPEST} deep")));
    }
    match reader.sign() {
        Some(Sign::Open) => {
            reader.take_sign();
            group(reader, depth)
        }
        Some(Sign::Not) => {
            reader.take_sign();
            if reader.sign() != Some(Sign::Open) {
                return Err(reader.error("expected `(` after a negation"));
            }
            reader.take_sign();
            Ok(Node::Not(Box::new(group(reader, depth)?)))
        }
        _ => term(reader).map(Node::Term),
    }
}

/// What stands between parentheses, the first of which has been taken.
fn group(reader: &mut Reader<'_>, depth: usize) -> Result<Node, SyntaxError> {
    let node = any(reader, depth + 1)?;
    if reader.sign() != Some(Sign::Close) {
        return Err(reader.error("expected `)`"));
    }
    reader.take_sign();
    Ok(node)
}

fn term(reader: &mut Reader<'_>) -> Result<Term, SyntaxError> {
    reader.skip_space();
    let start = reader.error("");
    let name = reader.subject();
    let property =
        Property::parse(name).map_err(|what| SyntaxError { position: start.position, what })?;
    reader.skip_space();
    let start = reader.error("");
    let operator = operator(reader)?;
    if !property.permits(operator) {
        let what = format!("`{name}` does not take this operator");
        return Err(SyntaxError { position: start.position, what });
    }
    reader.skip_space();
    let start = reader.error("");
    let test = argument(reader, &property, operator)?
        .map_err(|what| SyntaxError { position: start.position, what })?;
    Ok(Term { property, test })
}

/// The operators; an argument may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equals,
    Differs,
    Compare(Comparison),
    Exists,
    Lacks,
    In,
    NotIn,
    Matches,
    MatchesNot,
}

fn operator(reader: &mut Reader<'_>) -> Result<Operator, SyntaxError> {
    // Longer signs come first.
    const SIGNS: [(&str, Operator); 10] = [
        ("==", Operator::Equals),
        ("!=", Operator::Differs),
        ("=~", Operator::Matches),
        ("!~", Operator::MatchesNot),
        (">=", Operator::Compare(Comparison::AtLeast)),
        ("<=", Operator::Compare(Comparison::AtMost)),
        (">", Operator::Compare(Comparison::More)),
        ("<", Operator::Compare(Comparison::Less)),
        ("!exists", Operator::Lacks),
        ("!in", Operator::NotIn),
    ];
    const WORDS: [(&str, Operator); 12] = [
        ("equals", Operator::Equals),
        ("not_equals", Operator::Differs),
        ("greater_than", Operator::Compare(Comparison::More)),
        ("greater_than_equal", Operator::Compare(Comparison::AtLeast)),
        ("less_than", Operator::Compare(Comparison::Less)),
        ("less_than_equal", Operator::Compare(Comparison::AtMost)),
        ("exists", Operator::Exists),
        ("not_exists", Operator::Lacks),
        ("in", Operator::In),
        ("not_in", Operator::NotIn),
        ("matches", Operator::Matches),
        ("not_matches", Operator::MatchesNot),
    ];
    let nothing = reader.error("expected an operator such as `==`, `in` or `exists`");
    if let Some((_, it)) = SIGNS.iter().find(|(sign, _)| reader.take(sign)) {
        return Ok(*it);
    }
    let word = reader.word();
    WORDS.iter().find(|(it, _)| *it == word).map(|(_, it)| *it).ok_or(nothing)
}

type Checked<T> = Result<T, String>;

fn argument(
    reader: &mut Reader<'_>,
    property: &Property,
    operator: Operator,
) -> Result<Checked<Test>, SyntaxError> {
    Ok(match operator {
        Operator::Exists => Ok(Test::Exists),
        Operator::Lacks => Ok(Test::Lacks),
        Operator::Equals => property.value(&single(reader)?).map(Test::Equals),
        Operator::Differs => property.value(&single(reader)?).map(Test::Differs),
        Operator::Compare(how) => property.value(&single(reader)?).map(|it| Test::Compare(how, it)),
        Operator::In => property.values(list(reader)?).map(Test::In),
        Operator::NotIn => property.values(list(reader)?).map(Test::NotIn),
        Operator::Matches => super::pattern::Pattern::parse(&single(reader)?).map(Test::Matches),
        Operator::MatchesNot => {
            super::pattern::Pattern::parse(&single(reader)?).map(Test::MatchesNot)
        }
    })
}

fn single(reader: &mut Reader<'_>) -> Result<String, SyntaxError> {
    reader.skip_space();
    let missing = reader.error("expected a value");
    let quoted = reader.rest().starts_with(['"', '\'']);
    let value = reader.literal(Place::Alone)?;
    if value.is_empty() && !quoted { Err(missing) } else { Ok(value) }
}

fn list(reader: &mut Reader<'_>) -> Result<Vec<String>, SyntaxError> {
    if !reader.take("[") {
        return Err(reader.error("expected a list such as `[a, b]`"));
    }
    let mut values = Vec::new();
    loop {
        reader.skip_space();
        let missing = reader.error("expected a value");
        let quoted = reader.rest().starts_with(['"', '\'']);
        let value = reader.literal(Place::List)?;
        if value.is_empty() && !quoted {
            return Err(missing);
        }
        values.push(value);
        if reader.take("]") {
            return Ok(values);
        }
        if !reader.take(",") {
            return Err(reader.error("expected `,` or `]`"));
        }
    }
}
