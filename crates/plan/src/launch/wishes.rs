//! Where the caller and the task definition want tasks to go: constraints and strategies.

use shapes::ecs as shape;
use state::TaskDefinition;

use super::BadWish;
use crate::placement::{Constraint, Field, Resource, Strategy};
use crate::query::Expression;

/// Source: ECS API Reference, `RunTask`.
const STRATEGIES_MAX: usize = 5;
/// Those of the task definition included. Source: as above.
const CONSTRAINTS_MAX: usize = 10;

/// Those of the task definition and those asked for, in that order.
///
/// # Errors
///
/// [`BadWish`] for too many, or one that cannot be read.
pub fn constraints(
    definition: &TaskDefinition,
    asked: &[shape::PlacementConstraint],
) -> Result<Vec<Constraint>, BadWish> {
    if definition.member_of.len() + asked.len() > CONSTRAINTS_MAX {
        return Err(BadWish::new(format!(
            "At most {CONSTRAINTS_MAX} placement constraints are allowed, those of the task \
             definition included."
        )));
    }
    let own = definition.member_of.iter().map(|it| member_of(it));
    own.chain(asked.iter().map(constraint)).collect()
}

fn constraint(it: &shape::PlacementConstraint) -> Result<Constraint, BadWish> {
    let expression = it.expression.as_deref().filter(|it| !it.is_empty());
    match (&it.r#type, expression) {
        (Some(shape::PlacementConstraintType::DistinctInstance), None) => {
            Ok(Constraint::DistinctInstance)
        }
        (Some(shape::PlacementConstraintType::DistinctInstance), Some(_)) => Err(BadWish::new(
            "An expression must not be given for placement constraint type distinctInstance.",
        )),
        (Some(shape::PlacementConstraintType::MemberOf), Some(text)) => member_of(text),
        (Some(shape::PlacementConstraintType::MemberOf), None) => {
            Err(BadWish::new("An expression must be given for placement constraint type memberOf."))
        }
        (other, _) => Err(BadWish::new(format!(
            "Invalid placement constraint type: '{}'.",
            other.as_ref().map_or("", |it| it.as_str())
        ))),
    }
}

fn member_of(text: &str) -> Result<Constraint, BadWish> {
    Expression::parse(text)
        .map(Constraint::MemberOf)
        .map_err(|error| BadWish::new(format!("Invalid placement constraint: {error}")))
}

/// The strategies asked for, in order of weight.
///
/// # Errors
///
/// [`BadWish`] for too many, or one that cannot be read.
pub fn strategies(asked: &[shape::PlacementStrategy]) -> Result<Vec<Strategy>, BadWish> {
    if asked.len() > STRATEGIES_MAX {
        return Err(BadWish::new(format!(
            "At most {STRATEGIES_MAX} placement strategies are allowed."
        )));
    }
    asked.iter().map(strategy).collect()
}

fn strategy(it: &shape::PlacementStrategy) -> Result<Strategy, BadWish> {
    let field = it.field.as_deref().unwrap_or_default();
    let wrong = || BadWish::new(format!("Invalid field for placement strategy: '{field}'."));
    match &it.r#type {
        Some(shape::PlacementStrategyType::Random) => Ok(Strategy::Random),
        Some(shape::PlacementStrategyType::Spread) => {
            Field::parse(field).map(Strategy::Spread).ok_or_else(wrong)
        }
        Some(shape::PlacementStrategyType::Binpack) => {
            Resource::parse(field).map(Strategy::Binpack).ok_or_else(wrong)
        }
        other => Err(BadWish::new(format!(
            "Invalid placement strategy type: '{}'.",
            other.as_ref().map_or("", |it| it.as_str())
        ))),
    }
}
