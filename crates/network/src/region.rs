//! The network of a region on one machine: one bridge that carries the default VPC.
//!
//! Everything about it can be read back from the kernel, so it has no files: the bridge's name is
//! made of the region's tag, its address tells the VPC.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use crate::address::{Ipv4Range, Mac, Vpc, first_free};
use crate::error::{Doing, Error};
use crate::handover::Handover;
use crate::link::{Assigned, Link, Links, MarkedWay, Route, exists};
use crate::ruleset;
use crate::{nft, sysctl};

/// Ranges for a VPC, in order of preference. The first is the one of AWS's default VPCs.
const VPC_CANDIDATES: [Ipv4Range; 8] = [
    Ipv4Range::around(Ipv4Addr::new(172, 31, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(172, 30, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(172, 29, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(172, 28, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(10, 131, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(10, 132, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(10, 133, 0, 0), 16),
    Ipv4Range::around(Ipv4Addr::new(10, 134, 0, 0), 16),
];

/// The smallest packet size every IPv4 path must carry in practice; nothing smaller is taken over
/// from the machine.
const MTU_MIN: u32 = 1_280;
/// Ethernet's, where the machine has no way out to take over from.
pub(crate) const MTU_DEFAULT: u32 = 1_500;

/// Length of the prefix of an address that stands alone.
const ALONE: u8 = 32;

/// Tells regions on one machine apart: 1 to 7 lower-case letters and digits, so that it fits into
/// the names of links.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Reads a tag; [`Error::Invalid`] if it breaks the rule.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if (1..=7).contains(&text.len()) && text.bytes().all(valid) {
            return Ok(Self(text.to_owned()));
        }
        let wanted = "a tag of 1 to 7 lower-case letters and digits";
        Err(Error::Invalid { text: text.to_owned(), wanted })
    }

    fn bridge(&self) -> String {
        format!("lf-{}", self.0)
    }

    fn table(&self) -> String {
        format!("landfall_{}", self.0)
    }

    /// The ways in of packets for sockets that have addresses of others: from the VPC, and from this
    /// machine. The number of their table is made of the tag.
    fn ways_in<'a>(&self, bridge: &'a str) -> [MarkedWay<'a>; 2] {
        let fnv = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let number = self.0.bytes().fold(0x811c_9dc5, fnv);
        let table = 0x4000_0000 | (number & 0x3fff_ffff);
        [bridge, "lo"].map(|by| MarkedWay {
            mark: ruleset::BACK,
            by: Some(by),
            table,
            gateway: None,
        })
    }

    fn uplink_prefix(&self) -> String {
        format!("lf-{}-", self.0)
    }
}

/// The network of one region on this machine. Dropping it changes nothing.
#[derive(Debug)]
pub struct Region {
    tag: Tag,
    vpc: Vpc,
    mtu: u32,
}

/// How an instance hangs on its region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The region's bridge.
    pub(crate) bridge: String,
    /// The instance's link on that bridge.
    pub(crate) link: String,
    /// The instance's address in the VPC.
    pub(crate) address: Ipv4Addr,
    /// The VPC.
    pub(crate) vpc: Vpc,
    /// Largest packet in bytes.
    pub(crate) mtu: u32,
}

impl Region {
    /// Makes what is missing of the region's network and adopts what is there.
    ///
    /// Without a wish for `vpc`, an existing network keeps its range and a new one takes the first
    /// usual range that this machine does not route yet. Turns forwarding on.
    ///
    /// # Errors
    ///
    /// [`Error::RangeTaken`] or [`Error::NoRange`] if the machine uses the range; [`Error::NftMissing`].
    pub fn ensure(tag: &Tag, vpc: Option<Vpc>) -> Result<Self, Error> {
        let mut links = Links::open().doing(|| "talk to the kernel about links".into())?;
        let bridge = tag.bridge();
        let vpc = choose(&mut links, &bridge, vpc)?;
        let mtu = mtu_of_the_way_out(&mut links).doing(|| "read the routes".into())?;

        // First: without `nft` nothing else is begun.
        nft::apply(&ruleset::region(&tag.table(), &bridge, vpc))?;
        let mac = Mac::of(vpc.gateway());
        match links.add_bridge(&bridge, mac, mtu) {
            Err(error) if !exists(&error) => return Err(error).doing(|| format!("add {bridge}")),
            _ => {}
        }
        build(&mut links, &bridge, vpc).doing(|| format!("set up {bridge}"))?;
        Ok(Self { tag: tag.clone(), vpc, mtu })
    }

    /// Removes the region's network, also what a killed process left of it.
    ///
    /// Instances are disconnected, not removed; destroy them first.
    pub fn destroy(tag: &Tag) -> Result<(), Error> {
        let mut links = Links::open().doing(|| "talk to the kernel about links".into())?;
        take_down(&mut links, tag).doing(|| format!("remove {}", tag.bridge()))?;
        nft::remove_table("ip", &tag.table())?;
        Handover::recover().doing(|| "put back what a killed handover left".into())
    }

    /// Its VPC.
    pub fn vpc(&self) -> Vpc {
        self.vpc
    }

    /// Gives the machine these addresses of the VPC, beside the gateway's, and takes back every
    /// other one that it was given so. What is there already stays untouched.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if an address is not one for hosts in the VPC.
    pub fn settle_addresses(&self, wanted: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
        for address in wanted {
            self.uplink(*address)?;
        }
        let bridge = self.tag.bridge();
        let settle = || -> io::Result<()> {
            let mut links = Links::open()?;
            let index = links.index(&bridge)?;
            let own = links.addresses()?.into_iter().filter(|it| it.index == index);
            let standing: BTreeSet<Ipv4Addr> =
                own.filter(|it| it.prefix == ALONE).map(|it| it.address).collect();
            for address in wanted.difference(&standing) {
                links.add_address(index, *address, ALONE)?;
            }
            for address in standing.difference(wanted) {
                links.remove_address(index, *address, ALONE)?;
            }
            Ok(())
        };
        settle().doing(|| format!("set the addresses of load balancers on {bridge}"))
    }

    /// Lets processes of this machine speak from addresses of others to what has an address of the
    /// VPC, by transparent sockets, and hear the answers. Fine if they may already.
    ///
    /// # Errors
    ///
    /// [`Error::Nft`] if the kernel cannot tell whose socket a packet is for.
    pub fn let_clients_through(&self) -> Result<(), Error> {
        let bridge = self.tag.bridge();
        nft::apply(&ruleset::clients(&self.tag.table(), &bridge, self.vpc.range()))?;
        let lay = || -> io::Result<()> {
            let mut links = Links::open()?;
            self.tag.ways_in(&bridge).iter().try_for_each(|it| links.add_marked_way(it))
        };
        lay().doing(|| format!("let clients through {bridge}"))
    }

    /// How an instance of this address hangs on the region.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the address is not one for hosts in the VPC.
    pub fn uplink(&self, address: Ipv4Addr) -> Result<Uplink, Error> {
        let range = self.vpc.range();
        let special = [range.base(), range.last(), self.vpc.gateway()];
        if !range.contains(address) || special.contains(&address) {
            let wanted = "an address for an instance in this VPC";
            return Err(Error::Invalid { text: address.to_string(), wanted });
        }
        Ok(Uplink {
            bridge: self.tag.bridge(),
            link: format!("{}{:04x}", self.tag.uplink_prefix(), range.offset(address)),
            address,
            vpc: self.vpc,
            mtu: self.mtu,
        })
    }
}

fn choose(links: &mut Links, bridge: &str, wish: Option<Vpc>) -> Result<Vpc, Error> {
    let facts = |links: &mut Links| {
        let own = links.find(bridge)?.map(|it| it.index);
        Ok((own, links.addresses()?, links.routes()?))
    };
    let (own, addresses, routes) = facts(links).doing(|| "read the routes".into())?;

    // Addresses of load balancers stand alone; the VPC is that of the gateway's.
    let is_own = |it: &&Assigned| Some(it.index) == own && it.prefix < ALONE;
    let present = addresses.iter().find(is_own);
    let present = present.and_then(|it| Vpc::new(Ipv4Range::around(it.address, it.prefix)));
    match (present, wish) {
        (Some(present), Some(wish)) if present != wish => {
            let (wanted, taken) = (wish.range(), present.range());
            return Err(Error::RangeTaken { wanted, taken });
        }
        (Some(present), _) => return Ok(present),
        (None, _) => {}
    }

    let taken = taken(&routes, own);
    let Some(wish) = wish else {
        let range = first_free_candidate(&taken)?;
        return Vpc::new(range).ok_or_else(|| Error::NoRange(range.to_string()));
    };
    match taken.into_iter().find(|it| it.overlaps(wish.range())) {
        Some(taken) => Err(Error::RangeTaken { wanted: wish.range(), taken }),
        None => Ok(wish),
    }
}

/// The range that a new region would get for its VPC.
pub(crate) fn free_range() -> Result<Ipv4Range, Error> {
    let routes = Links::open().and_then(|mut links| links.routes());
    first_free_candidate(&taken(&routes.doing(|| "read the routes".into())?, None))
}

/// What the machine routes already, but for routes of one link.
fn taken(routes: &[Route], own: Option<u32>) -> Vec<Ipv4Range> {
    let others = routes.iter().filter(|it| own.is_none() || it.index != own);
    others.map(|it| it.destination).filter(|it| is_specific(*it)).collect()
}

fn first_free_candidate(taken: &[Ipv4Range]) -> Result<Ipv4Range, Error> {
    let names = || VPC_CANDIDATES.map(|it| it.to_string()).join(", ");
    first_free(&VPC_CANDIDATES, taken).ok_or_else(|| Error::NoRange(names()))
}

/// Whether a route says that the range is in use: a default route does not, and neither do the two
/// halves of the world by which VPN clients replace it.
pub(crate) fn is_specific(range: Ipv4Range) -> bool {
    range.prefix() > 1
}

/// Packets larger than the machine's way out takes would be lost on networks that do not say so.
pub(crate) fn mtu_of_the_way_out(links: &mut Links) -> io::Result<u32> {
    let routes = links.routes()?;
    let default = routes.iter().find(|it| it.destination.prefix() == 0).and_then(|it| it.index);
    let link: Option<Link> = links.list()?.into_iter().find(|it| Some(it.index) == default);
    Ok(link.map_or(MTU_DEFAULT, |it| it.mtu.clamp(MTU_MIN, MTU_DEFAULT)))
}

fn build(links: &mut Links, bridge: &str, vpc: Vpc) -> io::Result<()> {
    links.set_up(bridge)?;
    let index = links.index(bridge)?;
    links.add_address(index, vpc.gateway(), vpc.range().prefix())?;
    sysctl::start_forwarding(links, bridge)
}

fn take_down(links: &mut Links, tag: &Tag) -> io::Result<()> {
    let was_marked = sysctl::is_marked(links)?;
    let prefix = tag.uplink_prefix();
    for link in links.list()?.iter().filter(|it| it.name.starts_with(&prefix)) {
        links.remove(&link.name)?;
    }
    let bridge = tag.bridge();
    for way in tag.ways_in(&bridge) {
        links.remove_marked_way(&way)?;
    }
    links.remove(&bridge)?;
    sysctl::stop_forwarding(links, was_marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_made_of_a_tag_fit_into_a_link_name() {
        let tag = Tag::parse("abcdefg").expect("a tag");
        let vpc = Vpc::new(VPC_CANDIDATES[0]).expect("a VPC");
        let region = Region { tag, vpc, mtu: MTU_DEFAULT };
        let uplink = region.uplink(Ipv4Addr::new(172, 31, 255, 254)).expect("in the VPC");
        assert_eq!(uplink.link, "lf-abcdefg-fffe");
        assert!(uplink.link.len() <= 15);
        for bad in ["", "abcdefgh", "A", "a-b", "é"] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_instance_lives_inside_the_vpc_beside_the_gateway() {
        let vpc = Vpc::new(VPC_CANDIDATES[0]).expect("a VPC");
        let region = Region { tag: Tag::parse("t").expect("a tag"), vpc, mtu: MTU_DEFAULT };
        for bad in ["172.31.0.0", "172.31.0.1", "172.31.255.255", "172.30.0.9"] {
            assert!(region.uplink(bad.parse().expect("an address")).is_err(), "{bad}");
        }
    }
}
