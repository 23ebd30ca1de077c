//! Certificates of listeners: the default one, and those chosen by the name that a client asks for.

use shapes::elbv2 as shape;
use state::{Change, Context, Draft, Listener, ListenerProtocol, State};

use super::error::PAGE;
use super::{Error, find};
use crate::page::Page;

/// Certificates of one listener beside the default one. Source: handbook 7.1.
const CERTIFICATES_MAX: usize = 25;

/// `AddListenerCertificates`: one that is there already stays.
///
/// # Errors
///
/// [`Error::CertificateNotFound`], [`Error::TooManyCertificates`].
pub(super) fn add_listener_certificates(
    draft: &mut Draft<'_>,
    ask: shape::AddListenerCertificatesInput,
    _: &mut Context<'_>,
) -> Result<shape::AddListenerCertificatesOutput, Error> {
    let state = draft.state();
    let mut listener = find::listener(state, ask.listener_arn.as_deref())?.as_ref().clone();
    check_secure(&listener)?;
    let asked = ask.certificates.unwrap_or_default();
    if asked.iter().any(|it| it.is_default.is_some()) {
        return Err(Error::invalid("IsDefault cannot be specified when certificates are added"));
    }
    for certificate in &asked {
        let arn = known(state, certificate)?;
        if !others(&listener.certificates).contains(&arn) {
            listener.certificates.push(arn);
        }
    }
    if listener.certificates.len() > CERTIFICATES_MAX + 1 {
        return Err(Error::TooManyCertificates(format!(
            "A listener can have at most {CERTIFICATES_MAX} certificates beside its default one"
        )));
    }
    let shown = asked.into_iter().map(|it| shown(it.certificate_arn, Place::Other)).collect();
    draft.change(Change::from(listener));
    Ok(shape::AddListenerCertificatesOutput { certificates: Some(shown) })
}

/// `RemoveListenerCertificates`: one that is not there does not matter.
///
/// # Errors
///
/// [`Error::OperationNotPermitted`] for the default one.
pub(super) fn remove_listener_certificates(
    draft: &mut Draft<'_>,
    ask: shape::RemoveListenerCertificatesInput,
    _: &mut Context<'_>,
) -> Result<shape::RemoveListenerCertificatesOutput, Error> {
    let state = draft.state();
    let mut listener = find::listener(state, ask.listener_arn.as_deref())?.as_ref().clone();
    check_secure(&listener)?;
    for certificate in ask.certificates.unwrap_or_default() {
        let arn = certificate.certificate_arn.unwrap_or_default();
        let is_default = listener.certificates.first() == Some(&arn);
        match others(&listener.certificates).iter().position(|it| *it == arn) {
            Some(place) => drop(listener.certificates.remove(place + 1)),
            None if is_default => {
                return Err(Error::OperationNotPermitted(format!(
                    "Default certificate '{arn}' cannot be removed"
                )));
            }
            None => {}
        }
    }
    draft.change(Change::from(listener));
    Ok(shape::RemoveListenerCertificatesOutput {})
}

/// `DescribeListenerCertificates`: the default one first, and once more if it was added, too.
///
/// # Errors
///
/// [`Error::ListenerNotFound`].
pub(super) fn describe_listener_certificates(
    state: &State,
    ask: shape::DescribeListenerCertificatesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeListenerCertificatesOutput, Error> {
    let listener = find::listener(state, ask.listener_arn.as_deref())?;
    let scope = format!("DescribeListenerCertificates {}", listener.arn);
    let page = Page::parse(scope, ask.marker.as_deref(), ask.page_size, PAGE)?;
    // Numbered, because the list has an order of its own.
    let numbered = (0..)
        .zip(&listener.certificates)
        .map(|(number, arn): (u32, _)| (format!("{number:04}"), arn));
    let rest = numbered.filter(|it| page.after().is_none_or(|after| &*it.0 > after));
    let (certificates, next_marker) = page.cut(rest, |it| it.0.clone());
    let place = |number: &str| if number == "0000" { Place::Default } else { Place::Other };
    let certificates =
        certificates.into_iter().map(|it| shown(Some(it.1.clone()), place(&it.0))).collect();
    Ok(shape::DescribeListenerCertificatesOutput { certificates: Some(certificates), next_marker })
}

/// The default certificate that a request names, for listeners that need one.
///
/// # Errors
///
/// [`Error::CertificateNotFound`]; one too many or too few.
pub(super) fn default_of(
    state: &State,
    asked: Option<Vec<shape::Certificate>>,
    secure: bool,
) -> Result<Vec<String>, Error> {
    let asked = asked.unwrap_or_default();
    match (secure, asked.as_slice()) {
        (false, []) => Ok(Vec::new()),
        (false, _) => Err(Error::configuration(
            "A certificate can be specified for HTTPS and TLS listeners only",
        )),
        (true, []) => {
            Err(Error::invalid("A certificate must be specified for HTTPS and TLS listeners"))
        }
        (true, [only]) => known(state, only).map(|it| vec![it]),
        (true, _) => Err(Error::configuration(
            "One default certificate can be specified; add others to the listener afterwards",
        )),
    }
}

/// What a listener has after its default certificate was set: the others stay.
pub(super) fn with_default(before: &[String], default: &[String]) -> Vec<String> {
    let Some(default) = default.first() else { return Vec::new() };
    core::iter::once(default).chain(others(before)).cloned().collect()
}

/// Those beside the default one, which may be among them.
fn others(certificates: &[String]) -> &[String] {
    certificates.get(1..).unwrap_or_default()
}

fn check_secure(listener: &Listener) -> Result<(), Error> {
    match listener.protocol {
        ListenerProtocol::Https | ListenerProtocol::Tls => Ok(()),
        ListenerProtocol::Http
        | ListenerProtocol::Tcp
        | ListenerProtocol::Udp
        | ListenerProtocol::TcpUdp => {
            Err(Error::configuration("Only HTTPS and TLS listeners have certificates"))
        }
    }
}

fn known(state: &State, certificate: &shape::Certificate) -> Result<String, Error> {
    let arn = certificate.certificate_arn.clone().unwrap_or_default();
    if state.certificates().contains_key(&arn) {
        return Ok(arn);
    }
    if arn.starts_with("arn:") && arn.contains(":certificate/") {
        return Err(Error::CertificateNotFound(format!("Certificate '{arn}' not found")));
    }
    Err(Error::invalid(format!("Certificate ARN '{arn}' is not valid")))
}

/// What a certificate is of a listener: the same one may be both.
enum Place {
    Default,
    Other,
}

fn shown(arn: Option<String>, place: Place) -> shape::Certificate {
    let is_default = Some(matches!(place, Place::Default));
    shape::Certificate { certificate_arn: arn, is_default }
}
