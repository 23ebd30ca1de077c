//! Whether a request keeps the limits of its model, told in the words that AWS uses.

use core::fmt;

use crate::{
    Bounds, Document, Encoder, Entries, Items, Kind, Member, Schema, Shape, Timestamp, Value,
};

mod patterns;
mod render;

use patterns::Patterns;
use render::render;

/// One limit that one member does not keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Where: `tags.1.member.key`. Items are counted from one.
    pub path: String,
    /// What stands there, cut short; `None` if nothing does.
    pub value: Option<String>,
    /// Whether the value must not be repeated in a message.
    pub sensitive: bool,
    /// What it should be.
    pub constraint: Constraint,
}

/// A limit of the models.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// A required member.
    NotNull,
    /// The greatest length of a text, blob, list or map.
    LengthAtMost(f64),
    /// The smallest length of a text, blob, list or map.
    LengthAtLeast(f64),
    /// The largest number.
    ValueAtMost(f64),
    /// The smallest number.
    ValueAtLeast(f64),
    /// A regular expression for the whole text.
    Pattern(&'static str),
    /// A set of known texts.
    OneOf(&'static [&'static str]),
    /// All that each item of a list has to keep, of which one item does not keep all.
    Items(Vec<Constraint>),
    /// The same for the keys of a map.
    Keys(Vec<Constraint>),
    /// The same for the values of a map.
    Values(Vec<Constraint>),
}

/// Every limit that the shape does not keep, in the order of its members.
pub fn validate(shape: &dyn Shape) -> Vec<Violation> {
    let mut validator = Validator {
        path: String::new(),
        schema: shape.schema(),
        broken: Vec::new(),
        violations: Vec::new(),
        patterns: Patterns::default(),
    };
    validator.structure(shape);
    validator.violations
}

/// All violations as AWS tells them in one message.
pub fn validation_message(violations: &[Violation]) -> String {
    let plural = if violations.len() == 1 { "" } else { "s" };
    let texts: Vec<String> = violations.iter().map(Violation::to_string).collect();
    format!("{} validation error{plural} detected: {}", violations.len(), texts.join("; "))
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            _ if self.sensitive => write!(formatter, "Value")?,
            Some(value) => write!(formatter, "Value '{value}'")?,
            None => write!(formatter, "Value null")?,
        }
        write!(formatter, " at '{}' failed to satisfy constraint: {}", self.path, self.constraint)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNull => write!(formatter, "Member must not be null"),
            Self::LengthAtMost(max) => {
                write!(formatter, "Member must have length less than or equal to {max}")
            }
            Self::LengthAtLeast(min) => {
                write!(formatter, "Member must have length greater than or equal to {min}")
            }
            Self::ValueAtMost(max) => {
                write!(formatter, "Member must have value less than or equal to {max}")
            }
            Self::ValueAtLeast(min) => {
                write!(formatter, "Member must have value greater than or equal to {min}")
            }
            Self::Pattern(pattern) => {
                write!(formatter, "Member must satisfy regular expression pattern: {pattern}")
            }
            Self::OneOf(values) => {
                write!(formatter, "Member must satisfy enum value set: [{}]", values.join(", "))
            }
            Self::Items(all) => nested(formatter, "Member", all),
            Self::Keys(all) => nested(formatter, "Map keys", all),
            Self::Values(all) => nested(formatter, "Map value", all),
        }
    }
}

fn nested(formatter: &mut fmt::Formatter<'_>, who: &str, all: &[Constraint]) -> fmt::Result {
    let texts: Vec<String> = all.iter().map(Constraint::to_string).collect();
    write!(formatter, "{who} must satisfy constraint: [{}]", texts.join(", "))
}

/// Visits a shape as an encoder would, and notes what is out of bounds.
struct Validator {
    path: String,
    /// The schema of the value that is visited.
    schema: &'static Schema,
    /// What that value does not keep.
    broken: Vec<Constraint>,
    violations: Vec<Violation>,
    patterns: Patterns,
}

impl Validator {
    /// Visits a value at the current path and files what it does not keep.
    fn visit(&mut self, member: &'static Member, value: &dyn Value) {
        for constraint in self.broken_by(member, value) {
            let violation = Violation {
                path: self.path.clone(),
                value: Some(render(value)),
                sensitive: member.schema.sensitive,
                constraint,
            };
            self.violations.push(violation);
        }
    }

    /// Visits a value and gives back what it does not keep.
    fn broken_by(&mut self, member: &'static Member, value: &dyn Value) -> Vec<Constraint> {
        let schema = core::mem::replace(&mut self.schema, member.schema);
        let broken = core::mem::take(&mut self.broken);
        value.write(self);
        self.schema = schema;
        core::mem::replace(&mut self.broken, broken)
    }

