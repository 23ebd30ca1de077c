//! Listeners of load balancers.

use shapes::elb as shape;
use state::{Change, ClassicListener, ClassicProtocol, Context, Draft, State};

use super::limits::LISTENERS_MAX;
use super::{Error, find, policies};

/// `CreateLoadBalancerListeners`: one that is there as it is asked for stays.
///
/// # Errors
///
/// [`Error::DuplicateListener`], [`Error::CertificateNotFound`], [`Error::UnsupportedProtocol`],
/// [`Error::InvalidConfigurationRequest`].
pub(super) fn create_load_balancer_listeners(
    draft: &mut Draft<'_>,
    ask: shape::CreateLoadBalancerListenerInput,
    _: &mut Context<'_>,
) -> Result<shape::CreateLoadBalancerListenerOutput, Error> {
    let state = draft.state();
    let mut found = find::copy(state, ask.load_balancer_name.as_deref())?;
    let fresh = parse(state, &found.name, ask.listeners, &found.listeners)?;
    for listener in &fresh {
        policies::note_usual(&mut found.policies, listener);
    }
    found.listeners.extend(fresh);
    found.listeners = in_order(found.listeners);
    draft.change(Change::from(found));
    Ok(shape::CreateLoadBalancerListenerOutput {})
}

/// `DeleteLoadBalancerListeners`: ports that have none do not matter.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn delete_load_balancer_listeners(
    draft: &mut Draft<'_>,
    ask: shape::DeleteLoadBalancerListenerInput,
    _: &mut Context<'_>,
) -> Result<shape::DeleteLoadBalancerListenerOutput, Error> {
    let mut found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let ports = ask.load_balancer_ports.unwrap_or_default();
    found.listeners.retain(|it| !ports.contains(&i32::from(it.port)));
    draft.change(Change::from(found));
    Ok(shape::DeleteLoadBalancerListenerOutput {})
}

/// `SetLoadBalancerListenerSSLCertificate`.
///
/// # Errors
///
/// [`Error::ListenerNotFound`], [`Error::CertificateNotFound`],
/// [`Error::InvalidConfigurationRequest`] for listeners that have none.
pub(super) fn set_load_balancer_listener_ssl_certificate(
    draft: &mut Draft<'_>,
    ask: shape::SetLoadBalancerListenerSSLCertificateInput,
    _: &mut Context<'_>,
) -> Result<shape::SetLoadBalancerListenerSSLCertificateOutput, Error> {
    let state = draft.state();
    let mut found = find::copy(state, ask.load_balancer_name.as_deref())?;
    let listener = find::listener(&mut found, ask.load_balancer_port)?;
    if !is_secure(listener.protocol) {
        return Err(Error::configuration(format!(
            "The listener on port {} is not secure: only HTTPS and SSL listeners have certificates",
            listener.port
        )));
    }
    listener.certificate = Some(certificate(state, ask.ssl_certificate_id)?);
    draft.change(Change::from(found));
    Ok(shape::SetLoadBalancerListenerSSLCertificateOutput {})
}

/// Reads the listeners of a request: those that the load balancer of that name does not have yet.
///
/// # Errors
///
/// As [`create_load_balancer_listeners`] has them.
pub(super) fn parse(
    state: &State,
    name: &str,
    asked: Option<Vec<shape::Listener>>,
    has: &[ClassicListener],
) -> Result<Vec<ClassicListener>, Error> {
    let mut fresh: Vec<ClassicListener> = Vec::new();
    for asked in asked.unwrap_or_default() {
        let listener = one(state, asked)?;
        if fresh.iter().any(|it| it.port == listener.port && !is_same(it, &listener)) {
            return Err(Error::configuration(format!(
                "The request has more than one listener with LoadBalancerPort {}",
                listener.port
            )));
        }
        match has.iter().chain(&fresh).find(|it| it.port == listener.port) {
            Some(same) if is_same(same, &listener) => continue,
            Some(_) => {
                return Err(Error::DuplicateListener(format!(
                    "A listener already exists for {name} with LoadBalancerPort {}, but with a \
                     different InstancePort, Protocol, or SSLCertificateId",
                    listener.port
                )));
            }
            None => {}
        }
        if let Some(other) = has.iter().chain(&fresh).find(|it| disagrees(it, &listener)) {
            return Err(Error::configuration(format!(
                "The instance port {} is spoken to by the listener on port {} in another way: \
                 either all of its listeners are to be secure towards instances or none",
                listener.instance_port, other.port
            )));
        }
        fresh.push(listener);
    }
    if has.len() + fresh.len() > LISTENERS_MAX {
        return Err(Error::configuration(format!(
            "A load balancer can have at most {LISTENERS_MAX} listeners"
        )));
    }
    Ok(fresh)
}

