//! Conditions of rules, ready to be asked.

use std::net::IpAddr;

use regex_lite::Regex;
use state::{Cidr, Condition};

use super::Head;
use super::pattern::{Case, Key, Pattern};

/// A condition, ready to be asked.
#[derive(Debug)]
pub(super) enum Test {
    Host(Vec<Pattern>),
    Path(Vec<Pattern>),
    Header { name: String, values: Vec<Pattern> },
    Method(Vec<String>),
    Query(Vec<(Option<Pattern>, Pattern)>),
    Source(Vec<Cidr>),
    HostRegex(Vec<Regex>),
    PathRegex(Vec<Regex>),
    HeaderRegex { name: String, values: Vec<Regex> },
}

impl Test {
    /// Makes a condition ready. A regular expression that is none matches nothing; the API refuses
    /// it before.
    pub(super) fn new(condition: &Condition) -> Self {
        let fold = |texts: &[String]| patterns(texts, Case::Insensitive);
        match condition {
            Condition::Host(texts) => Self::Host(fold(texts)),
            Condition::Path(texts) => Self::Path(patterns(texts, Case::Sensitive)),
            Condition::Header { name, values } => {
                Self::Header { name: name.clone(), values: fold(values) }
            }
            Condition::Method(methods) => Self::Method(methods.clone()),
            Condition::Query(pairs) => {
                let pattern = |text: &String| Pattern::new(text, Case::Insensitive);
                let pair =
                    |it: &state::QueryPattern| (it.key.as_ref().map(pattern), pattern(&it.value));
                Self::Query(pairs.iter().map(pair).collect())
            }
            Condition::SourceIp(ranges) => Self::Source(ranges.clone()),
            Condition::HostRegex(texts) => Self::HostRegex(expressions(texts)),
            Condition::PathRegex(texts) => Self::PathRegex(expressions(texts)),
            Condition::HeaderRegex { name, values } => {
                Self::HeaderRegex { name: name.clone(), values: expressions(values) }
            }
        }
    }

    /// Whether a request is so.
    pub(super) fn holds(&self, head: &Head<'_>) -> bool {
        let any = |patterns: &[Pattern], text: &str| {
            patterns.iter().any(|it| it.matches(text.as_bytes()))
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        match self {
            Self::Host(hosts) => any(hosts, head.host),
            Self::Path(paths) => any(paths, head.path),
            Self::Header { name, values } => {
                head.headers.any(name, &mut |value| values.iter().any(|it| it.matches(value)))
            }
            Self::Method(methods) => methods.iter().any(|it| it == head.method),
            Self::Query(pairs) => query_holds(pairs, head.query.unwrap_or_default()),
            Self::Source(ranges) => ranges.iter().any(|it| contains(it, head.source)),
            Self::HostRegex(hosts) => hosts.iter().any(|it| it.is_match(head.host)),
            Self::PathRegex(paths) => paths.iter().any(|it| it.is_match(head.path)),
            Self::HeaderRegex { name, values } => head
                .headers
                .any(name, &mut |value| values.iter().any(|it| it.is_match(&text(value)))),
        }
    }

    /// By what an index can find requests that are so: one key for each value, or none at all.
    pub(super) fn keys(&self) -> Option<Vec<(Place, Key)>> {
        let (place, patterns) = match self {
            Self::Host(patterns) => (Place::Host, patterns),
            Self::Path(patterns) => (Place::Path, patterns),
            Self::Header { name, values } => (Place::Header(name.clone()), values),
            _ => return None,
        };
        let keys: Vec<Key> = patterns.iter().map(Pattern::key).collect();
        // A header is found by its exact value only: its values would be walked otherwise.
        let usable = |key: &Key| match place {
            Place::Header(_) => matches!(key, Key::Exact(_)),
            Place::Host | Place::Path => *key != Key::None,
        };
        keys.iter().all(usable).then(|| keys.into_iter().map(|it| (place.clone(), it)).collect())
    }
}

/// What of a request a key is looked for in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Host,
    Path,
    Header(String),
}

/// Whether a text is a regular expression that rules can be made of.
pub fn is_expression(text: &str) -> bool {
    Regex::new(text).is_ok()
}