    /// Goes on at a longer path.
    fn below(&mut self, step: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        visit(self);
        self.path.truncate(length);
    }

    fn length(&mut self, length: usize) {
        let (under, over) = out_of(self.schema.bounds, as_f64(length));
        self.broken.extend(over.map(Constraint::LengthAtMost));
        self.broken.extend(under.map(Constraint::LengthAtLeast));
    }

    fn number(&mut self, value: f64) {
        let (under, over) = out_of(self.schema.bounds, value);
        self.broken.extend(over.map(Constraint::ValueAtMost));
        self.broken.extend(under.map(Constraint::ValueAtLeast));
    }
}

/// The limits that a number lies below and above of.
fn out_of(bounds: Bounds, value: f64) -> (Option<f64>, Option<f64>) {
    (bounds.min.filter(|min| value < *min), bounds.max.filter(|max| value > *max))
}

#[expect(clippy::cast_precision_loss, reason = "exact for every length that fits in memory")]
fn as_f64(length: usize) -> f64 {
    length as f64
}

/// Everything a scalar of this schema has to keep, as AWS lists it for items of lists and maps.
fn constraints(schema: &'static Schema) -> Vec<Constraint> {
    let Bounds { min, max } = schema.bounds;
    let is_number = matches!(schema.kind, Kind::Integer | Kind::Long | Kind::Double);
    let mut all = Vec::new();
    if is_number {
        all.extend(max.map(Constraint::ValueAtMost));
        all.extend(min.map(Constraint::ValueAtLeast));
    } else {
        all.extend(max.map(Constraint::LengthAtMost));
        all.extend(min.map(Constraint::LengthAtLeast));
    }
    all.extend(schema.pattern.map(Constraint::Pattern));
    if let Kind::Enum(values) = schema.kind {
        all.push(Constraint::OneOf(values));
    }
    all
}

fn is_collection(schema: &Schema) -> bool {
    matches!(schema.kind, Kind::List(_) | Kind::Map(..) | Kind::Structure(_))
}

/// `TaskDefinition` as `taskDefinition`, the way paths are written whatever the protocol.
fn step(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

impl Encoder for Validator {
    fn boolean(&mut self, _value: bool) {}

    #[expect(clippy::cast_precision_loss, reason = "limits of the models are far below 2^53")]
    fn integer(&mut self, value: i64) {
        self.number(value as f64);
    }

    fn double(&mut self, value: f64) {
        self.number(value);
    }

    fn string(&mut self, value: &str) {
        self.length(value.chars().count());
        if let Some(pattern) = self.schema.pattern
            && !self.patterns.matches(pattern, value)
        {
            self.broken.push(Constraint::Pattern(pattern));
        }
        if let Kind::Enum(values) = self.schema.kind
            && !values.contains(&value)
        {
            self.broken.push(Constraint::OneOf(values));
        }
    }

    fn blob(&mut self, value: &[u8]) {
        self.length(value.len());
    }

    fn timestamp(&mut self, _value: Timestamp) {}

    fn document(&mut self, _value: &Document) {}

    fn list(&mut self, items: Items<'_>) {
        self.length(items.len());
        let Kind::List(member) = self.schema.kind else { return };
        let mut all_keep = true;
        for (index, item) in items.enumerate() {
            if is_collection(member.schema) {
                self.below(&format!("{}.member", index + 1), |below| below.visit(member, item));
            } else {
                all_keep &= self.broken_by(member, item).is_empty();
            }
        }
        if !all_keep {
            self.broken.push(Constraint::Items(constraints(member.schema)));
        }
    }

    fn map(&mut self, entries: Entries<'_>) {
        self.length(entries.len());
        let Kind::Map(key_member, member) = self.schema.kind else { return };
        let (mut keys_keep, mut values_keep) = (true, true);
        for (key, value) in entries {
            keys_keep &= self.broken_by(key_member, &key.to_owned()).is_empty();
            if is_collection(member.schema) {
                self.below(&format!("{key}.member"), |below| below.visit(member, value));
            } else {
                values_keep &= self.broken_by(member, value).is_empty();
            }
        }
        if !keys_keep {
            self.broken.push(Constraint::Keys(constraints(key_member.schema)));
        }
        if !values_keep {
            self.broken.push(Constraint::Values(constraints(member.schema)));
        }
    }

    fn structure(&mut self, shape: &dyn Shape) {
        for (index, member) in shape.schema().members().iter().enumerate() {
            let value = shape.member(index);
            self.below(&step(member.name), |below| match value {
                Some(value) => below.visit(member, value),
                None if member.required => {
                    let violation = Violation {
                        path: below.path.clone(),
                        value: None,
                        sensitive: false,
                        constraint: Constraint::NotNull,
                    };
                    below.violations.push(violation);
                }
                None => {}
            });
        }
    }
}

#[cfg(test)]
mod tests;
