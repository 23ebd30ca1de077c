//! What a task asks of its instance.

use state::Demand;
use types::{ClusterName, Group, Zone};

use crate::query::Expression;

/// What one task asks for. The same request serves every task of a `RunTask` call.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose instances are considered.
    pub cluster: ClusterName,
    /// What the task takes from its instance.
    pub demand: Demand,
    /// What spreading and distinctInstance count.
    pub group: Group,
    /// Those of the task definition and of the request.
    pub constraints: Vec<Constraint>,
    /// Attributes that the instance must have.
    pub requires: Vec<String>,
    /// Zones of the subnets of an `awsvpc` task; `None` is any.
    pub zones: Option<Vec<Zone>>,
    /// In order of weight; without any, [`Strategy::usual`] apply.
    pub strategies: Vec<Strategy>,
}

/// What binds.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// `distinctInstance`: no living task of the same group on the instance.
    DistinctInstance,
    /// `memberOf`: the expression holds for the instance.
    MemberOf(Expression),
}

/// What is preferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// The bucket with the fewest living tasks of the group.
    ///
    /// Every bucket is counted over the whole cluster, also within the choice of an earlier
    /// strategy.
    Spread(Field),
    /// The least of it left free before the task is added.
    Binpack(Resource),
    /// Each alike.
    Random,
}

/// What divides the instances into buckets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `instanceId`, `host`.
    Instance,
    /// `attribute:ecs.availability-zone`.
    Zone,
    /// `attribute:NAME`. Instances that lack it form a bucket of their own; so do those that have
    /// it without a value, together with those where it is empty.
    Attribute(String),
}

/// What instances are packed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// `cpu`
    Cpu,
    /// `memory`
    Memory,
}

impl Field {
    /// Reads the `field` of a `spread` strategy; `None` if there is no such field.
    ///
    /// Source: handbook 4.2.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("instanceId") || text.eq_ignore_ascii_case("host") {
            return Some(Self::Instance);
        }
        match text.strip_prefix("attribute:")? {
            "" => None,
            "ecs.availability-zone" => Some(Self::Zone),
            name => Some(Self::Attribute(name.to_owned())),
        }
    }
}

impl Resource {
    /// Reads the `field` of a `binpack` strategy, in any case as AWS does.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            _ if text.eq_ignore_ascii_case("cpu") => Some(Self::Cpu),
            _ if text.eq_ignore_ascii_case("memory") => Some(Self::Memory),
            _ => None,
        }
    }
}

impl core::fmt::Display for Strategy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Spread(Field::Zone) => f.write_str("spread(attribute:ecs.availability-zone)"),
            Self::Spread(Field::Instance) => f.write_str("spread(instanceId)"),
            Self::Spread(Field::Attribute(name)) => write!(f, "spread(attribute:{name})"),
            Self::Binpack(Resource::Cpu) => f.write_str("binpack(cpu)"),
            Self::Binpack(Resource::Memory) => f.write_str("binpack(memory)"),
            Self::Random => f.write_str("random"),
        }
    }
}

impl Strategy {
    /// Reads what [`core::fmt::Display`] has written; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "random" {
            return Some(Self::Random);
        }
        match text.strip_suffix(')')?.split_once('(')? {
            ("spread", field) => Field::parse(field).map(Self::Spread),
            ("binpack", field) => Resource::parse(field).map(Self::Binpack),
            _ => None,
        }
    }

    /// What applies where nothing is asked for: spread over zones, then over instances.
    ///
    /// Source: handbook 4.2, for services; tasks that stand alone are treated alike.
    pub fn usual() -> Vec<Self> {
        vec![Self::Spread(Field::Zone), Self::Spread(Field::Instance)]
    }
}

impl Request {
    /// The strategies that apply.
    pub(super) fn strategies(&self) -> &[Strategy] {
        const USUAL: [Strategy; 2] =
            [Strategy::Spread(Field::Zone), Strategy::Spread(Field::Instance)];
        if self.strategies.is_empty() { &USUAL } else { &self.strategies }
    }

    /// Whether tasks of the group must not share an instance.
    pub(super) fn is_distinct(&self) -> bool {
        self.constraints.contains(&Constraint::DistinctInstance)
    }

    /// The expressions that must hold.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.constraints.iter().filter_map(|it| match it {
            Constraint::MemberOf(expression) => Some(expression),
            Constraint::DistinctInstance => None,
        })
    }

    /// Whether the zone is one of those asked for.
    pub fn allows(&self, zone: &Zone) -> bool {
        self.zones.as_ref().is_none_or(|it| it.contains(zone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_read_as_they_are_written() {
        let all = [
            Strategy::Spread(Field::Zone),
            Strategy::Spread(Field::Instance),
            Strategy::Spread(Field::Attribute("rack".into())),
            Strategy::Binpack(Resource::Cpu),
            Strategy::Binpack(Resource::Memory),
            Strategy::Random,
        ];
        for it in all {
            assert_eq!(Strategy::parse(&it.to_string()), Some(it));
        }
        for bad in ["", "spread", "spread()", "binpack(disk)", "spread(instanceId", "random()"] {
            assert_eq!(Strategy::parse(bad), None, "{bad}");
        }
    }
}
