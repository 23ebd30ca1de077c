//! Landfall's own operations, beside those of AWS: joining machines, the audit trail, and why
//! things are as they are.
//!
//! They stand under a target prefix of their own, so that no AWS answer means anything new.

mod error;
mod join_tokens;
mod placement;
mod tasks;
mod trail;

pub use error::Error;

use shapes::landfall as op;

use crate::Registry;

/// Our own operations that we answer.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::CreateJoinToken, Error>(join_tokens::create_join_token)
        .write::<op::RedeemJoinToken, Error>(join_tokens::redeem_join_token)
        .read::<op::ExplainPlacement, Error>(placement::explain_placement)
        .read::<op::ExplainTask, Error>(tasks::explain_task)
        .read::<op::ListAudit, Error>(trail::list_audit)
}
