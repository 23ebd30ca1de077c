//! Makes a host's network, piece by piece, each only if it is missing.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{Host, Place, Setup, adopt};
use crate::address::{Ipv4Range, Mac, first_free};
use crate::attachment::PortSpan;
use crate::element::Elements;
use crate::error::{Doing, Error};
use crate::flow::Flows;
use crate::link::{Bridge, Links, MarkedWay, Pair, Peer, exists};
use crate::namespace::{self, Namespace};
use crate::pool::Pool;
use crate::ports::{DYNAMIC_FALLBACK, Ports};
use crate::record::Folder;
use crate::region::{Uplink, is_specific, mtu_of_the_way_out};
use crate::ruleset::{self, CONTAINER_BRIDGE, HostRules, TASK_ENDPOINT, WayBack};
use crate::slot::{Addresses, VpcSide, Workshop, addresses_gateway};
use crate::{nft, sysctl};

/// The bridge into the VPC of a host with a namespace of its own.
const VPC_BRIDGE: &str = "vpc0";
/// The host's link to its region, a port of the VPC's bridge.
pub(super) const UPLINK: &str = "uplink";
/// The table, in the host's namespace, of packets that go back by way of the machine.
const BACK_TABLE: u32 = ruleset::BACK;
/// A process that has ended may hold its claim a little longer: a child that it had just forked
/// lets go when it becomes another program.
const CLAIM_PATIENCE: Duration = Duration::from_millis(300);
const CLAIM_LOOK: Duration = Duration::from_millis(5);
const ANYWHERE: Ipv4Range = Ipv4Range::around(Ipv4Addr::UNSPECIFIED, 0);

