//! Questions that are answered on a copy of the state: what would become of the region. The writer
//! makes the copy and goes on; the work is done beside it.

use api::landfall::{availability_question, plan_question};
use shapes::{Operation as _, landfall as op};
use state::Caller;
use store::Core;
use wire::{Fault, Incoming, Route};

use crate::answer::{Outcome, put};
use crate::door::Door;
use crate::history::{boxed, decode, refused};

/// Answers a call; `None` if it is not one of these.
pub(crate) async fn answer(
    door: &Door,
    incoming: &Incoming<'_>,
    route: &Route,
    asked: (Caller, u128),
) -> Option<Outcome> {
    if route.service.name != shapes::landfall::SERVICE.name {
        return None;
    }
    Some(match route.operation.name {
        op::ReportAvailability::NAME => match decode::<op::ReportAvailability>(route, incoming) {
            Ok(ask) => boxed(report_availability(door, ask, asked).await),
            Err(fault) => Err(fault),
        },
        op::PlanServices::NAME => match decode::<op::PlanServices>(route, incoming) {
            Ok(ask) => boxed(plan_services(door, ask, asked).await),
            Err(fault) => Err(fault),
        },
        _ => return None,
    })
}

async fn plan_services(
    door: &Door,
    ask: op::PlanServicesRequest,
    (caller, id): (Caller, u128),
) -> Result<op::PlanServicesResponse, Fault> {
    let look = move |core: &mut Core| {
        core.read(caller, id, |state, context| plan_question(state, ask, context))
    };
    let question = put(door, look).await?.map_err(refused)?;
    Ok(tokio::task::block_in_place(|| question.answer(reconcilers::rehearse)))
}

async fn report_availability(
    door: &Door,
    ask: op::ReportAvailabilityRequest,
    (caller, id): (Caller, u128),
) -> Result<op::ReportAvailabilityResponse, Fault> {
    let look = move |core: &mut Core| {
        core.read(caller, id, |state, context| availability_question(state, &ask, context))
    };
    let question = put(door, look).await?.map_err(refused)?;
    // Other requests of this thread are moved away meanwhile.
    Ok(tokio::task::block_in_place(|| question.answer()))
}
