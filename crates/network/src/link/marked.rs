//! Packets with a mark, and the way that they go.
//!
//! Source: rtnetlink(7), ip-rule(8), and the kernel's `fib_rules.h` for the numbers.

use std::io;
use std::net::Ipv4Addr;

use rustix::io::Errno;

use super::{
    AF_INET, Links, RTA_GATEWAY, RTA_OIF, RTM_NEWROUTE, RTN_UNICAST, RTPROT_STATIC, SCOPE_GLOBAL,
    present,
};
use crate::netlink::{ACK, CREATE, EXCLUSIVE, Message};

const RTM_DELROUTE: u16 = 25;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;

const RTA_TABLE: u16 = 15;
const RTN_LOCAL: u8 = 2;
/// Valid on this machine only.
const SCOPE_HOST: u8 = 254;

const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FR_ACT_TO_TBL: u8 = 1;
/// Before the main table's rule, behind those of others.
const RULE_PRIORITY: u32 = 32_000;

/// Where packets with a mark go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MarkedWay<'a> {
    pub(crate) mark: u32,
    /// Packets that came in by another link are left alone. By `lo` come those of this machine.
    pub(crate) by: Option<&'a str>,
    /// Number of a table that nobody else uses.
    pub(crate) table: u32,
    /// A gateway and the index of the link to it; `None`: this machine takes them in.
    pub(crate) gateway: Option<(Ipv4Addr, u32)>,
}

impl Links {
    /// Sends packets with this mark, those that came in by a link of that name if one is given, by
    /// a table of their own: to a gateway, or, without one, to this machine itself, whatever
    /// address they name. Fine if that is so already.
    pub(crate) fn add_marked_way(&mut self, way: &MarkedWay<'_>) -> io::Result<()> {
        let (gateway, index) = match way.gateway {
            Some((gateway, index)) => (Some(gateway), index),
            None => (None, self.index("lo")?),
        };
        let route = table_route(RTM_NEWROUTE, ACK | CREATE | EXCLUSIVE, way);
        let route = route.put(RTA_OIF, &index.to_ne_bytes());
        let route = match gateway {
            Some(gateway) => route.put(RTA_GATEWAY, &gateway.octets()),
            None => route,
        };
        present(self.0.request(route))?;
        present(self.0.request(rule(RTM_NEWRULE, ACK | CREATE | EXCLUSIVE, way)))
    }

    /// Takes it away again, whatever of it is there.
    pub(crate) fn remove_marked_way(&mut self, way: &MarkedWay<'_>) -> io::Result<()> {
        let absent = [Errno::NOENT, Errno::SRCH, Errno::NODEV].map(Errno::raw_os_error);
        for message in [rule(RTM_DELRULE, ACK, way), table_route(RTM_DELROUTE, ACK, way)] {
            match self.0.request(message) {
                Err(error) if error.raw_os_error().is_some_and(|it| absent.contains(&it)) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// A message about the only route of a marked way's table: for any address.
fn table_route(kind: u16, flags: u16, way: &MarkedWay<'_>) -> Message {
    let (kind_of_route, scope) = match way.gateway {
        Some(_) => (RTN_UNICAST, SCOPE_GLOBAL),
        None => (RTN_LOCAL, SCOPE_HOST),
    };
    let fixed = [AF_INET, 0, 0, 0, 0, RTPROT_STATIC, scope, kind_of_route, 0, 0, 0, 0];
    Message::new(kind, flags, &fixed).put(RTA_TABLE, &way.table.to_ne_bytes())
}

/// A message about a marked way's rule: `struct fib_rule_hdr` and attributes.
fn rule(kind: u16, flags: u16, way: &MarkedWay<'_>) -> Message {
    let message =
        Message::new(kind, flags, &[AF_INET, 0, 0, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0])
            .put(FRA_PRIORITY, &RULE_PRIORITY.to_ne_bytes())
            .put(FRA_FWMARK, &way.mark.to_ne_bytes())
            .put(FRA_TABLE, &way.table.to_ne_bytes());
    match way.by {
        Some(name) => message.text(FRA_IIFNAME, name),
        None => message,
    }
}
