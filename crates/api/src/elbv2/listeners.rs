//! Listeners: made, changed, described and deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use shapes::elbv2 as shape;
use shapes::stored;
use state::{
    Action, Change, Context, Draft, Listener, ListenerProtocol, LoadBalancer, LoadBalancerKind,
    ProtocolVersion, Rule, State,
};

use super::error::PAGE;
use super::{Error, actions, certificates, find, policies, tags, view};
use crate::page::Page;

/// Listeners of one load balancer. Source: handbook 7.1.
const LISTENERS_MAX: usize = 50;
/// What TLS listeners of network load balancers can be asked to prefer. Source: model prose removed;
/// Network Load Balancers User Guide, "ALPN policies".
const ALPN_POLICIES: [&str; 5] =
    ["HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"];

/// `CreateListener`: one at that port with the same settings is answered as it is.
///
/// # Errors
///
/// [`Error::DuplicateListener`], [`Error::TooManyListeners`], and settings that do not go together.
pub(super) fn create_listener(
    draft: &mut Draft<'_>,
    ask: shape::CreateListenerInput,
    context: &mut Context<'_>,
) -> Result<shape::CreateListenerOutput, Error> {
    let state = draft.state();
    let load_balancer = find::load_balancer(state, ask.load_balancer_arn.as_deref())?.clone();
    let asked = Asked::parse(state, &load_balancer, ask)?;
    let standing = find::listeners(state, &load_balancer.arn).find(|it| clashes(it, &asked));
    if let Some(standing) = standing {
        let action = default_rule(state, &standing.arn).map(|it| &it.action);
        let is_same = asked.same_as(standing) && action == Some(&asked.action);
        if !is_same {
            return Err(Error::DuplicateListener(format!(
                "A listener already exists on this port for this load balancer '{}'",
                load_balancer.arn
            )));
        }
        let shown = view::listener(state, standing);
        return Ok(shape::CreateListenerOutput { listeners: Some(vec![shown]) });
    }
    if find::listeners(state, &load_balancer.arn).count() >= LISTENERS_MAX {
        return Err(Error::TooManyListeners(format!(
            "A load balancer can have at most {LISTENERS_MAX} listeners"
        )));
    }
    check_shared_port(state, &load_balancer, &asked)?;
    view::check_groups(state, &load_balancer.arn, &asked.action)?;
    let tail = load_balancer.arn.split_once(":loadbalancer/").map_or("", |it| it.1);
    let arn = find::new_arn(state, &format!("listener/{tail}"), context);
    let rule_arn = find::new_arn(state, &format!("listener-rule/{}", tail_of(&arn)), context);
    let listener = asked.listener(arn, load_balancer.arn.clone());
    let rule = Rule {
        arn: rule_arn,
        listener: listener.arn.clone(),
        priority: None,
        conditions: Vec::new(),
        action: asked.action,
        transforms: Vec::new(),
        spec: spec(asked.actions),
        tags: Vec::new(),
    };
    draft.change(Change::from(listener.clone()));
    draft.change(Change::from(rule));
    let shown = view::listener(draft.state(), &listener);
    Ok(shape::CreateListenerOutput { listeners: Some(vec![shown]) })
}

/// `DeleteListener`: with its rules. One that is gone is not found.
///
/// # Errors
///
/// [`Error::ListenerNotFound`].
pub(super) fn delete_listener(
    draft: &mut Draft<'_>,
    ask: shape::DeleteListenerInput,
    _: &mut Context<'_>,
) -> Result<shape::DeleteListenerOutput, Error> {
    let listener = find::listener(draft.state(), ask.listener_arn.as_deref())?.arn.clone();
    remove(draft, &listener);
    Ok(shape::DeleteListenerOutput {})
}

/// Takes a listener and its rules away, as far as there is room. What is left has nothing that it
/// is part of; a reconciler takes it away.
pub(super) fn remove(draft: &mut Draft<'_>, listener: &str) {
    if draft.room() == 0 {
        return;
    }
    draft.change(Change::Listener(listener.to_owned(), None));
    let rules = find::rules(draft.state(), listener).map(|it| it.arn.clone());
    let rules: Vec<String> = rules.take(draft.room()).collect();
    for rule in rules {
        draft.change(Change::Rule(rule, None));
    }
}

