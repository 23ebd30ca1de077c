//! Addresses: IPv4 ranges, MAC addresses, and how a VPC is cut into subnets.

use core::fmt;
use core::str::FromStr;
use std::net::Ipv4Addr;

/// An IPv4 range in CIDR form, such as `172.31.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Range {
    base: u32,
    prefix: u8,
}

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct ParseError {
    text: String,
    wanted: &'static str,
}

impl Ipv4Range {
    /// The range of this prefix length (0 to 32, else taken as 32) that the address lies in.
    pub const fn around(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = if prefix > 32 { 32 } else { prefix };
        Self { base: address.to_bits() & mask(prefix), prefix }
    }

    /// Its first address, which names it.
    pub fn base(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base)
    }

    /// Its last address, the broadcast address of a link.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | !mask(self.prefix))
    }

    /// Length of the prefix in bits.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The address at this offset from the base; `None` if it lies outside.
    pub fn host(self, offset: u32) -> Option<Ipv4Addr> {
        let address = Ipv4Addr::from_bits(self.base.checked_add(offset)?);
        self.contains(address).then_some(address)
    }

    /// How far this address lies above the base.
    pub fn offset(self, address: Ipv4Addr) -> u32 {
        address.to_bits().wrapping_sub(self.base)
    }

    /// Whether the address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.base
    }

    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.base()) || other.contains(self.base())
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

impl fmt::Display for Ipv4Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.prefix)
    }
}

impl FromStr for Ipv4Range {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let address: Ipv4Addr = address.parse().ok()?;
            let prefix = prefix.parse().ok().filter(|it| *it <= 32)?;
            Some(Self::around(address, prefix)).filter(|it| it.base() == address)
        };
        let wanted = "an IPv4 range such as 172.31.0.0/16";
        parse().ok_or_else(|| ParseError { text: text.to_owned(), wanted })
    }
}

/// The first of these ranges that overlaps none of the taken ones.
pub fn first_free(candidates: &[Ipv4Range], taken: &[Ipv4Range]) -> Option<Ipv4Range> {
    candidates.iter().copied().find(|it| !taken.iter().any(|other| it.overlaps(*other)))
}

/// The range of a VPC and how it is used: the gateway first, then a subnet for each zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vpc {
    range: Ipv4Range,
}

/// A VPC has room for this many zones.
pub const ZONES_MAX: u8 = 12;

impl Vpc {
    /// A VPC over this range; `None` unless its prefix is 16 to 24 bits long.
    pub fn new(range: Ipv4Range) -> Option<Self> {
        (16..=24).contains(&range.prefix).then_some(Self { range })
    }

    /// The whole range.
    pub fn range(self) -> Ipv4Range {
        self.range
    }

    /// The address of the router, the first after the base.
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.range.base + 1)
    }

    /// The subnet of a zone: `0` is zone `a`. A sixteenth of the VPC, the first sixteenth left out
    /// for the gateway. `None` from [`ZONES_MAX`] on.
    pub fn subnet(self, zone: u8) -> Option<Ipv4Range> {
        let prefix = self.range.prefix + 4;
        let base = self.range.base + (u32::from(zone) + 1) * (1 << (32 - prefix));
        (zone < ZONES_MAX).then_some(Ipv4Range { base, prefix })
    }
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A locally administered address that holds the IPv4 address, so that two interfaces of one
    /// link with different addresses never share it.
    pub fn of(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x06, 0x1f, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Mac {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let mut bytes = text.split(':').map(|it| match it.len() {
                2 => u8::from_str_radix(it, 16).ok(),
                _ => None,
            });
            let mac = [
                bytes.next()??,
                bytes.next()??,
                bytes.next()??,
                bytes.next()??,
                bytes.next()??,
                bytes.next()??,
            ];
            // The lowest bit of the first byte marks a group, which nothing can send from.
            (bytes.next().is_none() && mac[0] & 1 == 0).then_some(Self(mac))
        };
        let wanted = "a MAC address such as 06:1f:ac:1f:10:05";
        parse().ok_or_else(|| ParseError { text: text.to_owned(), wanted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Ipv4Range {
        text.parse().expect("a range")
    }

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(range("172.31.0.0/16").to_string(), "172.31.0.0/16");
        assert_eq!(range("10.0.0.0/8").last(), Ipv4Addr::new(10, 255, 255, 255));
        for bad in ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0/8", "x/8"] {
            assert!(bad.parse::<Ipv4Range>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_range_that_overlaps_nothing_is_taken() {
        let candidates = [range("172.31.0.0/16"), range("172.30.0.0/16")];
        assert_eq!(first_free(&candidates, &[]), Some(candidates[0]));
        assert_eq!(first_free(&candidates, &[range("172.31.5.0/24")]), Some(candidates[1]));
        assert_eq!(first_free(&candidates, &[range("172.16.0.0/12")]), None);
    }

    #[test]
    fn each_zone_has_a_sixteenth_of_the_vpc() {
        let vpc = Vpc::new(range("172.31.0.0/16")).expect("a VPC");
        assert_eq!(vpc.gateway(), Ipv4Addr::new(172, 31, 0, 1));
        assert_eq!(vpc.subnet(0), Some(range("172.31.16.0/20")));
        assert_eq!(vpc.subnet(11), Some(range("172.31.192.0/20")));
        assert_eq!(vpc.subnet(12), None);
        let small = Vpc::new(range("10.1.2.0/24")).expect("a VPC");
        assert_eq!(small.subnet(1), Some(range("10.1.2.32/28")));
        assert_eq!(Vpc::new(range("10.0.0.0/8")), None);
    }

    #[test]
    fn mac_addresses_survive_their_text() {
        let mac = Mac::of(Ipv4Addr::new(172, 31, 16, 5));
        assert_eq!(mac.to_string(), "06:1f:ac:1f:10:05");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        for bad in
            ["", "06:1f:ac:1f:10", "06:1f:ac:1f:10:05:06", "01:00:5e:00:00:01", "6:1:a:1:1:5"]
        {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
