//! Parameters of a form or query string: decoded, and found by name.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use shapes::DecodeError;

/// The most parameters that a request may have.
const MOST: usize = 10_000;

/// Decoded parameters, sorted by name; those of one name keep their order.
pub(crate) struct Form<'a> {
    sorted: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Form<'a> {
    /// Reads `name=value&…`, where `+` is a space.
    pub(crate) fn parse(text: &'a str) -> Result<Self, DecodeError> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        if pairs.clone().nth(MOST).is_some() {
            return Err(DecodeError::Syntax { offset: 0, problem: "too many parameters" });
        }
        let mut sorted = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decoded(name)?, decoded(value)?))
            })
            .collect::<Result<Vec<_>, DecodeError>>()?;
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Self { sorted })
    }

    /// The first value of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of this name.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let from = self.sorted.partition_point(|(known, _)| known.as_ref() < name);
        let behind = self.sorted.get(from..).unwrap_or_default();
        let same = behind.iter().take_while(move |(known, _)| known == name);
        same.map(|(_, value)| value.as_ref())
    }

    /// All names with their first values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sorted.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Whether there is a parameter of this name, or below it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.value(path).is_some() || self.below(path).next().is_some()
    }

    /// The numbers that follow a path, in order: `1` and `2` for `Tags.1.Key` and `Tags.2.Key`.
    pub(crate) fn numbers(&self, path: &str) -> BTreeSet<u32> {
        self.below(path).filter_map(|step| step.parse().ok()).collect()
    }

    /// The next steps of all names below a path.
    fn below(&self, path: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{path}.");
        let from = self.sorted.partition_point(|(known, _)| known.as_ref() < prefix.as_str());
        let behind = self.sorted.get(from..).unwrap_or_default();
        behind.iter().map_while(move |(known, _)| {
            let rest = known.strip_prefix(prefix.as_str())?;
            rest.split('.').next()
        })
    }
}

/// A name or value as it was before it was put into a form.
pub(crate) fn decoded(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let problem = |_| DecodeError::Syntax { offset: 0, problem: "a parameter is not UTF-8" };
    decoded.map(|text| Cow::Owned(text.into_owned())).map_err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_name_and_path() {
        let form = Form::parse("a=1&b.10.x=%C3%A4+b&b.2=&a=2&b-c=3&&d").expect("it is a form");
        assert_eq!(form.values("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(form.value("b.10.x"), Some("ä b"));
        assert_eq!(form.value("d"), Some(""));
        assert_eq!(form.numbers("b"), BTreeSet::from([2, 10]));
        assert!(form.holds("b") && !form.holds("c") && !form.holds("b.1"));
        assert!(Form::parse("a=%ff").is_err());
    }
}
