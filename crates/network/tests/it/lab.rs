//! A machine to try things on, and small servers and clients for it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use network::{
    Attached, Connection, Host, HostPorts, Id, Interface, Ipv4Range, Mac, Namespace, Place,
    PortMapping, PortSpan, Region, Setup, Tag,
};
use tempfile::TempDir;
use types::Protocol;

/// Who should be answered is waited for as long as it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// Answers inside one machine take microseconds; who should not be answered waits this long.
pub(crate) const SILENCE: Duration = Duration::from_millis(700);

/// A machine with no links but `lo`.
pub(crate) struct Lab {
    folder: TempDir,
}

/// Runs a test on a machine of its own, or says why not.
pub(crate) fn lab(test: impl FnOnce(&Lab) + Send) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let machine = Namespace::new().expect("a namespace");
    let lab = Lab { folder: tempfile::tempdir().expect("a folder") };
    machine
        .enter(|| {
            run("ip link set lo up");
            test(&lab);
        })
        .expect("enters");
}

impl Drop for Lab {
    /// A failed test must not leave mounts either.
    fn drop(&mut self) {
        for mount in self.mounts() {
            Command::new("umount").args(["-l", &mount]).status().expect("umount runs");
        }
    }
}

impl Lab {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn setup(&self, name: &str, place: Place) -> Setup {
        Setup {
            folder: self.path().join(name),
            place,
            containers: None,
            dynamic_ports: None,
            ready: 1,
        }
    }

    /// The n-th host of a zone.
    pub(crate) fn host(&self, region: &Region, zone: u8, number: u32) -> (Setup, Host) {
        let place =
            Place::Region(region.uplink(instance(region, zone, number)).expect("an uplink"));
        let setup = self.setup(&format!("host-{zone}-{number}"), place);
        let host = Host::ensure(&setup).expect("a host");
        (setup, host)
    }

    /// What is mounted under this lab's folder.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let prefix = self.path().to_str().expect("plain");
        let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        points.filter(|it| it.starts_with(prefix)).map(str::to_owned).collect()
    }
}

pub(crate) fn region(tag: &str) -> Region {
    Region::ensure(&self::tag(tag), None).expect("a region")
}

pub(crate) fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
}

pub(crate) fn id(text: &str) -> Id {
    Id::parse(text).expect("an id")
}

pub(crate) fn instance(region: &Region, zone: u8, number: u32) -> Ipv4Addr {
    region.vpc().subnet(zone).and_then(|it| it.host(9 + number)).expect("in the subnet")
}

/// A task interface in a zone of the region.
pub(crate) fn interface(region: &Region, zone: u8, number: u32) -> Interface {
    let address =
        region.vpc().subnet(zone).and_then(|it| it.host(99 + number)).expect("in the subnet");
    Interface {
        mac: Mac::of(address),
        address,
        prefix: region.vpc().range().prefix(),
        gateway: region.vpc().gateway(),
    }
}

pub(crate) fn mapping(protocol: Protocol, container: u16, host: HostPorts) -> PortMapping {
    PortMapping { protocol, container: PortSpan::one(container).expect("a port"), host }
}

pub(crate) fn tcp(container: u16, host: HostPorts) -> PortMapping {
    mapping(Protocol::Tcp, container, host)
}

pub(crate) fn open(attached: &Attached) -> Namespace {
    Namespace::open(&attached.netns).expect("a namespace")
}

pub(crate) fn address(attached: &Attached) -> Ipv4Addr {
    attached.address().expect("connected")
}

pub(crate) fn is_bridge(attached: &Attached) -> bool {
    matches!(attached.connection, Connection::Bridge { .. })
}

pub(crate) fn range(text: &str) -> Ipv4Range {
    text.parse().expect("a range")
}

pub(crate) fn at(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddrV4::new(address, port).into()
}

/// Serves TCP on every address of a namespace: tells each client its name and the client's address.
/// Ends with the test's process.
pub(crate) fn serve(namespace: &Namespace, port: u16, name: &str) {
    serve_at(namespace, at(Ipv4Addr::UNSPECIFIED, port), name);
}

