//! Elements of nftables sets and maps, put and taken straight through the kernel.
//!
//! Starting `nft` costs milliseconds and an element changes with every container; the message is
//! small. Sets are named by table and set name and made by a ruleset text before.
//!
//! Source: the kernel's `nfnetlink.h` and `nf_tables.h`.

use std::io;
use std::net::Ipv4Addr;

use rustix::io::Errno;
use types::{Port, Protocol};

use crate::address::Mac;
use crate::netlink::{ACK, Attributes, CREATE, DUMP, Message, Socket, Subsystem};

const SUBSYSTEM_NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_ELEMENT: u16 = SUBSYSTEM_NFTABLES << 8 | 0x0c;
const GET_ELEMENT: u16 = SUBSYSTEM_NFTABLES << 8 | 0x0d;
const DELETE_ELEMENT: u16 = SUBSYSTEM_NFTABLES << 8 | 0x0e;

const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const LIST_ELEMENT: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;

/// Elements in one message; a list's length is counted in 16 bits and an element needs at most 60
/// bytes.
const ELEMENTS_PER_MESSAGE: usize = 500;
/// Length of an interface name in a key.
const NAME_BYTES: usize = 16;

/// A set or map in the network namespace of the socket that is used with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Set {
    pub(crate) family: Family,
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
}

/// The hooks a table lives on.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Family {
    Ip = 2,
    Bridge = 7,
}

/// One element as the kernel stores it: each field padded to four bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    key: Vec<u8>,
    data: Option<Vec<u8>>,
}

impl Element {
    /// In a map `inet_proto . inet_service : ipv4_addr . inet_service`: this host port leads to
    /// that port of that container.
    pub(crate) fn host_port(host: Port, address: Ipv4Addr, container: u16) -> Self {
        let mut key = padded(&[protocol_number(host.protocol)]);
        key.extend(padded(&host.number.to_be_bytes()));
        let mut data = address.octets().to_vec();
        data.extend(padded(&container.to_be_bytes()));
        Self { key, data: Some(data) }
    }

    /// In a set `ifname . ether_addr . ipv4_addr`: who may speak through this port of a bridge.
    pub(crate) fn speaker(link: &str, mac: Mac, address: Ipv4Addr) -> Self {
        let mut key = link.as_bytes().to_vec();
        key.resize(NAME_BYTES, 0);
        key.extend(padded(&mac.0));
        key.extend(address.octets());
        Self { key, data: None }
    }
}

/// The netfilter side of the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Elements(Socket);

impl Elements {
    /// Opens the namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        Socket::open(Subsystem::Netfilter).map(Self)
    }

    /// Puts all elements, or none. Fine if some are there already, alike.
    pub(crate) fn put(&mut self, set: Set, elements: &[Element]) -> io::Result<()> {
        self.transact(NEW_ELEMENT, CREATE, set, elements)
    }

    /// Takes elements away. Fine if some are gone already.
    pub(crate) fn take(&mut self, set: Set, elements: &[Element]) -> io::Result<()> {
        match self.transact(DELETE_ELEMENT, 0, set, elements) {
            Err(error) if gone(&error) => {}
            other => return other,
        }
        // One that is missing refuses the whole transaction.
        for element in elements {
            match self.transact(DELETE_ELEMENT, 0, set, std::slice::from_ref(element)) {
                Err(error) if !gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Every element.
    pub(crate) fn list(&mut self, set: Set) -> io::Result<Vec<Element>> {
        let mut elements = Vec::new();
        let message = Message::new(GET_ELEMENT, DUMP, &head(set.family as u8, 0))
            .text(LIST_TABLE, set.table)
            .text(LIST_SET, set.name);
        self.0.dump(message, |body| {
            let list = body.get(4..).and_then(|it| Attributes(it).find(LIST_ELEMENTS));
            elements.extend(Attributes(list.unwrap_or_default()).filter_map(|it| read(it.1)));
        })?;
        elements.sort();
        Ok(elements)
    }

    fn transact(
        &mut self,
        kind: u16,
        flags: u16,
        set: Set,
        elements: &[Element],
    ) -> io::Result<()> {
        if elements.is_empty() {
            return Ok(());
        }
        let mark = head(0, SUBSYSTEM_NFTABLES);
        let mut messages = vec![Message::new(BATCH_BEGIN, 0, &mark)];
        messages.extend(elements.chunks(ELEMENTS_PER_MESSAGE).map(|chunk| {
            Message::new(kind, ACK | flags, &head(set.family as u8, 0))
                .text(LIST_TABLE, set.table)
                .text(LIST_SET, set.name)
                .nest(LIST_ELEMENTS, |list| chunk.iter().fold(list, write))
        }));
        messages.push(Message::new(BATCH_END, 0, &mark));
        self.0.batch(messages)
    }
}

fn write(list: Message, element: &Element) -> Message {
    list.nest(LIST_ELEMENT, |it| {
        let it = it.nest(ELEMENT_KEY, |key| key.put(DATA_VALUE, &element.key));
        match &element.data {
            Some(data) => it.nest(ELEMENT_DATA, |value| value.put(DATA_VALUE, data)),
            None => it,
        }
    })
}

fn read(element: &[u8]) -> Option<Element> {
    let value = |kind| {
        let nested = Attributes(element).find(kind)?;
        Attributes(nested).find(DATA_VALUE).map(<[u8]>::to_vec)
    };
    Some(Element { key: value(ELEMENT_KEY)?, data: value(ELEMENT_DATA) })
}

/// `struct nfgenmsg`.
fn head(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

fn padded(field: &[u8]) -> Vec<u8> {
    let mut bytes = field.to_vec();
    bytes.resize(field.len().next_multiple_of(4), 0);
    bytes
}

/// Source: IANA, Protocol Numbers.
fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

fn gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOENT.raw_os_error())
}
