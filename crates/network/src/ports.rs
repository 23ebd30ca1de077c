//! Which host ports of an instance are held, by whom, and which one comes next.

use std::collections::BTreeMap;

use types::Port;

use crate::attachment::{Binding, HostPorts, Id, PortMapping, PortSpan};
use crate::error::Error;

/// Host ports of one container. Each is an element of a kernel map, put in one transaction.
const PORTS_PER_CONTAINER_MAX: usize = 2_000;

/// The dynamic range where the kernel does not say one. Source: handbook 3.4.
pub(crate) const DYNAMIC_FALLBACK: (u16, u16) = (49_153, 65_535);

/// The host ports of one instance.
#[derive(Debug)]
pub(crate) struct Ports {
    dynamic: PortSpan,
    /// Where the search for dynamic ports goes on, so that a port just let go rests a while:
    /// clients may still send to it.
    next: u16,
    held: BTreeMap<Port, Id>,
}

impl Ports {
    /// No port is held.
    pub(crate) fn new(dynamic: PortSpan) -> Self {
        Self { dynamic, next: dynamic.first(), held: BTreeMap::new() }
    }

    /// Holds ports that are known to be bound already.
    pub(crate) fn hold(&mut self, id: &Id, bindings: &[Binding]) {
        for port in bindings.iter().flat_map(ports) {
            self.held.insert(port, id.clone());
        }
    }

    /// Lets go of every port of that container.
    pub(crate) fn release(&mut self, id: &Id) {
        self.held.retain(|_, holder| holder != id);
    }

    /// Finds and holds a host port for every mapping, or holds nothing.
    ///
    /// `busy` says whether a process of the instance itself uses the port.
    pub(crate) fn claim(
        &mut self,
        id: &Id,
        mappings: &[PortMapping],
        mut busy: impl FnMut(Port) -> bool,
    ) -> Result<Vec<Binding>, Error> {
        let wanted = mappings.iter().map(|it| it.container.count()).sum();
        if wanted > PORTS_PER_CONTAINER_MAX {
            return Err(Error::TooManyPorts { wanted, limit: PORTS_PER_CONTAINER_MAX });
        }
        let mut bindings = Vec::with_capacity(mappings.len());
        // Static ports first: a dynamic one must not sit where a later mapping has to be.
        let (fixed, floating): (Vec<_>, Vec<_>) = (0..mappings.len())
            .zip(mappings)
            .partition(|(_, it)| matches!(it.host, HostPorts::Static(_)));
        for (place, mapping) in fixed.into_iter().chain(floating) {
            let found = match mapping.host {
                HostPorts::Static(first) => self.fixed(mapping, first, &mut busy),
                HostPorts::Dynamic => self.floating(mapping, &mut busy),
            };
            let host = match found {
                Ok(host) => host,
                Err(error) => {
                    self.release(id);
                    return Err(error);
                }
            };
            let binding =
                Binding { protocol: mapping.protocol, container: mapping.container, host };
            self.hold(id, &[binding]);
            bindings.push((place, binding));
        }
        bindings.sort_unstable();
        Ok(bindings.into_iter().map(|(_, binding)| binding).collect())
    }

    fn fixed(
        &self,
        mapping: &PortMapping,
        first: u16,
        busy: &mut impl FnMut(Port) -> bool,
    ) -> Result<PortSpan, Error> {
        let past_the_end = || Error::Invalid {
            text: format!("{first}"),
            wanted: "a first host port with room for the whole range after it",
        };
        let host = PortSpan::one(first)
            .ok()
            .and_then(|_| mapping.container.moved_to(first))
            .ok_or_else(past_the_end)?;
        for number in host.ports() {
            let port = Port { protocol: mapping.protocol, number };
            if self.held.contains_key(&port) || busy(port) {
                return Err(Error::PortInUse(port));
            }
        }
        Ok(host)
    }

    /// The first free span at or after `next`, once around the dynamic range.
    fn floating(
        &mut self,
        mapping: &PortMapping,
        busy: &mut impl FnMut(Port) -> bool,
    ) -> Result<PortSpan, Error> {
        let (first, last) = (self.dynamic.first(), self.dynamic.last());
        let host = self
            .search(mapping, self.next, last, busy)
            .or_else(|| self.search(mapping, first, self.next, busy))
            .ok_or(Error::NoPorts { wanted: mapping.container.count() })?;
        self.next = host.last().checked_add(1).filter(|it| *it <= last).unwrap_or(first);
        Ok(host)
    }

