//! Ready-made namespaces: the slow part of an attachment, done before it is asked for.
//!
//! A slot has no name in the file system; only its open file keeps it. If the process dies, the
//! kernel clears it away.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::address::{Ipv4Range, Mac};
use crate::attachment::Interface;
use crate::element::{Element, Elements};
use crate::error::{Doing, Error};
use crate::flow::Flows;
use crate::link::{Bridge, Links, Pair, Peer, exists};
use crate::namespace::Namespace;
use crate::ruleset::{LINK_LOCAL, PORT_PREFIX, SPEAKERS, TASK_ENDPOINT};
use crate::sysctl;

/// What containers call their interface.
const INTERFACE: &str = "eth0";
/// Everything.
const ANYWHERE: Ipv4Range = Ipv4Range::around(Ipv4Addr::UNSPECIFIED, 0);
const ENDPOINT: Ipv4Range = Ipv4Range::around(TASK_ENDPOINT, 32);

/// How a slot will be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everything is set up, down to the address.
    Bridge,
    /// The interface hangs on the VPC's bridge and waits for its addresses.
    Vpc,
    /// Only the loopback interface.
    Isolated,
}

/// A namespace with its interface, not yet given to anyone.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) namespace: Namespace,
    /// The inside.
    links: Links,
    /// The outer end of its interface.
    pub(crate) link: Option<String>,
    /// Set from the start in bridge mode only.
    pub(crate) address: Option<Ipv4Addr>,
}

impl Slot {
    /// The element that lets it speak, once it has an address.
    pub(crate) fn speaker(&self) -> Option<Element> {
        let address = self.address?;
        Some(Element::speaker(self.link.as_ref()?, Mac::of(address), address))
    }
}

/// Everything needed to make slots on one host.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// The host's own namespace.
    pub(crate) namespace: Namespace,
    /// Addresses of the host itself on which host ports appear.
    pub(crate) own_addresses: Vec<Ipv4Addr>,
    /// The same, seen from inside.
    pub(crate) links: Mutex<Links>,
    pub(crate) elements: Mutex<Elements>,
    pub(crate) flows: Mutex<Flows>,
    pub(crate) addresses: Mutex<Addresses>,
    pub(crate) container_bridge: Bridge,
    pub(crate) vpc: Option<VpcSide>,
    pub(crate) mtu: u32,
    pub(crate) link_number: AtomicU32,
}

/// The host's side of the VPC.
#[derive(Debug, Clone)]
pub(crate) struct VpcSide {
    pub(crate) bridge: Bridge,
    /// The host's own address on it, by which tasks reach the task endpoint.
    pub(crate) address: Ipv4Addr,
}

impl Workshop {
    /// Makes a slot. Some milliseconds.
    pub(crate) fn make(&self, kind: Kind) -> Result<Slot, Error> {
        match kind {
            Kind::Isolated => bare(),
            Kind::Bridge => self.bridged(),
            Kind::Vpc => {
                let vpc = self.vpc.as_ref().ok_or(Error::NoVpc)?;
                let mut slot = bare()?;
                self.connect(&mut slot, &vpc.bridge, None)
                    .doing(|| "connect a namespace to the VPC".into())?;
                Ok(slot)
            }
        }
    }

    fn bridged(&self) -> Result<Slot, Error> {
        let mut slot = bare()?;
        let (address, range) = {
            let mut addresses = lock(&self.addresses);
            (addresses.claim()?, addresses.range)
        };
        let mac = Mac::of(address);
        let build = |slot: &mut Slot| {
            let link = self.connect(slot, &self.container_bridge, Some(mac))?;
            lock(&self.elements).put(SPEAKERS, &[Element::speaker(&link, mac, address)])?;
            let gateway = addresses_gateway(range);
            let index = slot.links.index(INTERFACE)?;
            slot.links.add_address(index, address, range.prefix())?;
            slot.links.add_route(ANYWHERE, gateway, index)?;
            slot.links.add_route(ENDPOINT, gateway, index)?;
            slot.links.add_prohibition(LINK_LOCAL)
        };
        if let Err(error) = build(&mut slot) {
            // The link goes with the slot. Should the element stay, it names a link that is gone.
            if let Some(link) = &slot.link {
                let speaker = Element::speaker(link, mac, address);
                lock(&self.elements).take(SPEAKERS, &[speaker]).ok();
            }
            lock(&self.addresses).release(address);
            return Err(error).doing(|| "connect a namespace to the container bridge".into());
        }
        slot.address = Some(address);
        Ok(slot)
    }

    /// Removes a link of the host. The kernel takes tens of milliseconds, mostly waiting, so this
    /// uses a socket of its own: others need not wait with it.
    pub(crate) fn remove_link(&self, name: &str) -> io::Result<()> {
        self.namespace.enter(|| Links::open()?.remove(name))?
    }

