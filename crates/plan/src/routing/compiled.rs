//! A routing table made ready for requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use state::Action;

use super::attributes::{BalancerAttributes, GroupAttributes};
use super::condition::Test;
use super::index::Index;
use super::redirect::{self, Arrival};
use super::table::{Group, Listener, LoadBalancer, PortRule, RoutingTable};
use super::{Generation, Head};
use crate::stickiness::{Claim, Mark};

/// A routing table made ready for requests. Made once for each table, off the path of requests.
#[derive(Debug, Default)]
pub struct Compiled {
    /// Which table this is.
    pub generation: Generation,
    /// In the table's order.
    pub load_balancers: Vec<Arc<Balanced>>,
    /// In the table's order. A group that two tables have alike is the same one in both.
    pub groups: Vec<Arc<ReadyGroup>>,
    group_numbers: BTreeMap<String, usize>,
}

/// A load balancer, ready.
#[derive(Debug)]
pub struct Balanced {
    /// As it was told, listeners included.
    pub told: LoadBalancer,
    /// Its attributes.
    pub attributes: BalancerAttributes,
    /// Its listeners, in the table's order.
    pub ports: Vec<Arc<Port>>,
}

/// A listener, ready.
#[derive(Debug)]
pub struct Port {
    /// As it was told.
    pub told: Listener,
    rules: Vec<Ready>,
    index: Index,
}

/// A rule, ready.
#[derive(Debug)]
struct Ready {
    tests: Vec<Test>,
    action: ReadyAction,
}

#[derive(Debug)]
enum ReadyAction {
    Forward {
        /// Numbers of groups with their weights.
        shares: Vec<(usize, u32)>,
        sticky: Option<core::time::Duration>,
    },
    /// What the rule says.
    Own,
}

/// A target group, ready.
#[derive(Debug)]
pub struct ReadyGroup {
    /// As it was told.
    pub told: Group,
    /// Its attributes.
    pub attributes: GroupAttributes,
    /// By which cookies name it.
    pub mark: Mark,
    targets: HashMap<Mark, u32>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq)]
pub struct Route<'a> {
    /// The rule that it falls under.
    pub rule: &'a PortRule,
    /// What that rule says.
    pub step: Step<'a>,
}

/// What a rule comes to for one request.
#[derive(Debug, PartialEq)]
pub enum Step<'a> {
    /// It goes to a target of the group of that number.
    Forward {
        /// Number of the group in [`Compiled::groups`].
        group: usize,
        /// For how long the client is to stay with the group, if it is told so with this answer.
        settle: Option<core::time::Duration>,
    },
    /// No group of the rule takes anything: every weight is zero, or the group is not told.
    Nowhere,
    /// The client is sent there.
    Redirect {
        /// 301 or 302.
        status: u16,
        /// Value of `Location`.
        location: String,
    },
    /// The client is answered.
    Fixed {
        /// Status code.
        status: u16,
        /// Type of the body.
        content_type: Option<&'a str>,
        /// The body.
        body: &'a str,
    },
}

impl Compiled {
    /// Makes a table ready, keeping what it shares with the one `before`. O(table).
    pub fn new(table: RoutingTable, before: Option<&Self>) -> Self {
        let standing = |group: &Group| {
            let before = before?;
            let number = before.group_numbers.get(&group.arn)?;
            before.groups.get(*number).filter(|it| it.told == *group).cloned()
        };
        let ready = |group| standing(&group).unwrap_or_else(|| Arc::new(ReadyGroup::new(group)));
        let groups: Vec<_> = table.groups.into_iter().map(ready).collect();
        let group_numbers: BTreeMap<_, _> =
            groups.iter().enumerate().map(|(number, it)| (it.told.arn.clone(), number)).collect();
        let load_balancers = table
            .load_balancers
            .into_iter()
            .map(|it| Arc::new(Balanced::new(it, &group_numbers)))
            .collect();
        Self { generation: table.generation, load_balancers, groups, group_numbers }
    }

    /// The number of a group in [`Self::groups`].
    pub fn group_number(&self, arn: &str) -> Option<usize> {
        self.group_numbers.get(arn).copied()
    }
}

impl Balanced {
    fn new(told: LoadBalancer, groups: &BTreeMap<String, usize>) -> Self {
        let cross_zone = match told.kind {
            state::LoadBalancerKind::Application => true,
            state::LoadBalancerKind::Network => false,
        };
        let attributes = BalancerAttributes::of(&told.attributes, cross_zone);
        let ports =
            told.listeners.iter().map(|it| Arc::new(Port::new(it.clone(), groups))).collect();
        Self { told, attributes, ports }
    }
}

