//! Certificates: imported, given out without their keys, and deleted.

use shapes::acm as shape;
use state::{Certificate, Change, Context, Draft, Origin, State};

use super::{Error, find, reading, tags};

/// `ImportCertificate`: a certificate, its key and its chain; or others in place of those that an ARN
/// stands for.
///
/// # Errors
///
/// [`Error::Validation`] for what does not belong together or cannot be shown.
pub(super) fn import_certificate(
    draft: &mut Draft<'_>,
    ask: shape::ImportCertificateRequest,
    context: &mut Context<'_>,
) -> Result<shape::ImportCertificateResponse, Error> {
    let state = draft.state();
    let before = match &ask.certificate_arn {
        Some(arn) => Some(find::certificate(state, Some(arn))?.as_ref().clone()),
        None => None,
    };
    if before.as_ref().is_some_and(|it| it.origin == Origin::Issued) {
        return Err(Error::invalid("Only certificates that were imported can be imported again."));
    }
    if before.is_some() && ask.tags.is_some() {
        return Err(Error::invalid("Tagging is not permitted on re-import."));
    }
    let text = |blob: Option<shapes::Blob>| blob.map(|it| it.0).unwrap_or_default();
    let (body, key) = (text(ask.certificate), text(ask.private_key));
    let facts = reading::certificate(&body)?;
    facts.check_key(&key)?;
    let chain = ask.certificate_chain.map(|it| it.0).filter(|it| !it.is_empty());
    if let Some(chain) = &chain {
        facts.check_chain(chain)?;
    }
    if context.now > facts.not_after || context.now < facts.not_before {
        return Err(Error::invalid("The certificate is not valid at this time."));
    }
    let arn = match &before {
        Some(before) => before.arn.clone(),
        None => find::new_arn(state, context)?,
    };
    draft.change(Change::from(Certificate {
        arn: arn.clone(),
        domain: facts.domain.clone(),
        names: facts.names.clone(),
        body: plain(&body)?,
        chain: chain.as_deref().map(plain).transpose()?,
        key: plain(&key)?,
        origin: Origin::Imported,
        not_before: facts.not_before,
        not_after: facts.not_after,
        created_at: before.as_ref().map_or(context.now, |it| it.created_at),
        tags: match before {
            Some(before) => before.tags,
            None => tags::parse(ask.tags)?,
        },
        token: None,
        renewed_at: None,
    }));
    Ok(shape::ImportCertificateResponse { certificate_arn: Some(arn) })
}

fn plain(pem: &[u8]) -> Result<String, Error> {
    let text = core::str::from_utf8(pem).map(|it| it.trim_end().to_owned() + "\n");
    text.map_err(|_| Error::invalid("A PEM text must be UTF-8."))
}

/// `GetCertificate`: the certificate and its chain. The key is never given out.
///
/// One that came without a chain is a chain of its own. Source: what Ansible's `acm_certificate`
/// compares with AWS's answers.
///
/// # Errors
///
/// [`Error::ResourceNotFound`].
pub(super) fn get_certificate(
    state: &State,
    ask: shape::GetCertificateRequest,
    _: &Context<'_>,
) -> Result<shape::GetCertificateResponse, Error> {
    let found = find::certificate(state, ask.certificate_arn.as_deref())?;
    Ok(shape::GetCertificateResponse {
        certificate: Some(found.body.clone()),
        certificate_chain: found.chain.clone().or_else(|| Some(found.body.clone())),
    })
}

/// `DeleteCertificate`: one that no listener shows.
///
/// # Errors
///
/// [`Error::ResourceInUse`], [`Error::ResourceNotFound`].
pub(super) fn delete_certificate(
    draft: &mut Draft<'_>,
    ask: shape::DeleteCertificateRequest,
    _: &mut Context<'_>,
) -> Result<shapes::Empty, Error> {
    let state = draft.state();
    let arn = find::certificate(state, ask.certificate_arn.as_deref())?.arn.clone();
    if !find::users(state, &arn).is_empty() {
        return Err(Error::ResourceInUse(arn));
    }
    draft.change(Change::Certificate(arn, None));
    Ok(shapes::Empty {})
}