    /// Gives a VPC slot its addresses. From here on it speaks.
    pub(crate) fn address(&self, slot: &mut Slot, interface: &Interface) -> Result<(), Error> {
        let vpc = self.vpc.as_ref().ok_or(Error::NoVpc)?;
        let Interface { mac, address, prefix, gateway } = *interface;
        let build = |slot: &mut Slot| {
            let link = slot.link.as_deref().expect("a slot for the VPC has a link");
            lock(&self.elements).put(SPEAKERS, &[Element::speaker(link, mac, address)])?;
            let index = slot.links.index(INTERFACE)?;
            slot.links.add_address(index, address, prefix)?;
            // After the address: a changed MAC is announced (`arp_notify`), and neighbours that
            // knew the address elsewhere learn where it is now.
            slot.links.set_mac(INTERFACE, mac)?;
            slot.links.add_route(ANYWHERE, gateway, index)?;
            slot.links.add_route(ENDPOINT, vpc.address, index)?;
            slot.links.add_prohibition(LINK_LOCAL)
        };
        build(slot).doing(|| format!("give a task interface the address {address}"))
    }

    /// Lays a pair of links between a bridge and the namespace; the outer end's name.
    fn connect(&self, slot: &mut Slot, bridge: &Bridge, mac: Option<Mac>) -> io::Result<String> {
        loop {
            let number = self.link_number.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PORT_PREFIX}{number:x}");
            let peer = Peer { name: INTERFACE, netns: slot.namespace.as_fd(), mac };
            let pair = Pair { name: &name, bridge: bridge.index, mtu: self.mtu, peer };
            let made = lock(&self.links).add_pair(&pair);
            match made {
                // Left from before; names are many.
                Err(error) if exists(&error) => continue,
                other => other?,
            }
            slot.link = Some(name.clone());
            slot.links.set_up(INTERFACE)?;
            slot.links.await_carrier(INTERFACE)?;
            let mut links = lock(&self.links);
            links.set_hairpin(&name)?;
            links.await_carrier(&name)?;
            links.await_carrier(&bridge.name)?;
            return Ok(name);
        }
    }
}

/// A namespace with only the loopback interface.
fn bare() -> Result<Slot, Error> {
    let furnish = || -> io::Result<Links> {
        furnish()?;
        let mut links = Links::open()?;
        links.set_up("lo")?;
        Ok(links)
    };
    let made = Namespace::create(furnish);
    let (namespace, links) = made
        .and_then(|(namespace, links)| Ok((namespace, links?)))
        .doing(|| "make a network namespace".into())?;
    Ok(Slot { namespace, links, link: None, address: None })
}

/// Settings of a task's namespace, before it has any interface.
fn furnish() -> io::Result<()> {
    // Only IPv4 so far; the loopback interface keeps ::1 for programs that want it.
    sysctl::write("net/ipv6/conf/default/disable_ipv6", "1")?;
    sysctl::write("net/ipv4/conf/default/arp_notify", "1")?;
    // As Docker has it: ports below 1024 and ping work for any user of a container.
    sysctl::write("net/ipv4/ip_unprivileged_port_start", "0")?;
    sysctl::write("net/ipv4/ping_group_range", "0 2147483647")
}

/// The addresses of the container bridge's range.
#[derive(Debug)]
pub(crate) struct Addresses {
    range: Ipv4Range,
    /// Offset to look at next: an address just let go rests as long as possible.
    next: u32,
    held: BTreeSet<Ipv4Addr>,
}

impl Addresses {
    /// All are free but the ones that carry meaning: base, gateway and last.
    pub(crate) fn new(range: Ipv4Range) -> Self {
        Self { range, next: 0, held: BTreeSet::new() }
    }

    /// Holds an address that is known to be in use.
    pub(crate) fn hold(&mut self, address: Ipv4Addr) {
        self.held.insert(address);
        self.next = self.range.offset(address).wrapping_add(1);
    }

    /// Lets go of an address.
    pub(crate) fn release(&mut self, address: Ipv4Addr) {
        self.held.remove(&address);
    }

    fn claim(&mut self) -> Result<Ipv4Addr, Error> {
        let size = self.range.offset(self.range.last());
        for step in 0..size {
            let offset = self.next.wrapping_add(step) % size;
            let Some(address) = self.range.host(offset) else { continue };
            if offset >= 2 && self.held.insert(address) {
                self.next = offset + 1;
                return Ok(address);
            }
        }
        Err(Error::NoAddress(self.range))
    }
}

/// The instance's own address on the container bridge.
pub(crate) fn addresses_gateway(range: Ipv4Range) -> Ipv4Addr {
    Ipv4Addr::from_bits(range.base().to_bits().wrapping_add(1))
}

/// Locks what is whole between any two calls, so that a panic elsewhere does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_round_and_spare_the_special_ones() {
        let mut addresses = Addresses::new("10.0.0.0/29".parse().expect("a range"));
        let mut last_octets = Vec::new();
        for _ in 0..5 {
            last_octets.push(addresses.claim().expect("room").octets()[3]);
        }
        assert_eq!(last_octets, [2, 3, 4, 5, 6]);
        assert!(matches!(addresses.claim(), Err(Error::NoAddress(_))));
        addresses.release(Ipv4Addr::new(10, 0, 0, 4));
        assert_eq!(addresses.claim().expect("room").octets()[3], 4);
    }
}
