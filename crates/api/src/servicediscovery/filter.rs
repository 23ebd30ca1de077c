//! Filters of lists.

use shapes::servicediscovery as shape;

use super::Error;

/// Conditions that a filter may have, the default first. Source: API Reference, `NamespaceFilter`,
/// `ServiceFilter` and `OperationFilter`.
pub(super) const EQUAL: &[&str] = &["EQ"];
/// As [`EQUAL`].
pub(super) const ONE_OF: &[&str] = &["EQ", "IN"];
/// As [`EQUAL`].
pub(super) const BEGINNING: &[&str] = &["EQ", "BEGINS_WITH"];
/// As [`EQUAL`].
pub(super) const BETWEEN: &[&str] = &["BETWEEN"];

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    OneOf(Vec<String>),
    BeginsWith(String),
    Between(i64, i64),
}

impl Condition {
    pub(super) fn holds(&self, value: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|it| it == value),
            Self::BeginsWith(start) => value.starts_with(start.as_str()),
            Self::Between(first, last) => {
                value.parse().is_ok_and(|it: i64| (*first..=*last).contains(&it))
            }
        }
    }
}

/// Reads a filter.
///
/// # Errors
///
/// A condition that the filter cannot have, or values that do not fit it.
pub(super) fn parse(
    name: &str,
    condition: Option<&shape::FilterCondition>,
    values: Option<Vec<String>>,
    allowed: &[&str],
) -> Result<Condition, Error> {
    let mut values = values.unwrap_or_default();
    let condition =
        condition.map_or(allowed.first().copied().unwrap_or_default(), |it| it.as_str());
    if !allowed.contains(&condition) {
        return Err(Error::input(format!(
            "The filter {name} cannot have the condition {condition}, but {}.",
            allowed.join(" or ")
        )));
    }
    let refuse =
        || Error::input(format!("The values of filter {name} do not fit condition {condition}."));
    match (condition, values.len()) {
        ("BEGINS_WITH", 1) => values.pop().map(Condition::BeginsWith).ok_or_else(refuse),
        ("BETWEEN", 2) => {
            let seconds: Option<Vec<i64>> = values.iter().map(|it| it.parse().ok()).collect();
            match seconds.as_deref() {
                Some(&[first, last]) => Ok(Condition::Between(first, last)),
                _ => Err(refuse()),
            }
        }
        ("EQ", 1) | ("IN", 1..) => Ok(Condition::OneOf(values)),
        _ => Err(refuse()),
    }
}
