//! Kernel settings of the network namespace of the calling thread, and the machine's forwarding.

use std::fs;
use std::io;

use crate::link::Links;

/// Marks our links on a machine that did not forward packets before the first of them came.
const FORWARDING_MARK: &str = "landfall: forwarding was off";
/// Kinds of links between which people forward packets.
const OTHERS_NETWORKS: [&str; 5] = ["bridge", "macvlan", "tun", "veth", "wireguard"];
const FORWARDING: &str = "net/ipv4/ip_forward";

/// Writes a setting, such as `net/ipv4/ip_forward`. Fine if this kernel does not know it.
pub(crate) fn write(name: &str, value: &str) -> io::Result<()> {
    match fs::write(format!("/proc/sys/{name}"), value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Reads a setting.
pub(crate) fn read(name: &str) -> io::Result<String> {
    Ok(fs::read_to_string(format!("/proc/sys/{name}"))?.trim().to_owned())
}

/// Whether this namespace passes packets on.
pub(crate) fn forwards() -> io::Result<bool> {
    Ok(read(FORWARDING)? == "1")
}

/// Lets this namespace pass packets on, and remembers on our link if it did not before.
pub(crate) fn start_forwarding(links: &mut Links, ours: &str) -> io::Result<()> {
    let on = forwards()?;
    if !on || is_marked(links)? {
        links.set_alias(ours, FORWARDING_MARK)?;
    }
    if on { Ok(()) } else { write(FORWARDING, "1") }
}

/// Whether a link of ours says that forwarding was off before.
pub(crate) fn is_marked(links: &mut Links) -> io::Result<bool> {
    Ok(links.list()?.iter().any(|it| it.alias.as_deref() == Some(FORWARDING_MARK)))
}

/// Puts forwarding back as it was, once the last of our links that remembered is gone.
///
/// Leaves it on where others have virtual networks, such as Docker: they found it on when they came
/// and may rely on it by now.
pub(crate) fn stop_forwarding(links: &mut Links, was_marked: bool) -> io::Result<()> {
    let relied_on = |kind: &str| OTHERS_NETWORKS.contains(&kind);
    let others = links.list()?.iter().any(|it| it.kind.as_deref().is_some_and(relied_on));
    if was_marked && !others && !is_marked(links)? { write(FORWARDING, "0") } else { Ok(()) }
}
