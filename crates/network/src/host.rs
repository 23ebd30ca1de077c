//! A container instance's network: its namespace, its bridges, and what hangs on them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use types::{Port, Protocol};

use crate::address::{Ipv4Range, Mac};
use crate::attachment::{Attached, Connection, Id, Interface, PortMapping, PortSpan};
use crate::element::Element;
use crate::error::{Doing, Error};
use crate::namespace::{self, Namespace};
use crate::nft;
use crate::pool::Pool;
use crate::ports::Ports;
use crate::record::{Folder, Record};
use crate::region::Uplink;
use crate::ruleset::{HOST_PORTS, SPEAKERS};
use crate::slot::{Kind, Slot, Workshop, lock};

mod adopt;
mod build;
mod destroy;

/// What a host's network should be.
#[derive(Debug, Clone)]
pub struct Setup {
    /// A folder of this host's own, for the names of namespaces and what is known about them. Best
    /// on a file system that a restart of the machine empties.
    pub folder: PathBuf,
    /// Where the host lives.
    pub place: Place,
    /// Addresses of containers in bridge mode, 16 to 24 bits of prefix; `None`: what is in use
    /// already, else the first usual range that overlaps no route of the host.
    pub containers: Option<Ipv4Range>,
    /// Where dynamic host ports come from; `None`: the range of the kernel's local ports.
    pub dynamic_ports: Option<PortSpan>,
    /// How many namespaces of each kind to keep ready.
    pub ready: usize,
}

/// Where a host lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a namespace of its own, connected to a region on this machine.
    Region(Uplink),
    /// In the namespace of this process: the host is the machine.
    Machine {
        /// A bridge of the machine into its VPC, on which tasks may have interfaces.
        vpc: Option<VpcBridge>,
    },
}

/// A bridge that somebody set up on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcBridge {
    /// Its name.
    pub name: String,
    /// The machine's own address on it.
    pub address: Ipv4Addr,
}

/// The network of one container instance.
///
/// Calls block, for a millisecond or a few; they may come from any thread. Calls for one id must
/// not overlap. One process at a time looks after a host: from [`Host::ensure`] until it drops this
/// or ends. Dropping changes nothing for what is attached.
#[derive(Debug)]
pub struct Host {
    /// The file that names the namespace, unless the host is the machine.
    netns: Option<PathBuf>,
    folder: Folder,
    /// Held as long as this process looks after the host.
    _claim: UnixListener,
    /// The rules, to lay them again.
    rules: String,
    workshop: Arc<Workshop>,
    pool: Pool,
    book: Mutex<Book>,
}

/// Who has what.
#[derive(Debug)]
struct Book {
    records: BTreeMap<Id, Record>,
    ports: Ports,
    /// Addresses of task interfaces, from before they are attached.
    vpc_addresses: BTreeSet<Ipv4Addr>,
}

