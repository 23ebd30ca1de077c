//! The cluster query language: which container instances an expression means (handbook 4.4).
//!
//! Used by `memberOf` constraints and by the filter of `ListContainerInstances`. An expression is
//! parsed once, with a clear error where it is wrong, and then tested against instances.

mod moment;
mod parse;
mod pattern;
mod term;
mod token;

use core::fmt;

use state::capacity::{Host, Pool};
use state::{ContainerInstance, Desired, State, Task};
use types::{InstanceId, Timestamp};

pub use parse::SyntaxError;
pub use term::{Comparison, Property, Term, Test, Value};
pub(crate) use term::{ZONE, attribute};

/// Reads a time as the query language writes it: a day begins at its midnight, UTC.
pub fn moment(text: &str) -> Option<Timestamp> {
    moment::Moment::parse(text).map(moment::Moment::begins)
}

/// Longest expression, in characters. Source: ECS API, `PlacementConstraint`.
pub const LONGEST: usize = 2_000;

/// How deep parentheses and negations may nest; far above any real use, far below the stack.
pub const DEEPEST: usize = 64;

/// A parsed expression.
///
/// Two are equal when their text is.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    root: Node,
}

/// One step of an expression.
#[derive(Debug, Clone)]
pub enum Node {
    /// All of them hold.
    All(Vec<Node>),
    /// At least one holds.
    Any(Vec<Node>),
    /// It does not hold.
    Not(Box<Node>),
    /// One comparison.
    Term(Term),
}

impl Expression {
    /// Reads an expression of at most [`LONGEST`] characters.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`] says what was expected and where.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its first step.
    pub fn root(&self) -> &Node {
        &self.root
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What an expression is tested against: a container instance as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    instance: &'a ContainerInstance,
    tasks: Tasks<'a>,
}

/// Where to learn which tasks an instance has.
#[derive(Debug, Clone, Copy)]
enum Tasks<'a> {
    Tables(&'a State),
    Index(&'a Pool, &'a Host),
}

impl<'a> Subject<'a> {
    /// An instance of this state.
    pub fn of(state: &'a State, instance: &'a ContainerInstance) -> Self {
        Self { instance, tasks: Tasks::Tables(state) }
    }

    /// An instance as the placement index knows it.
    pub(crate) fn on_host(pool: &'a Pool, host: &'a Host, instance: &'a ContainerInstance) -> Self {
        Self { instance, tasks: Tasks::Index(pool, host) }
    }

    fn running(&self) -> u32 {
        match self.tasks {
            Tasks::Tables(state) => state.indexes().instance_counts(self.instance.id).running,
            Tasks::Index(_, host) => host.running(),
        }
    }

    /// Groups of its living tasks; one may come several times.
    fn groups(&self) -> Vec<&'a str> {
        match self.tasks {
            Tasks::Tables(state) => {
                living_on(state, self.instance.id).map(|it| it.group.as_str()).collect()
            }
            Tasks::Index(pool, host) => {
                host.groups().iter().map(|it| pool.group_name(it.group).as_str()).collect()
            }
        }
    }
}

/// Tasks of an instance that are to run and have not stopped.
fn living_on(state: &State, instance: InstanceId) -> impl Iterator<Item = &Task> {
    let tasks = state.indexes().tasks_on(instance, Desired::Running).iter();
    tasks.filter_map(|id| state.task(*id)).map(AsRef::as_ref).filter(|it| state::is_living(it))
}

/// Whether the instance is one that the expression means.
pub fn matches(expression: &Expression, subject: &Subject<'_>) -> bool {
    holds(&expression.root, subject)
}

fn holds(node: &Node, subject: &Subject<'_>) -> bool {
    match node {
        Node::All(all) => all.iter().all(|it| holds(it, subject)),
        Node::Any(any) => any.iter().any(|it| holds(it, subject)),
        Node::Not(it) => !holds(it, subject),
        Node::Term(term) => term.holds(subject),
    }
}

#[cfg(test)]
mod tests;