/// Listeners in order of their ports.
pub(super) fn in_order(mut listeners: Vec<ClassicListener>) -> Vec<ClassicListener> {
    listeners.sort_by_key(|it| it.port);
    listeners
}

/// Whether a protocol is spoken over TLS.
pub(super) fn is_secure(protocol: ClassicProtocol) -> bool {
    matches!(protocol, ClassicProtocol::Https | ClassicProtocol::Ssl)
}

/// Whether a protocol is one of requests.
pub(super) fn is_http(protocol: ClassicProtocol) -> bool {
    matches!(protocol, ClassicProtocol::Http | ClassicProtocol::Https)
}

/// A protocol by its name, in whatever case.
pub(super) fn protocol(name: &str) -> Option<ClassicProtocol> {
    match name.to_ascii_uppercase().as_str() {
        "HTTP" => Some(ClassicProtocol::Http),
        "HTTPS" => Some(ClassicProtocol::Https),
        "TCP" => Some(ClassicProtocol::Tcp),
        "SSL" => Some(ClassicProtocol::Ssl),
        _ => None,
    }
}

fn one(state: &State, asked: shape::Listener) -> Result<ClassicListener, Error> {
    let spoken = |name: Option<String>| match name {
        None => Ok(None),
        Some(name) => protocol(&name).map(Some).ok_or_else(|| {
            Error::UnsupportedProtocol(format!(
                "The protocol '{name}' is not supported: it must be one of HTTP, HTTPS, TCP, SSL"
            ))
        }),
    };
    let Some(protocol) = spoken(asked.protocol)? else {
        return Err(Error::invalid("A listener must have a Protocol"));
    };
    let bare = if is_http(protocol) { ClassicProtocol::Http } else { ClassicProtocol::Tcp };
    let instance_protocol = spoken(asked.instance_protocol)?.unwrap_or(bare);
    if is_http(protocol) != is_http(instance_protocol) {
        return Err(Error::invalid(
            "Protocol and InstanceProtocol of a listener must be of the same layer: HTTP and HTTPS, \
             or TCP and SSL",
        ));
    }
    let port = |given: Option<i32>, what: &str| {
        let port = given.and_then(|it| u16::try_from(it).ok()).filter(|it| *it > 0);
        port.ok_or_else(|| {
            Error::invalid(format!("{what} port must be between 1 and 65535 inclusive"))
        })
    };
    let named = asked.ssl_certificate_id.filter(|it| !it.is_empty());
    let certificate = match (is_secure(protocol), named) {
        (true, Some(arn)) => Some(certificate(state, Some(arn))?),
        (true, None) => {
            return Err(Error::invalid("Secure Listeners need to specify a SSLCertificateId"));
        }
        (false, Some(_)) => {
            return Err(Error::invalid("Only secure Listeners can specify a SSLCertificateId"));
        }
        (false, None) => None,
    };
    let policies = if certificate.is_some() { policies::usual() } else { Vec::new() };
    Ok(ClassicListener {
        protocol,
        port: port(asked.load_balancer_port, "Load Balancer")?,
        instance_protocol,
        instance_port: port(asked.instance_port, "Instance")?,
        certificate,
        policies,
    })
}

fn certificate(state: &State, arn: Option<String>) -> Result<String, Error> {
    let arn = arn.unwrap_or_default();
    match state.certificates().contains_key(&arn) {
        true => Ok(arn),
        false => Err(Error::CertificateNotFound(format!(
            "Server Certificate not found for the key: {arn}"
        ))),
    }
}

/// Whether two listeners are one and the same, whatever policies they have.
fn is_same(one: &ClassicListener, other: &ClassicListener) -> bool {
    ClassicListener { policies: Vec::new(), ..one.clone() }
        == ClassicListener { policies: Vec::new(), ..other.clone() }
}

/// Whether two listeners want one port of the instances to be spoken to with TLS and without.
fn disagrees(one: &ClassicListener, other: &ClassicListener) -> bool {
    one.instance_port == other.instance_port
        && is_secure(one.instance_protocol) != is_secure(other.instance_protocol)
}
