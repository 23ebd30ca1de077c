//! `RegisterTaskDefinition`.

use shapes::ecs as shape;
use shapes::stored;
use state::{Change, Context, DefinitionStatus, Draft, FamilyRow, Revision, State, TaskDefinition};
use types::Family;

use super::asked::Asked;
use super::{
    capabilities, compatibilities, constraints, environment, linux, logging, names, network,
    ordering, ports, resources, view, volumes,
};
use crate::ecs::{Error, tags};

/// Largest definition in bytes. Source: ECS service quotas.
const SIZE_MAX: usize = 64 * 1024;

/// How many revisions a family can have, those that are gone included. Source: as above.
const REVISIONS_MAX: u32 = 1_000_000;

/// A rule that a definition keeps or breaks.
type Rule = fn(&Asked<'_>) -> Result<(), Error>;

/// Every rule of registration, in the order in which a broken one is told.
const RULES: [Rule; 12] = [
    names::check,
    shared_modes,
    network::check,
    ports::check,
    resources::check,
    ordering::check,
    volumes::check,
    environment::check,
    logging::check,
    linux::check,
    constraints::check,
    compatibilities::check,
];

/// `RegisterTaskDefinition`: a new revision of its family, also if nothing is new in it.
///
/// # Errors
///
/// [`Error::Client`] for the first rule that is broken; [`Error::InvalidParameter`] for bad tags;
/// [`Error::UnsupportedFeature`] for hardware that this region does not know.
pub(crate) fn register_task_definition(
    draft: &mut Draft<'_>,
    mut ask: shape::RegisterTaskDefinitionRequest,
    context: &mut Context<'_>,
) -> Result<shape::RegisterTaskDefinitionResponse, Error> {
    let tags = tags::parse(ask.tags.take())?;
    let asked = Asked::read(&ask)?;
    RULES.iter().try_for_each(|rule| rule(&asked))?;
    let spec = stored::to_vec(&ask);
    if spec.len() > SIZE_MAX {
        let length = spec.len();
        return Err(Error::client(format!(
            "Actual length: '{length}'. Max allowed length is '{SIZE_MAX}' bytes."
        )));
    }

    let revision = next_revision(draft.state(), &ask)?;
    let definition = TaskDefinition {
        status: DefinitionStatus::Active,
        spec,
        demand: resources::demand(&asked)?,
        network: asked.network,
        requires: capabilities::required(&asked),
        member_of: constraints::expressions(&asked),
        registered_at: context.now,
        registered_by: context.caller.arn.to_string(),
        deregistered_at: None,
        delete_requested_at: None,
        tags,
        revision,
    };
    let Revision { family, number } = definition.revision.clone();
    draft.change(Change::from(FamilyRow { family, last: number }));
    draft.change(Change::from(definition.clone()));
    Ok(shape::RegisterTaskDefinitionResponse {
        tags: (!definition.tags.is_empty()).then(|| tags::view(&definition.tags)),
        task_definition: Some(view::definition(draft.state().home(), &definition)),
    })
}

fn next_revision(
    state: &State,
    ask: &shape::RegisterTaskDefinitionRequest,
) -> Result<Revision, Error> {
    let family = Family::parse(ask.family.as_deref().unwrap_or_default())
        .map_err(|_| Error::client("Family contains invalid characters."))?;
    let last = state.families().get(&family).map_or(0, |it| it.last);
    if last >= REVISIONS_MAX {
        return Err(Error::LimitExceeded(format!(
            "Family {family} has reached its limit of {REVISIONS_MAX} revisions."
        )));
    }
    Ok(Revision { family, number: last + 1 })
}

/// Namespaces that containers share must be ones that exist, and retired hardware does not.
fn shared_modes(asked: &Asked<'_>) -> Result<(), Error> {
    if let Some(shape::PidMode::Other(other)) = &asked.ask.pid_mode {
        return Err(Error::client(format!("Invalid PID mode '{other}'.")));
    }
    if let Some(shape::IpcMode::Other(other)) = &asked.ask.ipc_mode {
        return Err(Error::client(format!("Invalid IPC mode '{other}'.")));
    }
    if asked.ask.inference_accelerators.as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(Error::client("Inference accelerators are no longer available."));
    }
    if asked.ask.trusted_execution_configuration.is_some() {
        return Err(Error::unsupported("Trusted execution configurations"));
    }
    Ok(())
}