/// `DescribeListeners`: of one load balancer, or those named.
///
/// # Errors
///
/// [`Error::ListenerNotFound`], [`Error::LoadBalancerNotFound`].
pub(super) fn describe_listeners(
    state: &State,
    ask: shape::DescribeListenersInput,
    _: &Context<'_>,
) -> Result<shape::DescribeListenersOutput, Error> {
    let named = ask.listener_arns.unwrap_or_default();
    let mut listeners: Vec<&Arc<Listener>> = match (&ask.load_balancer_arn, named.as_slice()) {
        (Some(arn), []) => {
            let load_balancer = find::load_balancer(state, Some(arn))?;
            find::listeners(state, &load_balancer.arn).collect()
        }
        (None, [_, ..]) => {
            let with_arn = |arn: &String| match find::listener(state, Some(arn)) {
                Err(Error::ListenerNotFound(_)) => {
                    Err(Error::ListenerNotFound("One or more listeners not found".into()))
                }
                other => other,
            };
            named.iter().map(with_arn).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(Error::invalid(
                "You must specify either listener ARNs or a load balancer ARN",
            ));
        }
    };
    find::in_order(&mut listeners, |it| &it.arn);
    let scope = format!("DescribeListeners {:?}", ask.load_balancer_arn);
    let page = Page::parse(scope, ask.marker.as_deref(), ask.page_size, PAGE)?;
    let rest = listeners.into_iter().filter(|it| page.after().is_none_or(|after| *it.arn > *after));
    let (listeners, next_marker) = page.cut(rest, |it| it.arn.clone());
    let listeners = listeners.into_iter().map(|it| view::listener(state, it)).collect();
    Ok(shape::DescribeListenersOutput { listeners: Some(listeners), next_marker })
}

/// `ModifyListener`: what is given replaces what was.
///
/// # Errors
///
/// [`Error::DuplicateListener`], and settings that do not go together.
pub(super) fn modify_listener(
    draft: &mut Draft<'_>,
    ask: shape::ModifyListenerInput,
    _: &mut Context<'_>,
) -> Result<shape::ModifyListenerOutput, Error> {
    let state = draft.state();
    let before = find::listener(state, ask.listener_arn.as_deref())?.clone();
    let load_balancer = find::of_listener(state, &before)?.clone();
    let rule = default_rule(state, &before.arn).map(|it| it.as_ref().clone());
    let shown = view::listener(state, &before);
    let sent = ask.default_actions.clone().map(spec);
    let moves = ask.protocol.is_some();
    let over = shape::CreateListenerInput {
        load_balancer_arn: Some(load_balancer.arn.clone()),
        port: ask.port.or(Some(i32::from(before.port))),
        protocol: ask.protocol.or(shown.protocol),
        // A change of the protocol does not take over what the old one needed.
        ssl_policy: ask.ssl_policy.or(shown.ssl_policy.filter(|_| !moves)),
        certificates: ask.certificates.or(shown.certificates),
        alpn_policy: ask.alpn_policy.or(shown.alpn_policy.filter(|_| !moves)),
        default_actions: ask.default_actions.or(shown.default_actions),
        mutual_authentication: ask.mutual_authentication,
        tags: None,
    };
    let asked = Asked::parse(state, &load_balancer, over)?;
    let is_taken = find::listeners(state, &load_balancer.arn)
        .any(|it| it.arn != before.arn && clashes(it, &asked));
    if is_taken {
        return Err(Error::DuplicateListener(format!(
            "A listener already exists on this port for this load balancer '{}'",
            load_balancer.arn
        )));
    }
    if asked.port != before.port {
        check_shared_port(state, &load_balancer, &asked)?;
    }
    view::check_groups(state, &load_balancer.arn, &asked.action)?;
    let action = asked.action.clone();
    let fresh = asked.listener(before.arn.clone(), before.load_balancer.clone());
    let certificates = certificates::with_default(&before.certificates, &fresh.certificates);
    let after = Listener {
        certificates,
        attributes: before.attributes.clone(),
        tags: before.tags.clone(),
        ..fresh
    };
    draft.change(Change::from(after.clone()));
    if let Some(rule) = rule {
        let spec = sent.unwrap_or_else(|| rule.spec.clone());
        draft.change(Change::from(Rule { action, spec, ..rule }));
    }
    let shown = view::listener(draft.state(), &after);
    Ok(shape::ModifyListenerOutput { listeners: Some(vec![shown]) })
}

fn default_rule<'a>(state: &'a State, listener: &str) -> Option<&'a Arc<Rule>> {
    find::rules(state, listener).find(|it| it.priority.is_none())
}

