//! One comparison of an expression, and what it says of an instance.

use core::cmp::Ordering;

use state::ContainerInstance;
use types::Timestamp;

use super::Subject;
use super::moment::Moment;
use super::parse::Operator;
use super::pattern::Pattern;

/// The attribute that names the zone; every instance has it.
pub(crate) const ZONE: &str = "ecs.availability-zone";

/// A property of an instance, and what is said of it.
#[derive(Debug, Clone)]
pub struct Term {
    /// Which property.
    pub property: Property,
    /// What is said of it.
    pub test: Test,
}

/// A property of an instance that an expression can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    /// `agentConnected`: `true` or `false`.
    AgentConnected,
    /// `agentVersion`, compared by its numeric parts.
    AgentVersion,
    /// `attribute:NAME`.
    Attribute(String),
    /// `ec2InstanceId`.
    Ec2InstanceId,
    /// `registeredAt`, in UTC.
    RegisteredAt,
    /// `runningTasksCount`.
    RunningTasksCount,
    /// `task:group`: the groups of the tasks that the instance runs or is to run.
    TaskGroup,
}

/// A value to compare with, parsed for its property.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Compared letter by letter; by number where both sides are numbers and order is asked.
    Text(String),
    /// Compared part by part; missing parts are zero.
    Version(Vec<u64>),
    /// A count.
    Count(u32),
    /// A point in time.
    Moment(Moment),
}

/// How two values stand in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
}

/// What is said of a property. All but [`Test::Lacks`] are false of an instance that lacks it.
#[derive(Debug, Clone)]
pub enum Test {
    /// `==`
    Equals(Value),
    /// `!=`
    Differs(Value),
    /// `>` and its like.
    Compare(Comparison, Value),
    /// `exists`
    Exists,
    /// `!exists`
    Lacks,
    /// `in`
    In(Vec<Value>),
    /// `!in`
    NotIn(Vec<Value>),
    /// `=~`: the whole value.
    Matches(Pattern),
    /// `!~`
    MatchesNot(Pattern),
}

impl Property {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let valid = |it: &str| {
            (1..=128).contains(&it.len())
                && it.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/:\\".contains(&b))
        };
        match name {
            "agentConnected" => Ok(Self::AgentConnected),
            "agentVersion" => Ok(Self::AgentVersion),
            "ec2InstanceId" => Ok(Self::Ec2InstanceId),
            "registeredAt" => Ok(Self::RegisteredAt),
            "runningTasksCount" => Ok(Self::RunningTasksCount),
            "task:group" => Ok(Self::TaskGroup),
            _ => match name.strip_prefix("attribute:") {
                Some(it) if valid(it) => Ok(Self::Attribute(it.to_owned())),
                Some(_) => Err("expected the name of an attribute".to_owned()),
                None if name.is_empty() => Err(
                    "expected a subject such as `attribute:NAME`, `task:group` or `agentVersion`"
                        .to_owned(),
                ),
                None => Err(format!("`{name}` is not a subject of the query language")),
            },
        }
    }

    /// Which operators a subject takes. Source: handbook 4.4.
    pub(super) fn permits(&self, operator: Operator) -> bool {
        let equality = matches!(operator, Operator::Equals | Operator::Differs);
        let order = matches!(operator, Operator::Compare(_));
        let presence = matches!(operator, Operator::Exists | Operator::Lacks);
        match self {
            Self::Attribute(_) => true,
            Self::AgentConnected => !order && !presence,
            Self::Ec2InstanceId | Self::TaskGroup => !order,
            Self::AgentVersion | Self::RegisteredAt | Self::RunningTasksCount => equality || order,
        }
    }

    pub(super) fn value(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::AgentVersion => version(text)
                .map(Value::Version)
                .ok_or_else(|| format!("`{text}` is not a version such as `1.89.2`")),
            Self::RunningTasksCount => {
                text.parse().map(Value::Count).map_err(|_| format!("`{text}` is not a count"))
            }
            Self::RegisteredAt => Moment::parse(text).map(Value::Moment).ok_or_else(|| {
                format!("`{text}` is not a time such as `2018-06-18T22:28:28+00:00`")
            }),
            Self::AgentConnected if !["true", "false"].contains(&text) => {
                Err("expected `true` or `false`".to_owned())
            }
            _ => Ok(Value::Text(text.to_owned())),
        }
    }

    pub(super) fn values(&self, texts: Vec<String>) -> Result<Vec<Value>, String> {
        texts.iter().map(|it| self.value(it)).collect()
    }
}

