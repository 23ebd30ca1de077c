//! Certificates on request: the region's own authority makes them at once.

use std::sync::Arc;

use plan::authority;
use shapes::acm as shape;
use state::{Certificate, Change, Context, Draft, Origin, State};
use types::Timestamp;

use super::{Error, find, tags};

/// How long a token is remembered, in milliseconds. Source: API Reference, `RequestCertificate`.
const TOKEN_LIFE: i64 = 60 * 60 * 1_000;
/// What every certificate on request has.
pub(super) const KEY_ALGORITHM: &str = "EC_prime256v1";

/// `RequestCertificate`: issued at once, because nobody needs to be asked.
///
/// Differs: the key is EC_prime256v1 unless another one is asked for, which is refused; AWS's default
/// is RSA_2048. Names are not validated, because the authority is trusted by nobody but its users.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for what this authority cannot do.
pub(super) fn request_certificate(
    draft: &mut Draft<'_>,
    ask: shape::RequestCertificateRequest,
    context: &mut Context<'_>,
) -> Result<shape::RequestCertificateResponse, Error> {
    let state = draft.state();
    check(&ask)?;
    let names = names(&ask);
    if let Some(same) = recall(state, ask.idempotency_token.as_deref(), &names, context.now) {
        return Ok(shape::RequestCertificateResponse { certificate_arn: Some(same.arn.clone()) });
    }
    let Some(authority) = state.authority().get(&()).cloned() else {
        return Err(Error::InvalidParameter("This region has no certificate authority.".into()));
    };
    let arn = find::new_arn(state, context)?;
    let made = authority::issue(&authority, &names, arn.clone(), context).map_err(|_| {
        Error::InvalidDomainValidationOptions(format!("No certificate can be for {names:?}."))
    })?;
    let tags = tags::parse(ask.tags)?;
    draft.change(Change::from(Certificate { tags, token: ask.idempotency_token, ..made }));
    Ok(shape::RequestCertificateResponse { certificate_arn: Some(arn) })
}

fn check(ask: &shape::RequestCertificateRequest) -> Result<(), Error> {
    let refuse = |text: &str| Err(Error::InvalidParameter(text.to_owned()));
    if ask.certificate_authority_arn.is_some() {
        return refuse("Private certificate authorities are not supported by this region yet.");
    }
    if ask.managed_by.is_some() {
        return refuse("Certificates that other services manage are not supported by this region.");
    }
    if ask.key_algorithm.as_ref().is_some_and(|it| it.as_str() != KEY_ALGORITHM) {
        return refuse("This region makes certificates with the key algorithm EC_prime256v1 only.");
    }
    let options = ask.options.as_ref();
    if options.and_then(|it| it.export.as_ref()).is_some_and(|it| it.as_str() == "ENABLED") {
        return refuse("Certificates that can be exported are not supported by this region yet.");
    }
    Ok(())
}

/// The names asked for, each once, in lower case.
fn names(ask: &shape::RequestCertificateRequest) -> Vec<String> {
    let others = ask.subject_alternative_names.iter().flatten();
    let mut names: Vec<String> = Vec::new();
    for name in ask.domain_name.iter().chain(others).map(|it| it.to_ascii_lowercase()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The certificate that was made for the same token and names. O(certificates).
fn recall<'a>(
    state: &'a State,
    token: Option<&str>,
    names: &[String],
    now: Timestamp,
) -> Option<&'a Arc<Certificate>> {
    let token = token?;
    let is_same = |it: &&Arc<Certificate>| {
        it.origin == Origin::Issued
            && it.token.as_deref() == Some(token)
            && it.names == names
            && now.0.saturating_sub(it.created_at.0) < TOKEN_LIFE
    };
    state.certificates().values().find(is_same)
}
