//! Makes certificates of the region's own authority anew before they expire, as long as a listener
//! shows them. ARN, names and tags stay. Source: Certificate Manager User Guide, "Managed certificate
//! renewal".

use std::collections::BTreeSet;
use std::sync::Arc;

use plan::authority;
use state::{Certificate, Change, Context, Draft, Origin, State};
use types::Timestamp;

use crate::{Outcome, Reconciler, Subject};

/// Keeps listeners from showing what has expired.
pub(crate) struct ExpiringCertificates;

impl Reconciler for ExpiringCertificates {
    fn name(&self) -> &'static str {
        "expiring-certificates"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        let matters = match change {
            Change::Certificate(_, Some(it)) => it.origin == Origin::Issued,
            Change::Listener(_, Some(it)) => !it.certificates.is_empty(),
            Change::ClassicLoadBalancer(_, Some(it)) => {
                it.listeners.iter().any(|it| it.certificate.is_some())
            }
            _ => false,
        };
        matters.then_some(Subject::Region)
    }

    /// O(listeners), of which a region has few.
    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        let Some(authority) = draft.state().authority().get(&()).cloned() else {
            return Outcome::Settled;
        };
        for (due, certificate) in due(draft.state()) {
            if due > context.now {
                return Outcome::AgainAt(due);
            }
            if draft.room() == 0 {
                return Outcome::Again;
            }
            // Names that fit into no certificate were never in one.
            if let Ok(renewed) = authority::renew(&authority, &certificate, context) {
                draft.change(Change::from(renewed));
            }
        }
        Outcome::Settled
    }
}

/// What listeners show and was made here, in the order in which it is due.
fn due(state: &State) -> Vec<(Timestamp, Arc<Certificate>)> {
    let classic = state.classic_load_balancers().values().flat_map(|it| &it.listeners);
    let shown = state.listeners().values().flat_map(|it| &it.certificates);
    let shown: BTreeSet<&String> =
        shown.chain(classic.filter_map(|it| it.certificate.as_ref())).collect();
    let shown = shown.into_iter().filter_map(|it| state.certificates().get(it));
    let mut due: Vec<_> =
        shown.filter_map(|it| Some((authority::renewal_due(it)?, it.clone()))).collect();
    due.sort_by_key(|it| it.0);
    due
}