/// The value of an attribute; one that has no value counts as the empty text.
pub(crate) fn attribute<'a>(instance: &'a ContainerInstance, name: &str) -> Option<&'a str> {
    if name == ZONE {
        return Some(instance.zone.as_str());
    }
    instance.attributes.get(name).map(|it| it.as_deref().unwrap_or_default())
}

impl Term {
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        let instance = subject.instance;
        match &self.property {
            Property::AgentConnected => {
                self.test.of_text(Some(if instance.connected { "true" } else { "false" }))
            }
            Property::AgentVersion => self.test.of_version(&instance.agent_version),
            Property::Attribute(name) => self.test.of_text(attribute(instance, name)),
            Property::Ec2InstanceId => self.test.of_text(Some(&instance.ec2_instance_id)),
            Property::RegisteredAt => self.test.of_moment(instance.registered_at),
            Property::RunningTasksCount => self.test.of_count(subject.running()),
            Property::TaskGroup => self.test.of_texts(subject.groups().into_iter()),
        }
    }
}

impl Test {
    /// Of a text that may be missing.
    pub(crate) fn of_text(&self, actual: Option<&str>) -> bool {
        let Some(actual) = actual else { return matches!(self, Self::Lacks) };
        let same = |it: &Value| matches!(it, Value::Text(it) if it == actual);
        match self {
            Self::Equals(it) => same(it),
            Self::Differs(it) => !same(it),
            Self::Compare(how, Value::Text(it)) => how.accepts(compare_texts(actual, it)),
            Self::Compare(..) | Self::Lacks => false,
            Self::Exists => true,
            Self::In(list) => list.iter().any(same),
            Self::NotIn(list) => !list.iter().any(same),
            Self::Matches(pattern) => pattern.matches(actual),
            Self::MatchesNot(pattern) => !pattern.matches(actual),
        }
    }

    /// Of several texts: a positive test wants one of them, a negative one wants all of them.
    fn of_texts<'a>(&self, mut actual: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::Differs(_) | Self::NotIn(_) | Self::MatchesNot(_) => {
                let mut some = false;
                actual.all(|it| {
                    some = true;
                    self.of_text(Some(it))
                }) && some
            }
            Self::Lacks => actual.next().is_none(),
            _ => actual.any(|it| self.of_text(Some(it))),
        }
    }

    pub(crate) fn of_version(&self, actual: &str) -> bool {
        let Some(actual) = version(actual) else { return false };
        self.of_order(|it| match it {
            Value::Version(it) => Some(compare_versions(&actual, it)),
            _ => None,
        })
    }

    fn of_count(&self, actual: u32) -> bool {
        self.of_order(|it| match it {
            Value::Count(it) => Some(actual.cmp(it)),
            _ => None,
        })
    }

    fn of_moment(&self, actual: Timestamp) -> bool {
        match self {
            Self::Equals(Value::Moment(it)) => it.holds(actual),
            Self::Differs(Value::Moment(it)) => !it.holds(actual),
            _ => self.of_order(|it| match it {
                Value::Moment(it) => Some(it.compared(actual)),
                _ => None,
            }),
        }
    }

    fn of_order(&self, order: impl Fn(&Value) -> Option<Ordering>) -> bool {
        match self {
            Self::Equals(it) => order(it) == Some(Ordering::Equal),
            Self::Differs(it) => order(it).is_some_and(|it| it != Ordering::Equal),
            Self::Compare(how, it) => order(it).is_some_and(|it| how.accepts(it)),
            _ => false,
        }
    }
}

impl Comparison {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::More => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
        }
    }
}

/// The numeric parts of a version; what follows the digits of a part is dropped.
fn version(text: &str) -> Option<Vec<u64>> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    text.split('.')
        .map(|part| {
            let digits = part.find(|it: char| !it.is_ascii_digit()).unwrap_or(part.len());
            part.get(..digits)?.parse().ok()
        })
        .collect()
}

fn compare_versions(one: &[u64], other: &[u64]) -> Ordering {
    let part = |it: &[u64], at: usize| it.get(at).copied().unwrap_or(0);
    (0..one.len().max(other.len()))
        .map(|at| part(one, at).cmp(&part(other, at)))
        .find(|it| it.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare_texts(one: &str, other: &str) -> Ordering {
    let number = |it: &str| it.parse::<f64>().ok().filter(|it| it.is_finite());
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => one.cmp(other),
    }
}