    /// The first free span that starts from `from` to `to`. Each port is looked at once or twice,
    /// however long the span: behind a taken one the search goes on.
    fn search(
        &self,
        mapping: &PortMapping,
        from: u16,
        to: u16,
        busy: &mut impl FnMut(Port) -> bool,
    ) -> Option<PortSpan> {
        let mut first = from;
        while first <= to {
            let host = mapping.container.moved_to(first)?;
            if host.last() > self.dynamic.last() {
                return None;
            }
            let taken = host.ports().rev().find(|number| {
                let port = Port { protocol: mapping.protocol, number: *number };
                self.held.contains_key(&port) || busy(port)
            });
            match taken {
                None => return Some(host),
                Some(taken) => first = taken.checked_add(1)?,
            }
        }
        None
    }
}

/// The host ports of a binding one by one.
fn ports(binding: &Binding) -> impl Iterator<Item = Port> + use<> {
    let protocol = binding.protocol;
    binding.host.ports().map(move |number| Port { protocol, number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Protocol;

    fn id(text: &str) -> Id {
        Id::parse(text).expect("an id")
    }

    fn span(first: u16, last: u16) -> PortSpan {
        PortSpan::new(first, last).expect("a span")
    }

    fn tcp(container: PortSpan, host: HostPorts) -> PortMapping {
        PortMapping { protocol: Protocol::Tcp, container, host }
    }

    fn firsts(bindings: &[Binding]) -> Vec<u16> {
        bindings.iter().map(|it| it.host.first()).collect()
    }

    #[test]
    fn dynamic_ports_go_round_the_range() {
        let mut ports = Ports::new(span(100, 102));
        let wish = [tcp(span(80, 80), HostPorts::Dynamic)];
        for (name, expected) in [("a", 100), ("b", 101)] {
            let bindings = ports.claim(&id(name), &wish, |_| false).expect("room");
            assert_eq!(firsts(&bindings), [expected]);
        }
        ports.release(&id("a"));
        for (name, expected) in [("c", 102), ("d", 100)] {
            let bindings = ports.claim(&id(name), &wish, |_| false).expect("room");
            assert_eq!(firsts(&bindings), [expected]);
        }
        assert!(matches!(
            ports.claim(&id("e"), &wish, |_| false),
            Err(Error::NoPorts { wanted: 1 })
        ));
    }

    #[test]
    fn a_range_is_mapped_to_ports_in_a_row() {
        let mut ports = Ports::new(span(100, 109));
        ports.hold(
            &id("x"),
            &[Binding { protocol: Protocol::Tcp, container: span(1, 1), host: span(102, 102) }],
        );
        let wish = [tcp(span(8000, 8003), HostPorts::Dynamic)];
        let bindings = ports.claim(&id("a"), &wish, |_| false).expect("room");
        assert_eq!(bindings[0].host, span(103, 106));
        assert!(matches!(
            ports.claim(&id("b"), &wish, |_| false),
            Err(Error::NoPorts { wanted: 4 })
        ));
        let udp = [PortMapping { protocol: Protocol::Udp, ..wish[0] }];
        assert_eq!(
            ports.claim(&id("c"), &udp, |_| false).expect("udp is apart")[0].host,
            span(100, 103)
        );
    }

    #[test]
    fn a_refused_claim_holds_nothing() {
        let mut ports = Ports::new(span(100, 109));
        let wish = [
            tcp(span(1, 1), HostPorts::Dynamic),
            tcp(span(2, 2), HostPorts::Static(80)),
            tcp(span(3, 3), HostPorts::Static(81)),
        ];
        let busy = |port: Port| port.number == 81;
        assert!(matches!(
            ports.claim(&id("a"), &wish, busy),
            Err(Error::PortInUse(port)) if port == Port::tcp(81)
        ));
        assert!(ports.held.is_empty());
        let bindings = ports.claim(&id("a"), &wish, |_| false).expect("room");
        assert_eq!(firsts(&bindings), [100, 80, 81]);
    }

    #[test]
    fn busy_ports_of_the_instance_are_stepped_over() {
        let mut ports = Ports::new(span(100, 109));
        let wish = [tcp(span(1, 2), HostPorts::Dynamic)];
        let bindings = ports.claim(&id("a"), &wish, |it| it.number < 104).expect("room");
        assert_eq!(firsts(&bindings), [104]);
    }

    #[test]
    fn spans_that_leave_the_port_space_are_refused() {
        let mut ports = Ports::new(span(65_530, 65_535));
        let wish = [tcp(span(1, 10), HostPorts::Static(65_530))];
        assert!(matches!(ports.claim(&id("a"), &wish, |_| false), Err(Error::Invalid { .. })));
        let wish = [tcp(span(1, 10), HostPorts::Dynamic)];
        assert!(matches!(ports.claim(&id("a"), &wish, |_| false), Err(Error::NoPorts { .. })));
        let wish = [tcp(span(1, 60_000), HostPorts::Dynamic)];
        assert!(matches!(
            ports.claim(&id("a"), &wish, |_| false),
            Err(Error::TooManyPorts { wanted: 60_000, .. })
        ));
    }
}