/// The default rule's actions as they were sent.
fn spec(actions: Vec<shape::Action>) -> Vec<u8> {
    stored::to_vec(&shape::CreateRuleInput { actions: Some(actions), ..Default::default() })
}

fn tail_of(listener: &str) -> &str {
    listener.split_once(":listener/").map_or("", |it| it.1)
}

/// What a request asks for, checked.
struct Asked {
    protocol: ListenerProtocol,
    port: u16,
    certificates: Vec<String>,
    ssl_policy: Option<String>,
    alpn_policy: Option<String>,
    action: Action,
    /// That action as it was sent.
    actions: Vec<shape::Action>,
    tags: Vec<state::Tag>,
}

impl Asked {
    fn parse(
        state: &State,
        load_balancer: &LoadBalancer,
        ask: shape::CreateListenerInput,
    ) -> Result<Self, Error> {
        let Some(port) = ask.port.and_then(|it| u16::try_from(it).ok()).filter(|it| *it > 0) else {
            return Err(Error::invalid("A listener port must be specified"));
        };
        let protocol = protocol(ask.protocol.as_ref(), load_balancer.kind)?;
        let secure = matches!(protocol, ListenerProtocol::Https | ListenerProtocol::Tls);
        let asks_authentication =
            ask.mutual_authentication.as_ref().and_then(|it| it.mode.as_deref());
        if asks_authentication.is_some_and(|it| it != "off") {
            return Err(Error::unsupported("Listeners with mutual authentication"));
        }
        let certificates = certificates::default_of(state, ask.certificates, secure)?;
        let ssl_policy = match (secure, ask.ssl_policy) {
            (true, Some(name)) => Some(policies::known(&name, load_balancer.kind)?),
            (true, None) => Some(policies::DEFAULT.to_owned()),
            (false, Some(_)) => {
                return Err(Error::configuration(
                    "A security policy can be specified for HTTPS and TLS listeners only",
                ));
            }
            (false, None) => None,
        };
        let alpn_policy = alpn_policy(ask.alpn_policy, protocol)?;
        let actions = ask.default_actions.unwrap_or_default();
        let action = actions::parse(state, &actions, load_balancer.kind)?;
        check_protocols(state, protocol, &action)?;
        let tags = tags::parse(ask.tags)?;
        Ok(Self { protocol, port, certificates, ssl_policy, alpn_policy, action, actions, tags })
    }

    fn same_as(&self, standing: &Listener) -> bool {
        self.protocol == standing.protocol
            && self.port == standing.port
            && self.certificates.first() == standing.certificates.first()
            && self.ssl_policy == standing.ssl_policy
            && self.alpn_policy == standing.alpn_policy
    }

    fn listener(&self, arn: String, load_balancer: String) -> Listener {
        Listener {
            arn,
            load_balancer,
            protocol: self.protocol,
            port: self.port,
            certificates: self.certificates.clone(),
            ssl_policy: self.ssl_policy.clone(),
            alpn_policy: self.alpn_policy.clone(),
            attributes: BTreeMap::new(),
            tags: self.tags.clone(),
        }
    }
}

/// Whether a listener has a port that is asked for.
fn clashes(standing: &Listener, asked: &Asked) -> bool {
    standing.port == asked.port && shares_transport(standing.protocol, asked.protocol)
}

fn shares_transport(one: ListenerProtocol, other: ListenerProtocol) -> bool {
    let transports = |it| match it {
        ListenerProtocol::Udp => (false, true),
        ListenerProtocol::TcpUdp => (true, true),
        ListenerProtocol::Http
        | ListenerProtocol::Https
        | ListenerProtocol::Tcp
        | ListenerProtocol::Tls => (true, false),
    };
    let (one, other) = (transports(one), transports(other));
    (one.0 && other.0) || (one.1 && other.1)
}

/// Where balancers serve every load balancer on addresses of their machines too, a port can be of
/// one load balancer only.
fn check_shared_port(
    state: &State,
    load_balancer: &LoadBalancer,
    asked: &Asked,
) -> Result<(), Error> {
    let Some(shared) = state.balancers().values().find_map(|it| it.addresses.first()) else {
        return Ok(());
    };
    let mut others = state.listeners().values().filter(|it| it.load_balancer != load_balancer.arn);
    match others.find(|it| clashes(it, asked)) {
        None => Ok(()),
        Some(holder) => Err(Error::configuration(format!(
            "Port {} of {shared} is in use by load balancer '{}': every load balancer of this \
             region listens on that address too. Choose another port, or delete that listener",
            asked.port, holder.load_balancer
        ))),
    }
}