impl Port {
    fn new(told: Listener, groups: &BTreeMap<String, usize>) -> Self {
        let tests: Vec<Vec<Test>> =
            told.rules.iter().map(|it| it.conditions.iter().map(Test::new).collect()).collect();
        let index = Index::new(&tests);
        let ready = |(rule, tests): (&PortRule, Vec<Test>)| Ready {
            tests,
            action: ReadyAction::new(&rule.action, groups),
        };
        let rules = told.rules.iter().zip(tests).map(ready).collect();
        Self { told, rules, index }
    }

    /// What becomes of a request: the first rule that it falls under. `None` only if the listener
    /// has no default rule, which the API does not let happen.
    ///
    /// `stays` is the group that a cookie of the client names, if it does. Costs what the rules cost
    /// that share a key with the request (see `index`).
    pub fn route(
        &self,
        compiled: &Compiled,
        head: &Head<'_>,
        stays: Option<&Claim>,
        dice: u64,
    ) -> Option<Route<'_>> {
        let holds = |number| {
            self.ready(number).is_some_and(|it| it.tests.iter().all(|test| test.holds(head)))
        };
        let number = self.index.first(head, holds)?;
        let rule = self.told.rules.get(usize::try_from(number).ok()?)?;
        let step = match (&rule.action, &self.ready(number)?.action) {
            (_, ReadyAction::Forward { shares, sticky }) => {
                let stays = stays.filter(|_| sticky.is_some());
                match standing_share(compiled, shares, stays) {
                    Some(group) => Step::Forward { group, settle: None },
                    None => match by_weight(shares, dice) {
                        Some(group) => Step::Forward { group, settle: *sticky },
                        None => Step::Nowhere,
                    },
                }
            }
            (Action::Redirect(to), _) => {
                let arrival = Arrival { protocol: self.told.protocol, port: self.told.port };
                let location = redirect::location(to, head, arrival);
                Step::Redirect { status: to.status, location }
            }
            (Action::Fixed { status, content_type, body }, _) => {
                Step::Fixed { status: *status, content_type: content_type.as_deref(), body }
            }
            (Action::Forward { .. }, ReadyAction::Own) => Step::Nowhere,
        };
        Some(Route { rule, step })
    }

    /// The group that flows of a network load balancer go to.
    pub fn flow_group(&self, dice: u64) -> Option<usize> {
        match &self.rules.last()?.action {
            ReadyAction::Forward { shares, .. } => by_weight(shares, dice),
            ReadyAction::Own => None,
        }
    }

    fn ready(&self, number: u32) -> Option<&Ready> {
        self.rules.get(usize::try_from(number).ok()?)
    }
}

impl ReadyAction {
    fn new(action: &Action, groups: &BTreeMap<String, usize>) -> Self {
        let Action::Forward { groups: shares, stickiness } = action else { return Self::Own };
        let share = |it: &state::WeightedGroup| Some((*groups.get(&it.group)?, it.weight));
        Self::Forward { shares: shares.iter().filter_map(share).collect(), sticky: *stickiness }
    }
}

/// The group that a client's cookie names, as long as the rule names it, whatever its weight.
fn standing_share(
    compiled: &Compiled,
    shares: &[(usize, u32)],
    stays: Option<&Claim>,
) -> Option<usize> {
    let claim = stays?;
    let is_it = |group: usize| compiled.groups.get(group).is_some_and(|it| it.mark == claim.group);
    shares.iter().map(|it| it.0).find(|group| is_it(*group))
}

/// A group by its share; a group of weight zero gets nothing. A group without healthy targets
/// keeps its share (handbook 7.2).
fn by_weight(shares: &[(usize, u32)], dice: u64) -> Option<usize> {
    let total: u64 = shares.iter().map(|it| u64::from(it.1)).sum();
    let mut left = dice.checked_rem(total)?;
    for (group, weight) in shares {
        match left.checked_sub(u64::from(*weight)) {
            Some(rest) => left = rest,
            None => return Some(*group),
        }
    }
    None
}

impl ReadyGroup {
    fn new(told: Group) -> Self {
        let attributes = GroupAttributes::of(&told.attributes);
        // Listeners that lead to the same port of the same instances know each other's clients.
        let mark = Mark::of(&[told.checked_in.as_deref().unwrap_or(&told.arn)]);
        let mark_of = |it: &super::Target| Mark::of(&[&it.id, &it.port.to_string()]);
        let targets = told.targets.iter().map(mark_of).zip(0..).collect();
        Self { told, attributes, mark, targets }
    }

    /// The number of the target that a cookie names.
    pub fn target_number(&self, mark: Mark) -> Option<u32> {
        self.targets.get(&mark).copied()
    }

    /// By what cookies name a target.
    pub fn target_mark(&self, number: u32) -> Option<Mark> {
        let target = self.told.targets.get(usize::try_from(number).ok()?)?;
        Some(Mark::of(&[&target.id, &target.port.to_string()]))
    }
}
