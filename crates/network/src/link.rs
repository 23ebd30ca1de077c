//! Links, addresses and routes of one network namespace, as verbs over netlink.
//!
//! Source: rtnetlink(7), and the kernel's `if_link.h` and `rtnetlink.h` for the numbers.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::address::{Ipv4Range, Mac};
use crate::netlink::{
    ACK, Attributes, CREATE, DUMP, EXCLUSIVE, Message, Socket, Subsystem, read_text, read_u32,
};

mod marked;
pub(crate) use marked::MarkedWay;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const VETH_INFO_PEER: u16 = 1;
const IFF_UP: u32 = 1;
const IF_OPER_UP: u8 = 6;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const RTN_PROHIBIT: u8 = 8;
const RTNH_F_ONLINK: u32 = 4;
/// Valid anywhere.
const SCOPE_GLOBAL: u8 = 0;
/// Valid on its link only.
const SCOPE_LINK: u8 = 253;

const AF_INET: u8 = 2;

/// The kernel looks at carriers at least once a second.
const CARRIER_LIMIT: Duration = Duration::from_secs(5);
const CARRIER_LOOK: Duration = Duration::from_millis(2);

/// A link as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) alias: Option<String>,
    /// `bridge`, `veth`, …; none for real devices.
    pub(crate) kind: Option<String>,
    /// Largest packet in bytes.
    pub(crate) mtu: u32,
    /// Whether packets can leave by it.
    pub(crate) carries: bool,
}

/// A bridge, as it is named and as the kernel counts it.
#[derive(Debug, Clone)]
pub(crate) struct Bridge {
    pub(crate) name: String,
    pub(crate) index: u32,
}

/// An address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) index: u32,
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
}

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: Ipv4Range,
    /// The link it leaves by; `None` for routes that refuse.
    pub(crate) index: Option<u32>,
}

/// A pair of links to be made: one end a port of a bridge here, the other elsewhere.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) name: &'a str,
    /// Index of the bridge.
    pub(crate) bridge: u32,
    pub(crate) mtu: u32,
    pub(crate) peer: Peer<'a>,
}

/// The far end of a pair.
#[derive(Debug)]
pub(crate) struct Peer<'a> {
    pub(crate) name: &'a str,
    pub(crate) netns: BorrowedFd<'a>,
    /// The kernel picks one if `None`.
    pub(crate) mac: Option<Mac>,
}

/// The links of the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Links(Socket);

