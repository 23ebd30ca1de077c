//! The head that tells a target who its client is.
//!
//! Source: "The PROXY protocol", HAProxy Technologies, version 2, section 2.2.

use std::net::SocketAddr;

use types::Protocol;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, and a connection of somebody else's.
const VERSION_AND_COMMAND: u8 = 0x21;

/// The head for a flow from a client to where it came in.
pub(super) fn head(client: SocketAddr, at: SocketAddr, transport: Protocol) -> Vec<u8> {
    let mut head = SIGNATURE.to_vec();
    head.push(VERSION_AND_COMMAND);
    let kind = match transport {
        Protocol::Tcp => 0x1,
        Protocol::Udp => 0x2,
    };
    let (family, addresses): (u8, Vec<u8>) = match (client, at) {
        (SocketAddr::V4(client), SocketAddr::V4(at)) => {
            (0x10, [client.ip().octets(), at.ip().octets()].concat())
        }
        (client, at) => (0x20, [six(client), six(at)].concat()),
    };
    head.push(family | kind);
    let length = u16::try_from(addresses.len() + 4).unwrap_or(u16::MAX);
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&addresses);
    head.extend_from_slice(&client.port().to_be_bytes());
    head.extend_from_slice(&at.port().to_be_bytes());
    head
}

fn six(address: SocketAddr) -> [u8; 16] {
    match address {
        SocketAddr::V4(it) => it.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(it) => it.ip().octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_as_the_specification_has_them() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let four = head(at("10.0.0.1:258"), at("10.0.0.2:80"), Protocol::Tcp);
        let expected =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\0\0\x01\x0a\0\0\x02\x01\x02\0\x50";
        assert_eq!(four, expected);
        let six = head(at("[::1]:1"), at("[::2]:2"), Protocol::Udp);
        assert_eq!((six.get(13), six.get(15), six.len()), (Some(&0x22), Some(&36), 16 + 36));
    }
}
