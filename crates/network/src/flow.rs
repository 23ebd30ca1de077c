//! Flows that the kernel translates, and how it is made to forget them.
//!
//! A client that keeps sending UDP to a host port keeps its flow alive, and with it the way that the
//! packets took when the flow began: to a container that is gone, or to nobody. So the flows end
//! when a host port gets or loses its container. TCP needs no such care: its clients open new
//! connections.
//!
//! Source: the kernel's `nfnetlink_conntrack.h`.

use std::io;
use std::net::Ipv4Addr;

use rustix::io::Errno;

use crate::attachment::PortSpan;
use crate::netlink::{ACK, Attributes, DUMP, Message, Socket, Subsystem};

const SUBSYSTEM_CONNTRACK: u16 = 1;
const GET_FLOW: u16 = SUBSYSTEM_CONNTRACK << 8 | 1;
const DELETE_FLOW: u16 = SUBSYSTEM_CONNTRACK << 8 | 2;

const FLOW_ORIGINAL: u16 = 1;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IP_DESTINATION: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_PORT: u16 = 3;
/// Source: IANA, Protocol Numbers.
const UDP: u8 = 17;
const AF_INET: u8 = 2;
const NLA_F_NESTED: u16 = 0x8000;

/// The flows of the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Flows(Socket);

impl Flows {
    /// Opens the namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        Socket::open(Subsystem::Netfilter).map(Self)
    }

    /// Ends the UDP flows to these ports of these addresses. Costs a walk over all flows.
    pub(crate) fn forget_udp(
        &mut self,
        addresses: &[Ipv4Addr],
        ports: &[PortSpan],
    ) -> io::Result<()> {
        let mut originals = Vec::new();
        let head = [AF_INET, 0, 0, 0];
        self.0.dump(Message::new(GET_FLOW, DUMP, &head), |body| {
            let attributes = body.get(head.len()..).unwrap_or_default();
            let original = Attributes(attributes).find(FLOW_ORIGINAL).unwrap_or_default();
            let hit = udp_destination(original).is_some_and(|(address, port)| {
                addresses.contains(&address) && ports.iter().any(|it| it.contains(port))
            });
            if hit {
                originals.push(original.to_vec());
            }
        })?;
        for original in originals {
            let message =
                Message::new(DELETE_FLOW, ACK, &head).put(FLOW_ORIGINAL | NLA_F_NESTED, &original);
            match self.0.request(message) {
                // It ended by itself meanwhile.
                Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// Where the first packet of a flow went, if it was UDP.
fn udp_destination(tuple: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let address = Attributes(Attributes(tuple).find(TUPLE_IP)?).find(IP_DESTINATION)?;
    let protocol = || Attributes(tuple).find(TUPLE_PROTOCOL).map(Attributes);
    let port = protocol()?.find(PROTOCOL_PORT)?;
    (protocol()?.find(PROTOCOL_NUMBER)? == [UDP]).then_some(())?;
    Some((Ipv4Addr::from(*address.first_chunk::<4>()?), u16::from_be_bytes(*port.first_chunk()?)))
}