impl Links {
    /// Opens the namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        Socket::open(Subsystem::Route).map(Self)
    }

    /// Makes a bridge and brings it up.
    pub(crate) fn add_bridge(&mut self, name: &str, mac: Mac, mtu: u32) -> io::Result<()> {
        let message = Message::new(RTM_NEWLINK, ACK | CREATE | EXCLUSIVE, &link_head(0, IFF_UP))
            .text(IFLA_IFNAME, name)
            .put(IFLA_ADDRESS, &mac.0)
            .put(IFLA_MTU, &mtu.to_ne_bytes())
            .nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "bridge"));
        self.0.request(message)
    }

    /// Makes a pair of links, the near one up and a port of its bridge. The far one can be brought
    /// up only after both are there.
    pub(crate) fn add_pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let mtu = pair.mtu.to_ne_bytes();
        let netns = pair.peer.netns.as_raw_fd().to_ne_bytes();
        let peer = |data: Message| {
            let data = data
                .raw(&link_head(0, 0))
                .text(IFLA_IFNAME, pair.peer.name)
                .put(IFLA_MTU, &mtu)
                .put(IFLA_NET_NS_FD, &netns);
            match pair.peer.mac {
                Some(mac) => data.put(IFLA_ADDRESS, &mac.0),
                None => data,
            }
        };
        let message = Message::new(RTM_NEWLINK, ACK | CREATE | EXCLUSIVE, &link_head(0, IFF_UP))
            .text(IFLA_IFNAME, pair.name)
            .put(IFLA_MTU, &mtu)
            .put(IFLA_MASTER, &pair.bridge.to_ne_bytes())
            .nest(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_KIND, "veth")
                    .nest(IFLA_INFO_DATA, |data| data.nest(VETH_INFO_PEER, peer))
            });
        self.0.request(message)
    }

    /// Lets a bridge send a frame back through the port it came from. A container that calls its
    /// own host port needs it where bridged frames pass the IP hooks.
    pub(crate) fn set_hairpin(&mut self, name: &str) -> io::Result<()> {
        let message = Message::new(RTM_NEWLINK, ACK, &link_head(0, 0))
            .text(IFLA_IFNAME, name)
            .nest(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_SLAVE_KIND, "bridge")
                    .nest(IFLA_INFO_SLAVE_DATA, |data| data.put(IFLA_BRPORT_MODE, &[1]))
            });
        self.0.request(message)
    }

    /// Brings a link up.
    pub(crate) fn set_up(&mut self, name: &str) -> io::Result<()> {
        let head = link_head(0, IFF_UP);
        self.0.request(Message::new(RTM_NEWLINK, ACK, &head).text(IFLA_IFNAME, name))
    }

    /// Makes a link a port of a bridge.
    pub(crate) fn set_bridge(&mut self, name: &str, bridge: u32) -> io::Result<()> {
        let message = Message::new(RTM_NEWLINK, ACK, &link_head(0, 0))
            .text(IFLA_IFNAME, name)
            .put(IFLA_MASTER, &bridge.to_ne_bytes());
        self.0.request(message)
    }

    /// Gives a link another Ethernet address.
    pub(crate) fn set_mac(&mut self, name: &str, mac: Mac) -> io::Result<()> {
        let message = Message::new(RTM_NEWLINK, ACK, &link_head(0, 0))
            .text(IFLA_IFNAME, name)
            .put(IFLA_ADDRESS, &mac.0);
        self.0.request(message)
    }

    /// Writes a remark on a link, for whoever lists it.
    pub(crate) fn set_alias(&mut self, name: &str, alias: &str) -> io::Result<()> {
        let message = Message::new(RTM_NEWLINK, ACK, &link_head(0, 0))
            .text(IFLA_IFNAME, name)
            .put(IFLA_IFALIAS, alias.as_bytes());
        self.0.request(message)
    }

    /// Removes a link, and with it the other end of a pair. Fine if it is gone already.
    pub(crate) fn remove(&mut self, name: &str) -> io::Result<()> {
        let message = Message::new(RTM_DELLINK, ACK, &link_head(0, 0)).text(IFLA_IFNAME, name);
        match self.0.request(message) {
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => Ok(()),
            other => other,
        }
    }

    /// Every link.
    pub(crate) fn list(&mut self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        self.0.dump(Message::new(RTM_GETLINK, DUMP, &link_head(0, 0)), |body| {
            links.extend(read_link(body));
        })?;
        Ok(links)
    }

    /// The link of that name.
    pub(crate) fn find(&mut self, name: &str) -> io::Result<Option<Link>> {
        let message = Message::new(RTM_GETLINK, ACK, &link_head(0, 0)).text(IFLA_IFNAME, name);
        let mut link = None;
        match self.0.dump(message, |body| link = read_link(body)) {
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(link),
        }
    }

    /// Waits until a link that has just got its other end, or a bridge its first port, carries
    /// packets. The kernel notices by and by, up to a second later, and drops packets until then;
    /// a recent one notices when it is asked.
    pub(crate) fn await_carrier(&mut self, name: &str) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            match self.find(name)? {
                Some(link) if link.carries => return Ok(()),
                Some(_) if begin.elapsed() < CARRIER_LIMIT => thread::sleep(CARRIER_LOOK),
                Some(_) => return Err(io::ErrorKind::TimedOut.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    /// The bridge of that name.
    pub(crate) fn bridge(&mut self, name: &str) -> io::Result<Bridge> {
        Ok(Bridge { name: name.to_owned(), index: self.index(name)? })
    }

    /// Index of the link of that name.
    pub(crate) fn index(&mut self, name: &str) -> io::Result<u32> {
        self.find(name)?.map(|it| it.index).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Gives a link an address. Fine if it has it already.
    pub(crate) fn add_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<()> {
        let scope = if address.is_link_local() { SCOPE_LINK } else { SCOPE_GLOBAL };
        let mut head = vec![AF_INET, prefix, 0, scope];
        head.extend_from_slice(&index.to_ne_bytes());
        let message = Message::new(RTM_NEWADDR, ACK | CREATE | EXCLUSIVE, &head)
            .put(IFA_LOCAL, &address.octets())
            .put(IFA_ADDRESS, &address.octets());
        present(self.0.request(message))
    }

    /// Takes an address from a link. Fine if it does not have it.
    pub(crate) fn remove_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<()> {
        let mut head = vec![AF_INET, prefix, 0, SCOPE_GLOBAL];
        head.extend_from_slice(&index.to_ne_bytes());
        let message = Message::new(RTM_DELADDR, ACK, &head)
            .put(IFA_LOCAL, &address.octets())
            .put(IFA_ADDRESS, &address.octets());
        match self.0.request(message) {
            Err(error) if error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error()) => {
                Ok(())
            }
            other => other,
        }
    }

    /// Every IPv4 address of every link.
    pub(crate) fn addresses(&mut self) -> io::Result<Vec<Assigned>> {
        let mut addresses = Vec::new();
        let head = [AF_INET, 0, 0, 0, 0, 0, 0, 0];
        self.0.dump(Message::new(RTM_GETADDR, DUMP, &head), |body| {
            addresses.extend(read_address(body));
        })?;
        Ok(addresses)
    }

    /// Sends what goes to `destination` through a gateway that this link reaches, whatever the
    /// link's own prefix says. Fine if that route is there already.
    pub(crate) fn add_route(
        &mut self,
        destination: Ipv4Range,
        gateway: Ipv4Addr,
        index: u32,
    ) -> io::Result<()> {
        let head = route_head(destination, RTN_UNICAST, RTNH_F_ONLINK);
        let message = Message::new(RTM_NEWROUTE, ACK | CREATE | EXCLUSIVE, &head)
            .put(RTA_DST, &destination.base().octets())
            .put(RTA_GATEWAY, &gateway.octets())
            .put(RTA_OIF, &index.to_ne_bytes());
        present(self.0.request(message))
    }

    /// Answers at once that `destination` may not be reached from here.
    pub(crate) fn add_prohibition(&mut self, destination: Ipv4Range) -> io::Result<()> {
        let head = route_head(destination, RTN_PROHIBIT, 0);
        let message = Message::new(RTM_NEWROUTE, ACK | CREATE | EXCLUSIVE, &head)
            .put(RTA_DST, &destination.base().octets());
        present(self.0.request(message))
    }

    /// The IPv4 routes of the main table.
    pub(crate) fn routes(&mut self) -> io::Result<Vec<Route>> {
        let mut routes = Vec::new();
        let head = [AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        self.0.dump(Message::new(RTM_GETROUTE, DUMP, &head), |body| {
            routes.extend(read_route(body));
        })?;
        Ok(routes)
    }
}

/// Whether the kernel refused because the thing is there already.
pub(crate) fn exists(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

fn present(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if exists(&error) => Ok(()),
        other => other,
    }
}

/// `struct ifinfomsg`: sets the flags given and leaves the others.
fn link_head(index: u32, flags: u32) -> [u8; 16] {
    let mut head = [0; 16];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..16].copy_from_slice(&flags.to_ne_bytes());
    head
}

/// `struct rtmsg` for the main table.
fn route_head(destination: Ipv4Range, kind: u8, flags: u32) -> [u8; 12] {
    let mut head = [0; 12];
    let fixed = [AF_INET, destination.prefix(), 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, kind];
    head[..8].copy_from_slice(&fixed);
    head[8..].copy_from_slice(&flags.to_ne_bytes());
    head
}

fn read_link(body: &[u8]) -> Option<Link> {
    let attributes = body.get(16..)?;
    Some(Link {
        index: read_u32(body, 4)?,
        name: read_text(Attributes(attributes).find(IFLA_IFNAME)?),
        kind: Attributes(attributes)
            .find(IFLA_LINKINFO)
            .and_then(|info| Attributes(info).find(IFLA_INFO_KIND))
            .map(read_text),
        alias: Attributes(attributes).find(IFLA_IFALIAS).map(read_text),
        mtu: read_u32(Attributes(attributes).find(IFLA_MTU)?, 0)?,
        carries: Attributes(attributes).find(IFLA_OPERSTATE) == Some(&[IF_OPER_UP]),
    })
}

fn read_address(body: &[u8]) -> Option<Assigned> {
    let octets: [u8; 4] = *Attributes(body.get(8..)?).find(IFA_LOCAL)?.first_chunk()?;
    Some(Assigned { index: read_u32(body, 4)?, address: octets.into(), prefix: *body.get(1)? })
}

fn read_route(body: &[u8]) -> Option<Route> {
    if *body.get(4)? != RT_TABLE_MAIN {
        return None;
    }
    let attributes = body.get(12..)?;
    let destination = match Attributes(attributes).find(RTA_DST) {
        Some(octets) => Ipv4Addr::from(*octets.first_chunk::<4>()?),
        None => Ipv4Addr::UNSPECIFIED,
    };
    Some(Route {
        destination: Ipv4Range::around(destination, *body.get(1)?),
        index: Attributes(attributes).find(RTA_OIF).and_then(|it| read_u32(it, 0)),
    })
}