pub(crate) fn serve_at(namespace: &Namespace, address: SocketAddr, name: &str) {
    let listener: TcpListener = namespace.listen(address).expect("listens");
    let name = name.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("accepts");
            let peer = stream.peer_addr().expect("a peer").ip();
            // A client that has gone away is its own affair.
            let _ = write!(stream, "{name} {peer}");
        }
    });
}

/// Serves UDP likewise.
pub(crate) fn serve_udp(namespace: &Namespace, port: u16, name: &str) {
    let socket = namespace.bind_udp(at(Ipv4Addr::UNSPECIFIED, port)).expect("binds");
    let name = name.to_owned();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(format!("{name} {}", peer.ip()).as_bytes(), peer);
        }
    });
}

/// What the server at that address says to a client in the calling thread's namespace.
pub(crate) fn ask(address: SocketAddr) -> io::Result<String> {
    ask_within(address, PATIENCE)
}

pub(crate) fn ask_from(namespace: &Namespace, address: SocketAddr) -> io::Result<String> {
    namespace.enter(|| ask(address)).expect("enters")
}

/// Asks where no answer should come; gives how it was refused.
#[track_caller]
pub(crate) fn no_answer(address: SocketAddr, why: &str) -> io::Error {
    ask_within(address, SILENCE).expect_err(why)
}

#[track_caller]
pub(crate) fn no_answer_from(namespace: &Namespace, address: SocketAddr, why: &str) -> io::Error {
    let asked = namespace.enter(|| ask_within(address, SILENCE)).expect("enters");
    asked.expect_err(why)
}

fn ask_within(address: SocketAddr, wait: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, wait)?;
    stream.set_read_timeout(Some(wait))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

pub(crate) fn ask_udp_from(namespace: &Namespace, address: SocketAddr) -> io::Result<String> {
    let socket: UdpSocket = namespace.bind_udp(at(Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(b"?", address)?;
    let mut buffer = vec![0; 64];
    let (length, _) = socket.recv_from(&mut buffer)?;
    buffer.truncate(length);
    Ok(String::from_utf8_lossy(&buffer).into_owned())
}

/// Runs a command in the calling thread's namespace and gives its output.
pub(crate) fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output =
        Command::new(words.next().expect("a command")).args(words).output().expect("it runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn run_in(namespace: &Namespace, command: &str) -> String {
    namespace.enter(|| run(command)).expect("enters")
}

/// A neighbour of the machine on a network of its own: the machine is 192.0.2.1, the neighbour
/// 192.0.2.2. The machine's default route leads there.
pub(crate) fn neighbour() -> Namespace {
    let neighbour = Namespace::new().expect("a namespace");
    let path = format!("/proc/{}/fd/{}", std::process::id(), neighbour.as_fd().as_raw_fd());
    run(&format!("ip link add wan type veth peer name eth0 netns {path}"));
    run("ip addr add 192.0.2.1/24 dev wan");
    run("ip link set wan up");
    run("ip route add default via 192.0.2.2");
    run_in(&neighbour, "ip link set lo up");
    run_in(&neighbour, "ip addr add 192.0.2.2/24 dev eth0");
    run_in(&neighbour, "ip link set eth0 up");
    // The kernel notices a carrier by and by, recent ones when they are asked.
    let up = |it: &str| it.contains("state UP");
    let begin = Instant::now();
    while !up(&run("ip link show wan")) || !up(&run_in(&neighbour, "ip link show eth0")) {
        assert!(begin.elapsed() < PATIENCE, "the link to the neighbour never came up");
    }
    neighbour
}

/// The names of the links of the calling thread's namespace. Tunnels that a kernel puts into every
/// namespace do not count: they are down and lead nowhere.
pub(crate) fn link_names() -> Vec<String> {
    let listing = run("ip -o link");
    let tunnels = ["tunl", "gre", "erspan", "ip_vti", "ip6_vti", "sit", "ip6tnl", "ip6gre"];
    let names = listing.lines().filter_map(|line| line.split(' ').nth(1));
    names.filter(|it| !tunnels.iter().any(|kind| it.starts_with(kind))).map(str::to_owned).collect()
}

/// The machine's side of the link to its [`neighbour`].
pub(crate) const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The far side.
pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
