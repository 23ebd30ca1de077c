//! Who is answered: a server that answers everybody is lent to attacks on others.

use core::fmt;
use core::str::FromStr;
use std::net::IpAddr;

/// The machines that are answered: this one, and those in some ranges.
#[derive(Debug, Clone, Default)]
pub struct Clients(Vec<Range>);

impl Clients {
    /// Loopback and these ranges.
    pub fn new(ranges: Vec<Range>) -> Self {
        Self(ranges)
    }

    /// Whether somebody with this address is answered.
    pub(crate) fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.0.iter().any(|it| it.contains(address))
    }
}

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    prefix: u8,
}

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of addresses such as 10.0.0.0/8")]
pub struct BadRange(String);

impl Range {
    /// The range that an address lies in; a prefix that is too long is the address alone.
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let widest = if address.is_ipv4() { 32 } else { 128 };
        Self { base: address, prefix: prefix.min(widest) }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let free = |bits: u8| u32::from(bits - self.prefix);
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(other)) => {
                let differing = u64::from(base.to_bits() ^ other.to_bits());
                differing >> free(32) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(other)) => {
                let differing = base.to_bits() ^ other.to_bits();
                // A shift by all 128 bits is everything.
                differing.checked_shr(free(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl FromStr for Range {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let read = || {
            let (address, prefix) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let prefix = prefix.parse().ok()?;
            let range = Self::around(address, prefix);
            (range.prefix == prefix).then_some(range)
        };
        read().ok_or_else(|| BadRange(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_the_ranges_are_answered_and_nobody_else() {
        let ranges = ["172.31.0.0/16", "fd00::/8", "203.0.113.9/32"];
        let clients = Clients::new(ranges.iter().map(|it| it.parse().expect("a range")).collect());
        for (address, allowed) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("172.31.0.1", true),
            ("172.31.255.255", true),
            ("::ffff:172.31.7.7", true),
            ("172.30.255.255", false),
            ("172.32.0.0", false),
            ("8.8.8.8", false),
            ("203.0.113.9", true),
            ("203.0.113.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(clients.allow(address), allowed, "{address}");
        }
    }

    #[test]
    fn a_range_over_everything_is_one() {
        for (range, address) in [("0.0.0.0/0", "8.8.8.8"), ("::/0", "2001:db8::1")] {
            let clients = Clients::new(vec![range.parse().expect("a range")]);
            assert!(clients.allow(address.parse().expect("an address")), "{range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/-1"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }
}
