//! Transforms of rules: host and path in other words before a request goes to a target.
//!
//! Source: Application Load Balancers User Guide, "Transforms for listener rules".

use std::collections::BTreeMap;

use plan::routing::PortRule;
use regex_lite::Regex;
use state::Transform;

/// The transforms of a listener's rules, by the rules' ARNs. Most rules have none.
#[derive(Debug, Default)]
pub(crate) struct Transforms(BTreeMap<String, Vec<Ready>>);

#[derive(Debug)]
struct Ready {
    place: Place,
    regex: Regex,
    replacement: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    Url,
}

/// What the transforms of a rule have made of a request; `None` stays as it came.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Transformed {
    pub(crate) host: Option<String>,
    pub(crate) target: Option<String>,
}

impl Transforms {
    /// Makes them ready. The API has checked the expressions; one that is none changes nothing.
    pub(crate) fn of(rules: &[PortRule]) -> Self {
        let mut found = BTreeMap::new();
        for rule in rules.iter().filter(|it| !it.transforms.is_empty()) {
            let ready = rule.transforms.iter().filter_map(|transform| {
                let (place, regex, replacement) = match transform {
                    Transform::Host { regex, replacement } => (Place::Host, regex, replacement),
                    Transform::Url { regex, replacement } => (Place::Url, regex, replacement),
                };
                let regex = Regex::new(regex).ok()?;
                Some(Ready { place, regex, replacement: replacement.clone() })
            });
            found.insert(rule.arn.clone(), ready.collect());
        }
        Self(found)
    }

    /// What becomes of a request that falls under that rule.
    pub(crate) fn apply(&self, rule: &str, host: &str, target: &str) -> Transformed {
        let mut made = Transformed::default();
        if self.0.is_empty() {
            return made;
        }
        for ready in self.0.get(rule).into_iter().flatten() {
            let (text, slot) = match ready.place {
                Place::Host => (host, &mut made.host),
                Place::Url => (target, &mut made.target),
            };
            if ready.regex.is_match(text) {
                let new = ready.regex.replace(text, ready.replacement.as_str()).into_owned();
                // What a client sent must not become a line of its own.
                let is_plain = new.bytes().all(|it| it > b' ' && it != 0x7f);
                *slot = Some(new).filter(|_| is_plain);
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use plan::routing::PortRule;
    use state::Action;

    use super::*;

    #[test]
    fn host_and_path_are_put_in_other_words() {
        let transforms = vec![
            Transform::Host { regex: "^old\\.(.*)$".into(), replacement: "new.$1".into() },
            Transform::Url { regex: "^/v1/(.*)$".into(), replacement: "/v2/${1}".into() },
        ];
        let action = Action::Fixed { status: 200, content_type: None, body: String::new() };
        let rule = PortRule {
            arn: "r".into(),
            priority: Some(1),
            conditions: Vec::new(),
            action,
            transforms,
        };
        let ready = Transforms::of(&[rule]);
        let made = ready.apply("r", "old.a.org", "/v1/x?y");
        assert_eq!(made.host.as_deref(), Some("new.a.org"));
        assert_eq!(made.target.as_deref(), Some("/v2/x?y"));
        assert_eq!(ready.apply("r", "a.org", "/v3"), Transformed::default());
        assert_eq!(ready.apply("other", "old.a.org", "/v1/x"), Transformed::default());
    }
}