impl Host {
    /// Makes what is missing of the host's network and adopts what is there: attachments of an
    /// earlier process go on unharmed and are listed by [`Host::attachments`].
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::NftMissing`], [`Error::NoRange`], or what the kernel refuses.
    pub fn ensure(setup: &Setup) -> Result<Self, Error> {
        build::ensure(setup)
    }

    /// Removes the host's network with everything attached, also what a killed process left.
    ///
    /// Processes still in one of its namespaces keep it, without any connection. `folder` is that of
    /// the [`Setup`]. Fine if there is nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] while a process looks after it, or what the kernel refuses.
    pub fn destroy(folder: &Path) -> Result<(), Error> {
        destroy::destroy(folder)
    }

    /// The host's own namespace: for listeners, and what containers in `host` mode share.
    pub fn namespace(&self) -> &Namespace {
        &self.workshop.namespace
    }

    /// The file that names the host's namespace; `None` if the host is the machine, whose namespace
    /// every process has anyway.
    pub fn netns(&self) -> Option<&Path> {
        self.netns.as_deref()
    }

    /// What is attached, by id.
    pub fn attachments(&self) -> Vec<Attached> {
        lock(&self.book).records.values().map(|it| it.attached.clone()).collect()
    }

    /// Waits until as many namespaces are ready as the setup asks for.
    pub fn settle(&self) {
        self.pool.settle();
    }

    /// Lays the rules again, should someone have flushed them: a reloaded firewall does. Costs a run of
    /// `nft`; containers notice nothing. Worth doing every minute where the host is the machine.
    pub fn repair(&self) -> Result<(), Error> {
        self.workshop
            .namespace
            .enter(|| nft::apply(&self.rules))
            .doing(|| "enter the host's namespace".into())??;
        let mut speaking = self.pool.speakers();
        let mut ports = Vec::new();
        for record in lock(&self.book).records.values() {
            speaking.extend(speakers(record));
            ports.extend(host_ports(record));
        }
        let mut elements = lock(&self.workshop.elements);
        let put = elements.put(SPEAKERS, &speaking).and_then(|()| elements.put(HOST_PORTS, &ports));
        put.doing(|| "lay the rules again".into())
    }

    /// Gives a container a namespace of its own on the container bridge, and host ports.
    ///
    /// Asked again for the same, it answers the same.
    ///
    /// # Errors
    ///
    /// [`Error::PortInUse`], [`Error::NoPorts`], [`Error::TooManyPorts`], [`Error::NoAddress`];
    /// [`Error::Attached`] if the id has other mappings.
    pub fn attach_bridge(&self, id: &Id, mappings: &[PortMapping]) -> Result<Attached, Error> {
        let same = |it: &Record| {
            matches!(it.attached.connection, Connection::Bridge { .. }) && it.mappings == mappings
        };
        if let Some(attached) = self.known(id, same)? {
            return Ok(attached);
        }
        let bindings = if mappings.is_empty() {
            Vec::new()
        } else {
            let busy = |port| is_busy(port, &self.workshop.own_addresses);
            let claim = || lock(&self.book).ports.claim(id, mappings, busy);
            self.workshop.namespace.enter(claim).doing(|| "look for free ports".into())??
        };
        let attach = || {
            let slot = self.pool.take(Kind::Bridge)?;
            let address = slot.address.expect("a slot for the container bridge has an address");
            let record = Record {
                attached: Attached {
                    id: id.clone(),
                    netns: self.folder.netns(id),
                    connection: Connection::Bridge { address },
                    bindings,
                },
                mac: Some(Mac::of(address)),
                link: slot.link.clone(),
                mappings: mappings.to_vec(),
            };
            self.hand_out(slot, record)
        };
        attach().inspect_err(|_| lock(&self.book).ports.release(id))
    }

    /// Gives a task a namespace of its own with an interface in the VPC.
    ///
    /// Asked again for the same, it answers the same.
    ///
    /// # Errors
    ///
    /// [`Error::NoVpc`], [`Error::AddressInUse`]; [`Error::Attached`] if the id has another
    /// interface.
    pub fn attach_vpc(&self, id: &Id, interface: Interface) -> Result<Attached, Error> {
        let connection = Connection::Vpc(interface);
        if let Some(attached) = self.known(id, |it| it.attached.connection == connection)? {
            return Ok(attached);
        }
        let address = interface.address;
        let own = self.workshop.vpc.as_ref().is_some_and(|it| it.address == address);
        if own || !lock(&self.book).vpc_addresses.insert(address) {
            return Err(Error::AddressInUse(address));
        }
        let attach = || {
            let mut slot = self.pool.take(Kind::Vpc)?;
            let netns = self.folder.netns(id);
            let attached = Attached { id: id.clone(), netns, connection, bindings: Vec::new() };
            let (mac, link) = (Some(interface.mac), slot.link.clone());
            let record = Record { attached, mac, link, mappings: Vec::new() };
            self.workshop.address(&mut slot, &interface).inspect_err(|_| self.undo(&record))?;
            self.hand_out(slot, record)
        };
        attach().inspect_err(|_| {
            lock(&self.book).vpc_addresses.remove(&address);
        })
    }

    /// Gives a task a namespace of its own with nothing but the loopback interface.
    ///
    /// # Errors
    ///
    /// [`Error::Attached`] if the id is connected in another way.
    pub fn attach_isolated(&self, id: &Id) -> Result<Attached, Error> {
        let connection = Connection::Isolated;
        if let Some(attached) = self.known(id, |it| it.attached.connection == connection)? {
            return Ok(attached);
        }
        let slot = self.pool.take(Kind::Isolated)?;
        let netns = self.folder.netns(id);
        let attached = Attached { id: id.clone(), netns, connection, bindings: Vec::new() };
        self.hand_out(slot, Record { attached, mac: None, link: None, mappings: Vec::new() })
    }

    /// Takes an attachment away: host ports first, then the interface, then the name of the
    /// namespace. Fine if there is none. After an error it can be asked again.
    pub fn detach(&self, id: &Id) -> Result<(), Error> {
        let Some(record) = lock(&self.book).records.get(id).cloned() else { return Ok(()) };
        dispose(&self.workshop, &self.folder, &record).doing(|| format!("detach {id}"))?;
        let mut book = lock(&self.book);
        book.records.remove(id);
        book.ports.release(id);
        match record.attached.connection {
            Connection::Bridge { address } => lock(&self.workshop.addresses).release(address),
            Connection::Vpc(Interface { address, .. }) => {
                book.vpc_addresses.remove(&address);
            }
            Connection::Isolated => {}
        }
        Ok(())
    }

    /// What the id has, if it is what is asked for.
    fn known(&self, id: &Id, same: impl Fn(&Record) -> bool) -> Result<Option<Attached>, Error> {
        match lock(&self.book).records.get(id) {
            Some(record) if same(record) => Ok(Some(record.attached.clone())),
            Some(_) => Err(Error::Attached(id.clone())),
            None => Ok(None),
        }
    }

    /// Writes down whose the slot is now, names its namespace and opens its host ports, in this
    /// order: what was written down can be undone by the next process.
    fn hand_out(&self, slot: Slot, record: Record) -> Result<Attached, Error> {
        let steps = || {
            self.folder.write(&record)?;
            slot.namespace.persist(&record.attached.netns)?;
            lock(&self.workshop.elements).put(HOST_PORTS, &host_ports(&record))?;
            forget_udp(&self.workshop, &record)
        };
        if let Err(error) = steps() {
            self.undo(&record);
            return Err(error).doing(|| format!("attach {}", record.attached.id));
        }
        let attached = record.attached.clone();
        lock(&self.book).records.insert(attached.id.clone(), record);
        Ok(attached)
    }

    /// Clears away what a failed attachment has left. What cannot be cleared now, the next
    /// [`Host::ensure`] will find; the caller learns of the failure that came first.
    fn undo(&self, record: &Record) {
        if dispose(&self.workshop, &self.folder, record).is_ok()
            && let Connection::Bridge { address } = record.attached.connection
        {
            lock(&self.workshop.addresses).release(address);
        }
    }
}

/// Undoes an attachment in the kernel and on disk. Every step is fine if it was done before.
fn dispose(workshop: &Workshop, folder: &Folder, record: &Record) -> io::Result<()> {
    lock(&workshop.elements).take(HOST_PORTS, &host_ports(record))?;
    forget_udp(workshop, record)?;
    if let Some(link) = &record.link {
        workshop.remove_link(link)?;
    }
    lock(&workshop.elements).take(SPEAKERS, &speakers(record))?;
    namespace::remove(&record.attached.netns)?;
    folder.remove(&record.attached.id)
}

/// Ends the flows that the container's UDP host ports had, with it or before it.
fn forget_udp(workshop: &Workshop, record: &Record) -> io::Result<()> {
    let udp = record.attached.bindings.iter().filter(|it| it.protocol == Protocol::Udp);
    let ports: Vec<_> = udp.map(|it| it.host).collect();
    if ports.is_empty() {
        return Ok(());
    }
    lock(&workshop.flows).forget_udp(&workshop.own_addresses, &ports)
}

/// The elements that lead from host ports to the container.
fn host_ports(record: &Record) -> Vec<Element> {
    let Some(address) = record.attached.address() else { return Vec::new() };
    let pairs = |it: &crate::attachment::Binding| {
        let protocol = it.protocol;
        it.host.ports().zip(it.container.ports()).map(move |(number, container)| {
            Element::host_port(Port { protocol, number }, address, container)
        })
    };
    record.attached.bindings.iter().flat_map(pairs).collect()
}

/// The element that lets the attachment speak.
fn speakers(record: &Record) -> Vec<Element> {
    match (&record.link, record.mac, record.attached.address()) {
        (Some(link), Some(mac), Some(address)) => vec![Element::speaker(link, mac, address)],
        _ => Vec::new(),
    }
}

/// Whether a process of the calling thread's namespace holds the port on one of the addresses.
fn is_busy(port: Port, addresses: &[Ipv4Addr]) -> bool {
    let taken = |address: &Ipv4Addr| {
        let kind = match port.protocol {
            Protocol::Tcp => SocketType::STREAM,
            Protocol::Udp => SocketType::DGRAM,
        };
        let try_bind = || {
            let flags = SocketFlags::CLOEXEC;
            let socket = rustix::net::socket_with(AddressFamily::INET, kind, flags, None)?;
            // Connections that are closing do not matter, listeners do.
            sockopt::set_socket_reuseaddr(&socket, port.protocol == Protocol::Tcp)?;
            rustix::net::bind(&socket, &SocketAddrV4::new(*address, port.number))
        };
        try_bind() == Err(rustix::io::Errno::ADDRINUSE)
    };
    addresses.iter().any(taken)
}