fn patterns(texts: &[String], case: Case) -> Vec<Pattern> {
    texts.iter().map(|it| Pattern::new(it, case)).collect()
}

fn expressions(texts: &[String]) -> Vec<Regex> {
    texts.iter().filter_map(|it| Regex::new(it).ok()).collect()
}

fn query_holds(pairs: &[(Option<Pattern>, Pattern)], query: &str) -> bool {
    query.split('&').filter(|it| !it.is_empty()).any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        pairs.iter().any(|(key, pattern)| {
            key.as_ref().is_none_or(|it| it.matches(name.as_bytes()))
                && pattern.matches(value.as_bytes())
        })
    })
}

/// Whether an address lies in a range.
fn contains(range: &Cidr, address: IpAddr) -> bool {
    match (range.base, address.to_canonical()) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            let away = u32::from(base) ^ u32::from(address);
            away.checked_shr(32_u32.saturating_sub(range.prefix.into())).unwrap_or(0) == 0
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            let away = u128::from(base) ^ u128::from(address);
            away.checked_shr(128_u32.saturating_sub(range.prefix.into())).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use state::QueryPattern;

    use super::*;
    use crate::routing::head::tests::{Fields, head};

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|it| (*it).to_owned()).collect()
    }

    #[track_caller]
    fn check(condition: &Condition, request: &'static str, expected: bool) {
        let fields = Fields(vec![("X-Kind", "Blue"), ("x-kind", "green-7")]);
        let head = Head { headers: &fields, ..head(request) };
        assert_eq!(Test::new(condition).holds(&head), expected, "{condition:?} on {request}");
    }

    #[test]
    fn hosts_know_no_case_and_paths_no_query() {
        check(&Condition::Host(texts(&["*.a.ORG"])), "GET www.A.org /", true);
        check(&Condition::Host(texts(&["*.a.org"])), "GET a.org /", false);
        check(&Condition::Path(texts(&["/x*", "/y"])), "GET h /y?z=/x", true);
        check(&Condition::Path(texts(&["/X"])), "GET h /x", false);
        check(&Condition::PathRegex(texts(&["^/v[0-9]+/"])), "GET h /v12/a", true);
        check(&Condition::HostRegex(texts(&["^a[.]"])), "GET b.a.org /", false);
    }

    #[test]
    fn a_get_rule_is_not_for_head() {
        check(&Condition::Method(texts(&["GET", "POST"])), "POST h /", true);
        check(&Condition::Method(texts(&["GET"])), "HEAD h /", false);
    }

    #[test]
    fn any_value_of_a_header_may_match() {
        let header = |value| Condition::Header { name: "x-kind".into(), values: texts(&[value]) };
        check(&header("blue"), "GET h /", true);
        check(&header("GREEN-*"), "GET h /", true);
        check(&header("red"), "GET h /", false);
        let absent = Condition::Header { name: "y".into(), values: texts(&["*"]) };
        check(&absent, "GET h /", false);
    }

    #[test]
    fn query_parameters_match_by_value_or_by_both() {
        let both = |key: Option<&str>, value: &str| {
            Condition::Query(vec![QueryPattern {
                key: key.map(str::to_owned),
                value: value.into(),
            }])
        };
        check(&both(Some("version"), "v1"), "GET h /?a=b&Version=V1", true);
        check(&both(None, "b*"), "GET h /?a=b2", true);
        check(&both(Some("b"), "b"), "GET h /?a=b", false);
        check(&both(None, "*"), "GET h /", false);
    }

    #[test]
    fn source_ranges_are_of_the_connection() {
        let range = |base: &str, prefix| {
            Condition::SourceIp(vec![Cidr { base: base.parse().expect("an address"), prefix }])
        };
        check(&range("10.1.0.0", 16), "GET h /", true);
        check(&range("10.2.0.0", 16), "GET h /", false);
        check(&range("0.0.0.0", 0), "GET h /", true);
        check(&range("10.1.2.3", 32), "GET h /", true);
        check(&range("::", 0), "GET h /", false);
    }
}
