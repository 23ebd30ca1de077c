//! Why a task would or would not find a place: every instance, with everything that speaks against
//! it.

use std::collections::BTreeMap;

use plan::launch;
use plan::mass_loss;
use plan::placement::{self, Constraint, Explanation, Request};
use plan::query::Expression;
use shapes::landfall as shape;
use state::{Context, DefinitionStatus, Demand, State, TaskDefinition};
use types::{ClusterName, Group};

use super::{Error, trail};
use crate::ecs::find;

/// How many instances an answer names; the closest to fitting come first.
const INSTANCES_MAX: usize = 100;

/// `ExplainPlacement`: what would become of one more task of a task definition, as it stands,
/// without overrides and further constraints. Changes nothing. Costs what exists.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks, [`Error::ClusterNotFound`],
/// [`Error::InvalidParameter`] if there is no such task definition.
pub(super) fn explain_placement(
    state: &State,
    ask: shape::ExplainPlacementRequest,
    context: &Context<'_>,
) -> Result<shape::ExplainPlacementResponse, Error> {
    trail::people_only(state, context)?;
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let name = ask.task_definition.unwrap_or_default();
    let definition = find::definition(state, &name)?
        .ok_or_else(|| Error::InvalidParameter("TaskDefinition not found.".into()))?;
    let request = request(&cluster, definition)?;
    let mut explained = placement::explain(state, &request);
    for it in explained.iter_mut().filter(|it| it.misfits.is_empty()) {
        it.misfits.extend(launch::kept_for_daemons(state, it.instance, &request));
    }
    let mut lines = vec![needs(definition)];
    if definition.status != DefinitionStatus::Active {
        lines.push(format!("{} is no longer ACTIVE: nothing new starts.", definition.revision));
    }
    lines.push(summary(&cluster, &explained));
    lines.extend(mass_loss::brake(state, &cluster, context.now).map(|it| it.to_string()));
    let shown = explained.iter().take(INSTANCES_MAX);
    let instances = shown.map(|it| considered(state, &cluster, it)).collect();
    if explained.len() > INSTANCES_MAX {
        lines.push(format!("The {INSTANCES_MAX} closest to fitting are shown."));
    }
    Ok(shape::ExplainPlacementResponse { instances: Some(instances), lines: Some(lines) })
}

fn request(cluster: &ClusterName, definition: &TaskDefinition) -> Result<Request, Error> {
    let member_of = |text: &String| match Expression::parse(text) {
        Ok(expression) => Ok(Constraint::MemberOf(expression)),
        Err(error) => Err(Error::InvalidParameter(format!("Constraint `{text}`: {error}"))),
    };
    let group = Group::parse(&format!("family:{}", definition.revision.family))
        .map_err(|error| Error::InvalidParameter(error.to_string()))?;
    Ok(Request {
        cluster: cluster.clone(),
        demand: definition.demand.clone(),
        group,
        constraints: definition.member_of.iter().map(member_of).collect::<Result<_, _>>()?,
        requires: definition.requires.clone(),
        zones: None,
        strategies: Vec::new(),
    })
}

/// What a task takes and asks for, in a sentence.
fn needs(definition: &TaskDefinition) -> String {
    let Demand { cpu, memory, ports, gpus, interface } = &definition.demand;
    let mut parts = vec![format!("{} CPU units", cpu.0), format!("{} MiB of memory", memory.0)];
    if !ports.is_empty() {
        let list = ports.iter().map(|it| format!("{}/{}", it.number, it.protocol.as_str()));
        parts.push(format!("host ports {}", list.collect::<Vec<_>>().join(", ")));
    }
    if *gpus > 0 {
        parts.push(format!("{gpus} GPUs"));
    }
    if *interface {
        parts.push("a network interface".into());
    }
    let mut text = format!("A task of {} needs {}", definition.revision, parts.join(", "));
    for expression in &definition.member_of {
        text = format!("{text}, on a member of `{expression}`");
    }
    text + "."
}

fn summary(cluster: &ClusterName, explained: &[Explanation]) -> String {
    if explained.is_empty() {
        return format!("Cluster {cluster} has no container instances.");
    }
    let all = explained.len();
    let fitting = explained.iter().filter(|it| it.misfits.is_empty()).count();
    let mut text = format!("{fitting} of {all} container instances of {cluster} can take it now");
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in
        explained.iter().filter_map(|it| it.misfits.first()).map(placement::Misfit::reason)
    {
        *reasons.entry(reason).or_default() += 1;
    }
    let counted: Vec<_> = reasons.into_iter().map(|(it, count)| format!("{count} {it}")).collect();
    if !counted.is_empty() {
        text = format!("{text}; against the others speak {}", counted.join(", "));
    }
    text + "."
}

fn considered(state: &State, cluster: &ClusterName, it: &Explanation) -> shape::ConsideredInstance {
    shape::ConsideredInstance {
        arn: Some(state.home().instance(cluster, it.instance)),
        fits: Some(it.misfits.is_empty()),
        reason: it.misfits.first().map(|it| it.reason().to_owned()),
        detail: Some(it.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use shapes::ecs;

    use super::*;
    use crate::ecs::task_definitions::register_task_definition;
    use crate::fixture::{self, Fixture};

    fn define(region: &mut Fixture, memory: i32) {
        let ask = ecs::RegisterTaskDefinitionRequest {
            family: Some("web".into()),
            container_definitions: Some(vec![ecs::ContainerDefinition {
                name: Some("app".into()),
                image: Some("nginx".into()),
                memory: Some(memory),
                port_mappings: Some(vec![ecs::PortMapping {
                    container_port: Some(80),
                    host_port: Some(80),
                    ..Default::default()
                }]),
                ..Default::default()
            }]),
            ..Default::default()
        };
        region.write(register_task_definition, ask).expect("registers");
    }

    fn explain(region: &Fixture, definition: &str) -> Result<String, Error> {
        let ask = shape::ExplainPlacementRequest {
            cluster: None,
            task_definition: Some(definition.into()),
        };
        let answer = region.read(explain_placement, ask)?;
        let mut lines = answer.lines.expect("lines");
        for it in answer.instances.expect("instances") {
            let reason = it.reason.unwrap_or_default();
            lines.push(format!("{:?} {reason}: {}", it.fits, it.detail.expect("a detail")));
        }
        Ok(lines.join("\n"))
    }

    #[test]
    fn every_instance_is_told_with_what_speaks_against_it() {
        let mut region = fixture::region();
        define(&mut region, 3000);
        let empty = explain(&region, "web").expect("explains");
        assert!(empty.ends_with("Cluster default has no container instances."), "{empty}");

        region.instance(1);
        let text = explain(&region, "web:1").expect("explains");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("A task of web:1 needs "), "{text}");
        assert!(lines[0].ends_with("3000 MiB of memory, host ports 80/tcp."), "{text}");
        assert!(lines[1].starts_with("0 of 1 container instances of default"), "{text}");
        assert!(lines[2].contains("needs 3000 MiB of memory, 2048 of 2048 free"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let region = fixture::region();
        let unknown = Error::InvalidParameter("TaskDefinition not found.".into());
        assert_eq!(explain(&region, "web"), Err(unknown));
    }
}
