//! `DescribeServices`.

use shapes::ecs as shape;
use state::{Context, State};
use types::ServiceName;

use super::view::{self, Tags};
use crate::ecs::view::failure;
use crate::ecs::{Error, find};

/// How many services one call describes. Source: handbook 2.1.
const DESCRIBED_MAX: usize = 10;

/// `DescribeServices`: services by name or ARN, in the order asked; unknown ones are failures.
///
/// # Errors
///
/// [`Error::ClusterNotFound`]; [`Error::InvalidParameter`] for none or too many.
///
/// Source: Amazon ECS API Reference, `DescribeServices`.
pub(crate) fn describe_services(
    state: &State,
    ask: shape::DescribeServicesRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeServicesResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?;
    let asked = ask.services.unwrap_or_default();
    if asked.is_empty() {
        return Err(Error::invalid("Services cannot be empty."));
    }
    if asked.len() > DESCRIBED_MAX {
        return Err(Error::invalid(format!("Services cannot exceed {DESCRIBED_MAX} elements.")));
    }
    let tags = tags_shown(ask.include.as_deref())?;
    let mut services = Vec::new();
    let mut failures = Vec::new();
    for text in asked {
        match find::service(state, &cluster.name, &text)? {
            Some(row) => services.push(view::service(state, row, tags)),
            None => failures.push(failure(arn(state, text), "MISSING")),
        }
    }
    Ok(shape::DescribeServicesResponse { services: Some(services), failures: Some(failures) })
}

fn tags_shown(include: Option<&[shape::ServiceField]>) -> Result<Tags, Error> {
    let mut tags = Tags::Hidden;
    for field in include.unwrap_or_default() {
        match field {
            shape::ServiceField::Tags => tags = Tags::Shown,
            shape::ServiceField::Other(it) => {
                return Err(Error::invalid(format!("Invalid include: '{it}'.")));
            }
        }
    }
    Ok(tags)
}

/// What is MISSING is told by an ARN of the old form, without a cluster, wherever it was looked for.
///
/// Source: answers seen in aws-actions/amazon-ecs-deploy-task-definition, issues 312 and 369.
fn arn(state: &State, text: String) -> String {
    let home = state.home();
    match ServiceName::parse(&text) {
        Ok(name) => format!("arn:aws:ecs:{}:{}:service/{name}", home.region, home.account),
        Err(_) => text,
    }
}
