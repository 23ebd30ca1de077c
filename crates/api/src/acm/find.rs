//! Certificates by their ARNs, and who uses them.

use std::collections::BTreeSet;
use std::sync::Arc;

use state::{Certificate, ClassicLoadBalancer, Context, Listener, State};

use super::Error;
use crate::elb;

/// Certificates of a region. Source: Certificate Manager User Guide, "Quotas".
const CERTIFICATES_MAX: usize = 2_500;

/// A certificate by ARN.
pub(super) fn certificate<'a>(
    state: &'a State,
    arn: Option<&str>,
) -> Result<&'a Arc<Certificate>, Error> {
    let arn = arn.unwrap_or_default();
    match state.certificates().get(arn) {
        Some(found) => Ok(found),
        None if is_arn(arn) => Err(Error::ResourceNotFound(arn.to_owned())),
        None => Err(Error::InvalidArn(arn.to_owned())),
    }
}

fn is_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", _, "acm", _, _, rest]
        if rest.strip_prefix("certificate/").is_some_and(|it| !it.is_empty()))
}

/// ARNs of the load balancers that show a certificate. O(listeners), of which a region has few.
pub(super) fn users(state: &State, arn: &str) -> BTreeSet<String> {
    let shows = |it: &&Arc<Listener>| it.certificates.iter().any(|it| it == arn);
    let users = state.listeners().values().filter(shows).map(|it| it.load_balancer.clone());
    let shows = |it: &&Arc<ClassicLoadBalancer>| {
        it.listeners.iter().any(|it| it.certificate.as_deref() == Some(arn))
    };
    let classic = state.classic_load_balancers().values().filter(shows);
    users.chain(classic.map(|it| elb::arn(state.home(), &it.name))).collect()
}

/// The ARN of a new certificate.
///
/// # Errors
///
/// [`Error::LimitExceeded`] if there are enough.
pub(super) fn new_arn(state: &State, context: &mut Context<'_>) -> Result<String, Error> {
    if state.certificates().len() >= CERTIFICATES_MAX {
        return Err(Error::LimitExceeded(format!(
            "A region can have at most {CERTIFICATES_MAX} certificates."
        )));
    }
    let home = state.home();
    let id = types::uuid(&context.dice.bits().to_be_bytes());
    Ok(format!("arn:aws:acm:{}:{}:certificate/{id}", home.region, home.account))
}
