//! Finds out whether this machine can carry our networks, without changing anything on it.
//!
//! Everything is tried for real, in namespaces that vanish afterwards.

use std::io;
use std::os::fd::AsFd;

use crate::address::{Ipv4Range, Mac, Vpc};
use crate::element::{Element, Elements};
use crate::error::Error;
use crate::link::{Links, Pair, Peer};
use crate::namespace::Namespace;
use crate::region::{self, MTU_DEFAULT};
use crate::ruleset::{self, CONTAINER_BRIDGE, HostRules, SPEAKERS, WayBack};
use crate::{nft, sysctl};

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The right to make network namespaces.
    Namespaces,
    /// Bridges and veth pairs in the kernel.
    Links,
    /// The `nft` command, and our rules in the kernel.
    Rules,
    /// Whether the machine forwards packets.
    Forwarding,
    /// Firewalls of others that would drop what we forward.
    OtherFirewalls,
    /// An address range for a VPC.
    VpcRange,
}

/// How it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Regions work, but something may surprise; the text says how to mend it.
    Careful(String),
    /// Regions do not work; the text says how to mend it.
    Missing(String),
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it looks.
    pub verdict: Verdict,
    /// What was seen, in a sentence.
    pub detail: String,
}

impl Finding {
    fn good(check: Check, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, detail: detail.into() }
    }

    fn careful(check: Check, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Careful(mend.into()), detail: detail.into() }
    }

    fn missing(check: Check, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Missing(mend.into()), detail: detail.into() }
    }
}

/// Looks at everything. What cannot be tried because something before it is missing is left out.
pub fn doctor() -> Vec<Finding> {
    let mut findings = vec![forwarding(), vpc_range()];
    match Namespace::new() {
        Ok(scratch) => {
            findings.push(Finding::good(Check::Namespaces, "network namespaces can be made"));
            findings.push(links(&scratch));
            findings.push(rules(&scratch));
            findings.push(other_firewalls());
        }
        Err(error) => findings.push(Finding::missing(
            Check::Namespaces,
            format!("network namespaces cannot be made: {error}"),
            "run as root, on a kernel with CONFIG_NET_NS",
        )),
    }
    findings
}

fn links(scratch: &Namespace) -> Finding {
    let lay = || -> io::Result<()> {
        let mut links = Links::open()?;
        links.add_bridge(CONTAINER_BRIDGE, Mac([0x06, 0, 0, 0, 0, 1]), MTU_DEFAULT)?;
        let inside = Namespace::new()?;
        let peer = Peer { name: "eth0", netns: inside.as_fd(), mac: None };
        let bridge = links.index(CONTAINER_BRIDGE)?;
        links.add_pair(&Pair { name: "lft0", bridge, mtu: MTU_DEFAULT, peer })?;
        links.set_hairpin("lft0")
    };
    match scratch.enter(lay).and_then(|it| it) {
        Ok(()) => Finding::good(Check::Links, "bridges and veth pairs can be made"),
        Err(error) => Finding::missing(
            Check::Links,
            format!("a bridge with a veth pair cannot be made: {error}"),
            "modprobe -a bridge veth",
        ),
    }
}

fn rules(scratch: &Namespace) -> Finding {
    let containers = Ipv4Range::around([10, 0, 0, 0].into(), 16);
    let apply = || -> Result<(), Error> {
        let way_back = Vpc::new(containers).map(|vpc| WayBack { uplink: "uplink", vpc });
        let vpc_bridge = Some("vpc0");
        nft::apply(&ruleset::host(&HostRules { containers, vpc_bridge, way_back }))?;
        let speaker = Element::speaker("lft0", Mac::of(containers.base()), containers.base());
        let mut elements = Elements::open().map_err(unspeakable)?;
        elements.put(SPEAKERS, &[speaker]).map_err(unspeakable)
    };
    let clients = || nft::apply(&ruleset::clients("landfall", CONTAINER_BRIDGE, containers));
    let outcome = scratch.enter(apply).map_err(unspeakable).and_then(|it| it);
    match outcome {
        Ok(()) => match scratch.enter(clients).map_err(unspeakable).and_then(|it| it) {
            Ok(()) => {
                Finding::good(Check::Rules, "nft is installed and the kernel takes our rules")
            }
            Err(error) => Finding::careful(
                Check::Rules,
                format!(
                    "the kernel does not take the rules by which targets of network load balancers \
                     see their clients' addresses: {error}"
                ),
                "modprobe nft_socket",
            ),
        },
        Err(Error::NftMissing) => {
            Finding::missing(Check::Rules, "nft is not installed", "apt-get install nftables")
        }
        Err(error) => Finding::missing(
            Check::Rules,
            error.to_string(),
            "modprobe -a nf_tables nft_chain_nat nft_fib_ipv4 nft_ct nft_masq; \
             a kernel from 5.4 on has them all",
        ),
    }
}

fn unspeakable(source: io::Error) -> Error {
    Error::Kernel { action: "talk to nftables in the kernel".into(), source }
}

fn forwarding() -> Finding {
    let check = Check::Forwarding;
    match sysctl::forwards() {
        Ok(true) => Finding::good(check, "this machine forwards packets"),
        Ok(false) => Finding::good(
            check,
            "this machine does not forward packets; a region turns that on while it is up",
        ),
        Err(error) => Finding::missing(
            check,
            format!("net.ipv4.ip_forward cannot be read: {error}"),
            "mount /proc/sys",
        ),
    }
}

fn vpc_range() -> Finding {
    let check = Check::VpcRange;
    match region::free_range() {
        Ok(range) => Finding::good(check, format!("{range} is free for a new region's VPC")),
        Err(error) => Finding::careful(
            check,
            error.to_string(),
            "choose a range for the VPC that this machine does not route",
        ),
    }
}

fn other_firewalls() -> Finding {
    let check = Check::OtherFirewalls;
    let chains = match nft::list_chains() {
        Ok(text) => text,
        Err(error) => return Finding::careful(check, error.to_string(), "look with nft yourself"),
    };
    let dropping = forward_drops(&chains);
    if dropping.is_empty() {
        return Finding::good(check, "no chain drops forwarded packets by default");
    }
    Finding::careful(
        check,
        format!(
            "packets that are forwarded are dropped by default in {} (Docker sets this); tasks \
             would reach neither the world nor tasks on other instances",
            dropping.join(", ")
        ),
        "let our bridges through, with Docker: iptables -I DOCKER-USER -i lf+ -j ACCEPT; \
         iptables -I DOCKER-USER -o lf+ -j ACCEPT",
    )
}

/// Chains that drop forwarded packets unless a rule says otherwise, as `table chain`.
fn forward_drops(chains: &str) -> Vec<String> {
    let (mut table, mut chain) = ("", "");
    let mut dropping = Vec::new();
    for line in chains.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("table ").and_then(|it| it.strip_suffix(" {")) {
            table = name;
        } else if let Some(name) = line.strip_prefix("chain ").and_then(|it| it.strip_suffix(" {"))
        {
            chain = name;
        } else if line.contains(" hook forward ") && line.contains("policy drop") {
            dropping.push(format!("{table} {chain}"));
        }
    }
    dropping
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_chain_that_drops_is_named() {
        let chains = "
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER-USER {
	}
}
table ip landfall_t {
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}";
        assert_eq!(forward_drops(chains), ["ip filter FORWARD"]);
        assert!(forward_drops("").is_empty());
    }
}
