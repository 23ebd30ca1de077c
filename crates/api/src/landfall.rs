//! Landfall's own operations, beside those of AWS: joining machines, the audit trail, and why
//! things are as they are.
//!
//! They stand under a target prefix of their own, so that no AWS answer means anything new.

mod availability;
mod balancers;
mod error;
mod join_tokens;
mod past;
mod placement;
mod planning;
mod tasks;
mod trail;

pub use availability::{AvailabilityQuestion, availability_question};
pub use error::Error;
pub use past::{
    Field, PastTask, Record, TaskFilter, audit_record, read_audit, read_task, task_record,
};
pub use planning::{PlanQuestion, plan_question};
pub use tasks::{From, Ids, Meant, explain_task, meant_task};
pub use trail::{AuditFilter, Listed, Older, audit_page, audit_view, list_audit, people_only};

use shapes::landfall as op;

use crate::Registry;

/// Our own operations that we answer. Calls need the history besides the state, or a copy of the
/// state: the gateway has both.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::CreateJoinToken, Error>(join_tokens::create_join_token)
        .write::<op::RedeemJoinToken, Error>(join_tokens::redeem_join_token)
        .read::<op::ListBalancers, Error>(balancers::list_balancers)
        .read::<op::ExplainPlacement, Error>(placement::explain_placement)
        .call::<op::ExplainTask>()
        .call::<op::PlanServices>()
        .call::<op::ReportAvailability>()
        .call::<op::ListAudit>()
        .call::<op::ListTaskHistory>()
}
