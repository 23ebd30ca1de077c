//! Placement constraints of a task definition, and those that its platform implies.
//!
//! Source: handbook 3.2; Developer Guide, "Cluster query language".

use plan::query::Expression;
use shapes::ecs as shape;

use super::asked::Asked;
use crate::ecs::Error;

/// How many constraints a task definition can have.
const CONSTRAINTS_MAX: usize = 10;

/// Checks number, type and grammar.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    let constraints = asked.ask.placement_constraints.as_deref().unwrap_or_default();
    if constraints.len() > CONSTRAINTS_MAX {
        return Err(Error::client(format!(
            "A task definition can have at most {CONSTRAINTS_MAX} placement constraints."
        )));
    }
    for constraint in constraints {
        if constraint.r#type != Some(shape::TaskDefinitionPlacementConstraintType::MemberOf) {
            return Err(Error::client("Placement constraints must have type memberOf."));
        }
        let text = constraint.expression.as_deref().unwrap_or_default();
        if let Err(error) = Expression::parse(text) {
            return Err(Error::client(format!("Invalid placement constraint '{text}': {error}")));
        }
    }
    Ok(())
}

/// Expressions that an instance must match: those asked for, then those of the platform.
///
/// An instance that does not say what it is counts as Linux on x86.
pub(super) fn expressions(asked: &Asked<'_>) -> Vec<String> {
    let constraints = asked.ask.placement_constraints.as_deref().unwrap_or_default();
    let mut all: Vec<String> = constraints.iter().filter_map(|it| it.expression.clone()).collect();
    let Some(platform) = &asked.ask.runtime_platform else { return all };
    match &platform.operating_system_family {
        Some(family) if family.as_str().starts_with("WINDOWS") => {
            all.push("attribute:ecs.os-type == windows".to_owned());
        }
        _ => {}
    }
    match &platform.cpu_architecture {
        Some(shape::CPUArchitecture::Arm64) => {
            all.push("attribute:ecs.cpu-architecture == arm64".to_owned());
        }
        Some(shape::CPUArchitecture::X8664) => {
            all.push("not(attribute:ecs.cpu-architecture == arm64)".to_owned());
        }
        _ => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_platform_implies_can_be_read() {
        let pairs = [("WINDOWS_SERVER_2022_CORE", "ARM64"), ("LINUX", "X86_64")];
        for (family, architecture) in pairs {
            let ask = shape::RegisterTaskDefinitionRequest {
                container_definitions: Some(vec![shape::ContainerDefinition::default()]),
                runtime_platform: Some(shape::RuntimePlatform {
                    operating_system_family: Some(family.into()),
                    cpu_architecture: Some(architecture.into()),
                }),
                ..Default::default()
            };
            for expression in expressions(&Asked::read(&ask).expect("readable")) {
                assert!(Expression::parse(&expression).is_ok(), "{expression}");
            }
        }
    }
}
