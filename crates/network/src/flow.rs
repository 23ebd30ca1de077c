//! Flows that the kernel translates, and how it is made to forget them.
//!
//! A client that keeps sending UDP to a host port keeps its flow alive, and with it the way to the
//! container that had the port when the flow began. So the flows end with the container. TCP needs
//! no such care: its clients open new connections.
//!
//! Source: the kernel's `nfnetlink_conntrack.h`.

use std::io;
use std::net::Ipv4Addr;

use rustix::io::Errno;

use crate::netlink::{ACK, Attributes, DUMP, Message, Socket, Subsystem};

const SUBSYSTEM_CONNTRACK: u16 = 1;
const GET_FLOW: u16 = SUBSYSTEM_CONNTRACK << 8 | 1;
const DELETE_FLOW: u16 = SUBSYSTEM_CONNTRACK << 8 | 2;

const FLOW_ORIGINAL: u16 = 1;
const FLOW_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IP_SOURCE: u16 = 1;
const PROTOCOL_NUMBER: u16 = 1;
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

    /// Ends every UDP flow that this address answers. Costs a walk over all flows.
    pub(crate) fn forget_udp(&mut self, address: Ipv4Addr) -> io::Result<()> {
        let mut originals = Vec::new();
        let head = [AF_INET, 0, 0, 0];
        self.0.dump(Message::new(GET_FLOW, DUMP, &head), |body| {
            let attributes = body.get(head.len()..).unwrap_or_default();
            if answered_by(attributes, address) {
                originals.extend(Attributes(attributes).find(FLOW_ORIGINAL).map(<[u8]>::to_vec));
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

fn answered_by(attributes: &[u8], address: Ipv4Addr) -> bool {
    let read = || {
        let reply = Attributes(attributes).find(FLOW_REPLY)?;
        let source = Attributes(Attributes(reply).find(TUPLE_IP)?).find(IP_SOURCE)?;
        let protocol = Attributes(Attributes(reply).find(TUPLE_PROTOCOL)?).find(PROTOCOL_NUMBER)?;
        Some(source == address.octets() && protocol == [UDP])
    };
    read().unwrap_or(false)
}