fn protocol(
    asked: Option<&shape::ProtocolEnum>,
    kind: LoadBalancerKind,
) -> Result<ListenerProtocol, Error> {
    let Some(asked) = asked else {
        return Err(Error::invalid("A listener protocol must be specified"));
    };
    match (asked.as_str(), kind) {
        ("HTTP", LoadBalancerKind::Application) => Ok(ListenerProtocol::Http),
        ("HTTPS", LoadBalancerKind::Application) => Ok(ListenerProtocol::Https),
        ("TCP", LoadBalancerKind::Network) => Ok(ListenerProtocol::Tcp),
        ("TLS", LoadBalancerKind::Network) => Ok(ListenerProtocol::Tls),
        ("UDP", LoadBalancerKind::Network) => Ok(ListenerProtocol::Udp),
        ("TCP_UDP", LoadBalancerKind::Network) => Ok(ListenerProtocol::TcpUdp),
        ("QUIC" | "TCP_QUIC" | "GENEVE", _) => Err(Error::unsupported("QUIC and GENEVE listeners")),
        (other, LoadBalancerKind::Application) => {
            Err(Error::invalid(format!("Listener protocol '{other}' must be one of 'HTTP, HTTPS'")))
        }
        (other, LoadBalancerKind::Network) => Err(Error::invalid(format!(
            "Listener protocol '{other}' must be one of 'UDP, TCP, TLS, TCP_UDP'"
        ))),
    }
}

fn alpn_policy(
    asked: Option<Vec<String>>,
    protocol: ListenerProtocol,
) -> Result<Option<String>, Error> {
    let mut names = asked.unwrap_or_default().into_iter();
    match (names.next(), names.next()) {
        (None, _) => Ok(None),
        (Some(_), _) if protocol != ListenerProtocol::Tls => {
            Err(Error::configuration("An ALPN policy can be specified for TLS listeners only"))
        }
        (Some(name), None) if ALPN_POLICIES.contains(&name.as_str()) => Ok(Some(name)),
        (Some(name), None) => {
            Err(Error::AlpnPolicyNotFound(format!("ALPN policy '{name}' is not supported")))
        }
        (Some(_), Some(_)) => Err(Error::invalid("One ALPN policy can be specified")),
    }
}

/// Whether a listener's protocol and its groups' go together.
///
/// Source: Application Load Balancers User Guide, "Protocol version": HTTP/2 and gRPC groups take
/// what comes in over HTTPS only.
pub(super) fn check_protocols(
    state: &State,
    protocol: ListenerProtocol,
    action: &Action,
) -> Result<(), Error> {
    use state::TargetProtocol::{Http, Https, Tcp, TcpUdp, Tls, Udp};
    let Action::Forward { groups, .. } = action else { return Ok(()) };
    for group in groups {
        let group = find::target_group(state, Some(&group.group))?;
        let fits = match (protocol, group.protocol) {
            (ListenerProtocol::Http | ListenerProtocol::Https, Http | Https)
            | (ListenerProtocol::Udp, Udp | TcpUdp)
            | (ListenerProtocol::TcpUdp, TcpUdp)
            | (ListenerProtocol::Tcp, Tcp | TcpUdp)
            | (ListenerProtocol::Tls, Tcp | Tls) => true,
            (
                ListenerProtocol::Http
                | ListenerProtocol::Https
                | ListenerProtocol::Udp
                | ListenerProtocol::TcpUdp
                | ListenerProtocol::Tcp
                | ListenerProtocol::Tls,
                _,
            ) => false,
        };
        if !fits {
            return Err(Error::IncompatibleProtocols(format!(
                "Listener protocol '{}' is not supported with a target group with the protocol of \
                 '{}'",
                view::listener_protocol(protocol),
                view::target_protocol(group.protocol)
            )));
        }
        if protocol == ListenerProtocol::Http
            && let Some(version @ (ProtocolVersion::Http2 | ProtocolVersion::Grpc)) = group.version
        {
            return Err(Error::configuration(format!(
                "Listener protocol 'HTTP' is not supported with a target group with the \
                 protocol-version '{}'",
                view::protocol_version(version)
            )));
        }
    }
    Ok(())
}