/// Ranges for containers in bridge mode, in order of preference. Every host may use the same: the
/// addresses never leave it.
const CONTAINER_CANDIDATES: [Ipv4Range; 4] = [
    Ipv4Range::around(Ipv4Addr::new(10, 201, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(10, 202, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(172, 27, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(192, 168, 240, 0), 20),
];

pub(super) fn ensure(setup: &Setup) -> Result<Host, Error> {
    let (namespace, netns) = host_namespace(setup)?;
    let claim = namespace.enter(claim).doing(|| "enter the host's namespace".into())??;
    let tasks = tasks_folder(&setup.folder);
    let folder = Folder::open(tasks).doing(|| "make the host's folder".into())?;
    let (mut links, elements, flows) = namespace
        .enter(|| io::Result::Ok((Links::open()?, Elements::open()?, Flows::open()?)))
        .and_then(|it| it)
        .doing(|| "enter the host's namespace".into())?;

    let (vpc, mtu) = vpc_side(setup, &namespace, &mut links)?;
    let containers = container_range(&mut links, setup.containers)?;
    let rules = ruleset::host(&HostRules {
        containers,
        vpc_bridge: vpc_bridge(setup),
        way_back: way_back(setup),
    });
    namespace.enter(|| nft::apply(&rules)).doing(|| "enter the namespace".into())??;
    let container_bridge = container_bridge(&mut links, containers, mtu)
        .doing(|| format!("set up {CONTAINER_BRIDGE}"))?;
    namespace.enter(|| settings(setup, &mut links)).doing(|| "enter the namespace".into())??;

    let range = setup
        .dynamic_ports
        .map_or_else(|| namespace.enter(local_ports).doing(|| "enter the namespace".into()), Ok)?;
    let own_addresses = own_addresses(&mut links).doing(|| "read the host's addresses".into())?;
    let workshop = Arc::new(Workshop {
        namespace,
        own_addresses,
        links: Mutex::new(links),
        elements: Mutex::new(elements),
        flows: Mutex::new(flows),
        addresses: Mutex::new(Addresses::new(containers)),
        container_bridge,
        vpc,
        mtu,
        link_number: AtomicU32::new(0),
    });
    let book = adopt::adopt(&workshop, &folder, Ports::new(range))
        .doing(|| "adopt what is attached".into())?;
    let pool = Pool::start(Arc::clone(&workshop), setup.ready)?;
    Ok(Host { netns, folder, _claim: claim, rules, workshop, pool, book: Mutex::new(book) })
}

/// The host's side of the VPC, connected if it was not, and the largest packet of its way out.
fn vpc_side(
    setup: &Setup,
    namespace: &Namespace,
    links: &mut Links,
) -> Result<(Option<VpcSide>, u32), Error> {
    match &setup.place {
        Place::Region(uplink) => {
            let vpc = connect(namespace, links, uplink)
                .doing(|| format!("connect the host to {}", uplink.bridge))?;
            Ok((Some(vpc), uplink.mtu))
        }
        Place::Machine { vpc } => {
            let find = |links: &mut Links| {
                let Some(vpc) = vpc else { return Ok(None) };
                Ok(Some(VpcSide { bridge: links.bridge(&vpc.name)?, address: vpc.address }))
            };
            let vpc = find(links).doing(|| "find the bridge into the VPC".into())?;
            Ok((vpc, mtu_of_the_way_out(links).doing(|| "read the routes".into())?))
        }
    }
}

/// What is attached: a file that names the namespace and a record each.
pub(super) fn tasks_folder(folder: &Path) -> PathBuf {
    folder.join("tasks")
}

/// Names the host's namespace.
pub(super) fn netns_file(folder: &Path) -> PathBuf {
    folder.join("netns")
}

/// Says that the host is the machine.
pub(super) fn machine_file(folder: &Path) -> PathBuf {
    folder.join("machine")
}

fn vpc_bridge(setup: &Setup) -> Option<&str> {
    match &setup.place {
        Place::Region(_) => Some(VPC_BRIDGE),
        Place::Machine { vpc } => vpc.as_ref().map(|it| it.name.as_str()),
    }
}

fn way_back(setup: &Setup) -> Option<WayBack> {
    match &setup.place {
        Place::Region(uplink) => Some(WayBack { uplink: UPLINK, vpc: uplink.vpc }),
        Place::Machine { .. } => None,
    }
}

fn host_namespace(setup: &Setup) -> Result<(Namespace, Option<PathBuf>), Error> {
    let open = || -> io::Result<(Namespace, Option<PathBuf>)> {
        fs::create_dir_all(&setup.folder)?;
        if matches!(setup.place, Place::Machine { .. }) {
            fs::write(machine_file(&setup.folder), "")?;
            return Ok((Namespace::current()?, None));
        }
        let path = netns_file(&setup.folder);
        if namespace::names_one(&path) {
            return Ok((Namespace::open(&path)?, Some(path)));
        }
        let (namespace, furnished) = Namespace::create(|| -> io::Result<()> {
            sysctl::write("net/ipv6/conf/default/disable_ipv6", "1")?;
            Links::open()?.set_up("lo")
        })?;
        furnished?;
        namespace.persist(&path)?;
        Ok((namespace, Some(path)))
    };
    open().doing(|| "make the host's namespace".into())
}

/// Claims the host whose namespace the calling thread is in. An abstract socket belongs to a
/// namespace, is held by one process, and is let go by the kernel when that ends, however it ends.
pub(super) fn claim() -> Result<UnixListener, Error> {
    let begin = Instant::now();
    loop {
        let address = SocketAddr::from_abstract_name("landfall/network");
        match address.and_then(|it| UnixListener::bind_addr(&it)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                return Err(error).doing(|| "claim the host's network".into());
            }
            Err(_) if begin.elapsed() > CLAIM_PATIENCE => return Err(Error::Busy),
            Err(_) => thread::sleep(CLAIM_LOOK),
            Ok(claim) => return Ok(claim),
        }
    }
}

/// Lays the uplink, makes it a port of the VPC's bridge, and gives the bridge the host's address.
fn connect(namespace: &Namespace, links: &mut Links, uplink: &Uplink) -> io::Result<VpcSide> {
    let mut machine = Links::open()?;
    let laid = machine.find(&uplink.link)?.is_some() && links.find(UPLINK)?.is_some();
    if !laid {
        // One end alone is from an earlier life of the host.
        machine.remove(&uplink.link)?;
        let bridge = machine.index(&uplink.bridge)?;
        let peer = Peer { name: UPLINK, netns: namespace.as_fd(), mac: None };
        let pair = Pair { name: &uplink.link, bridge, mtu: uplink.mtu, peer };
        machine.add_pair(&pair)?;
    }
    let bridge = bridge(links, VPC_BRIDGE, Mac::of(uplink.address), uplink.mtu)?;
    links.set_up(UPLINK)?;
    links.set_bridge(UPLINK, bridge.index)?;
    links.add_address(bridge.index, uplink.address, uplink.vpc.range().prefix())?;
    let gateway = uplink.vpc.gateway();
    links.add_route(ANYWHERE, gateway, bridge.index)?;
    links.add_marked_way(&MarkedWay {
        mark: ruleset::BACK,
        by: None,
        table: BACK_TABLE,
        gateway: Some((gateway, bridge.index)),
    })?;
    links.await_carrier(UPLINK)?;
    links.await_carrier(VPC_BRIDGE)?;
    machine.await_carrier(&uplink.link)?;
    machine.await_carrier(&uplink.bridge)?;
    Ok(VpcSide { bridge, address: uplink.address })
}

fn container_range(links: &mut Links, wish: Option<Ipv4Range>) -> Result<Ipv4Range, Error> {
    let facts = |links: &mut Links| {
        let own = links.find(CONTAINER_BRIDGE)?.map(|it| it.index);
        Ok((own, links.addresses()?, links.routes()?))
    };
    let (own, addresses, routes) = facts(links).doing(|| "read the routes".into())?;
    let present = addresses.iter().find(|it| Some(it.index) == own && it.prefix < 32);
    if let Some(present) = present {
        return Ok(Ipv4Range::around(present.address, present.prefix));
    }
    let taken: Vec<_> =
        routes.iter().map(|it| it.destination).filter(|it| is_specific(*it)).collect();
    match wish {
        Some(wish) if !(16..=24).contains(&wish.prefix()) => {
            let wanted = "a range for containers with a prefix of 16 to 24 bits";
            Err(Error::Invalid { text: wish.to_string(), wanted })
        }
        Some(wish) => match taken.into_iter().find(|it| it.overlaps(wish)) {
            Some(taken) => Err(Error::RangeTaken { wanted: wish, taken }),
            None => Ok(wish),
        },
        None => first_free(&CONTAINER_CANDIDATES, &taken).ok_or_else(|| {
            Error::NoRange(CONTAINER_CANDIDATES.map(|it| it.to_string()).join(", "))
        }),
    }
}

fn container_bridge(links: &mut Links, range: Ipv4Range, mtu: u32) -> io::Result<Bridge> {
    let gateway = addresses_gateway(range);
    let bridge = bridge(links, CONTAINER_BRIDGE, Mac::of(gateway), mtu)?;
    links.add_address(bridge.index, gateway, range.prefix())?;
    links.add_address(bridge.index, TASK_ENDPOINT, 32)?;
    Ok(bridge)
}

/// The bridge, which is made if it is missing.
fn bridge(links: &mut Links, name: &str, mac: Mac, mtu: u32) -> io::Result<Bridge> {
    match links.add_bridge(name, mac, mtu) {
        Err(error) if !exists(&error) => return Err(error),
        _ => {}
    }
    links.bridge(name)
}

/// Kernel settings of the host's namespace, which the calling thread is in.
fn settings(setup: &Setup, links: &mut Links) -> Result<(), Error> {
    let mut set = || {
        // For 127.0.0.1:HOSTPORT; the rules drop what else it would let in.
        sysctl::write(&format!("net/ipv4/conf/{CONTAINER_BRIDGE}/route_localnet"), "1")?;
        match setup.place {
            Place::Region(_) => {
                // Frames between tasks of one bridge need not pass the IP rules.
                for kind in ["arptables", "iptables", "ip6tables"] {
                    sysctl::write(&format!("net/bridge/bridge-nf-call-{kind}"), "0")?;
                }
                sysctl::write("net/ipv4/ip_forward", "1")
            }
            Place::Machine { .. } => sysctl::start_forwarding(links, CONTAINER_BRIDGE),
        }
    };
    set().doing(|| "write kernel settings".into())
}

/// The kernel's range of local ports, in the namespace of the calling thread.
fn local_ports() -> PortSpan {
    let read = || {
        let text = sysctl::read("net/ipv4/ip_local_port_range").ok()?;
        let (first, last) = text.split_once(char::is_whitespace)?;
        PortSpan::new(first.trim().parse().ok()?, last.trim().parse().ok()?).ok()
    };
    let (first, last) = DYNAMIC_FALLBACK;
    read().unwrap_or_else(|| PortSpan::new(first, last).expect("a constant in order"))
}

/// Addresses on which a listener of the host would lose its port to a mapping. Link-local ones are
/// left out: mappings spare them.
fn own_addresses(links: &mut Links) -> io::Result<Vec<Ipv4Addr>> {
    let all = links.addresses()?.into_iter().map(|it| it.address);
    Ok(all.filter(|it| !it.is_link_local()).collect())
}
