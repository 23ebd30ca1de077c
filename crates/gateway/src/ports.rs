//! A port that a listener is about to have: balancers are asked to open it before the listener is
//! written, so that a port in use is an error of the request.

use std::net::IpAddr;

use shapes::{elb, elbv2 as shape};
use state::State;
use types::Protocol;
use wire::{Fault, Incoming, Route};

use crate::answer::put;
use crate::door::Door;

/// What balancers are to open.
struct Wanted {
    addresses: Vec<IpAddr>,
    port: u16,
    transports: Vec<Protocol>,
}

/// Asks the balancers, if a request makes or moves a listener.
///
/// # Errors
///
/// `InvalidConfigurationRequest` if one of them cannot open the port. Requests that are wrong in
/// other ways pass: their operation refuses them.
pub(crate) async fn reserve(
    door: &Door,
    incoming: &Incoming<'_>,
    route: &Route,
) -> Result<(), Fault> {
    let asked = match (route.service.name, route.operation.name) {
        ("elbv2", "CreateListener") => created(incoming, route),
        ("elbv2", "ModifyListener") => modified(incoming, route),
        ("elb", "CreateLoadBalancerListeners") => classic(incoming, route),
        _ => return Ok(()),
    };
    let Some(asked) = asked else { return Ok(()) };
    for wanted in put(door, move |core| asked.wanted(core.state()).unwrap_or_default()).await? {
        let Wanted { addresses, port, transports } = &wanted;
        let answer = door.balancers.reserve(addresses, *port, transports).await;
        answer.map_err(|refused| {
            let text = format!("Port {port} cannot be listened on: {refused}");
            Fault::new("InvalidConfigurationRequest", text)
        })?;
    }
    Ok(())
}

/// Waits until the balancers serve the listener that a request has made or changed, so that whoever
/// has the answer may connect. Bounded; a balancer that is late shows in its status.
pub(crate) async fn served(door: &Door, route: &Route) {
    let is_told = match route.service.name {
        "elbv2" => ["CreateListener", "ModifyListener"].contains(&route.operation.name),
        "elb" => {
            ["CreateLoadBalancer", "CreateLoadBalancerListeners"].contains(&route.operation.name)
        }
        _ => false,
    };
    if is_told {
        door.balancers.served().await;
    }
}

/// What a request says of the port.
enum Asked {
    New {
        load_balancer: String,
        port: u16,
        protocol: String,
    },
    Moved {
        listener: String,
        port: Option<u16>,
        protocol: Option<String>,
    },
    /// Of a Classic Load Balancer.
    Classic {
        load_balancer: String,
        ports: Vec<u16>,
    },
}

fn created(incoming: &Incoming<'_>, route: &Route) -> Option<Asked> {
    let mut ask = shape::CreateListenerInput::default();
    route.decode_into(incoming, &mut ask).ok()?;
    Some(Asked::New {
        load_balancer: ask.load_balancer_arn?,
        port: ask.port.and_then(|it| u16::try_from(it).ok())?,
        protocol: ask.protocol?.as_str().to_owned(),
    })
}

fn modified(incoming: &Incoming<'_>, route: &Route) -> Option<Asked> {
    let mut ask = shape::ModifyListenerInput::default();
    route.decode_into(incoming, &mut ask).ok()?;
    let port = ask.port.and_then(|it| u16::try_from(it).ok());
    let protocol = ask.protocol.map(|it| it.as_str().to_owned());
    (port.is_some() || protocol.is_some()).then_some(())?;
    Some(Asked::Moved { listener: ask.listener_arn?, port, protocol })
}

fn classic(incoming: &Incoming<'_>, route: &Route) -> Option<Asked> {
    let mut ask = elb::CreateLoadBalancerListenerInput::default();
    route.decode_into(incoming, &mut ask).ok()?;
    let ports = ask.listeners?.into_iter().filter_map(|it| it.load_balancer_port);
    let ports = ports.filter_map(|it| u16::try_from(it).ok()).filter(|it| *it > 0).collect();
    Some(Asked::Classic { load_balancer: ask.load_balancer_name?, ports })
}

impl Asked {
    /// `None` where something that the request names is not there.
    fn wanted(self, state: &State) -> Option<Vec<Wanted>> {
        let (load_balancer, port, transports) = match self {
            Self::Classic { load_balancer, ports } => {
                let found = state.classic_load_balancers().get(&load_balancer)?;
                let is_new = |port: &u16| found.listeners.iter().all(|it| it.port != *port);
                let wanted = |port| Wanted {
                    addresses: found.nodes.iter().map(|it| it.address).collect(),
                    port,
                    transports: vec![Protocol::Tcp],
                };
                return Some(ports.into_iter().filter(is_new).map(wanted).collect());
            }
            Self::New { load_balancer, port, protocol } => {
                (load_balancer, port, transports_named(&protocol)?)
            }
            Self::Moved { listener, port, protocol } => {
                let standing = state.listeners().get(&listener)?;
                let transports = match protocol {
                    Some(name) => transports_named(&name)?,
                    None => transports_of(standing.protocol),
                };
                (standing.load_balancer.clone(), port.unwrap_or(standing.port), transports)
            }
        };
        let nodes = &state.load_balancers().get(&load_balancer)?.nodes;
        let addresses = nodes.iter().map(|it| it.address).collect();
        Some(vec![Wanted { addresses, port, transports }])
    }
}

fn transports_named(protocol: &str) -> Option<Vec<Protocol>> {
    match protocol {
        "HTTP" | "HTTPS" | "TCP" | "TLS" => Some(vec![Protocol::Tcp]),
        "UDP" => Some(vec![Protocol::Udp]),
        "TCP_UDP" => Some(vec![Protocol::Tcp, Protocol::Udp]),
        _ => None,
    }
}

fn transports_of(protocol: state::ListenerProtocol) -> Vec<Protocol> {
    use state::ListenerProtocol::{Http, Https, Tcp, TcpUdp, Tls, Udp};
    match protocol {
        Http | Https | Tcp | Tls => vec![Protocol::Tcp],
        Udp => vec![Protocol::Udp],
        TcpUdp => vec![Protocol::Tcp, Protocol::Udp],
    }
}
