//! Where requests go, and which addresses they never go to.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// A host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name or an address, an IPv6 address without brackets.
    pub(crate) name: String,
    pub(crate) port: Option<u16>,
}

/// One address to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) secure: bool,
    pub(crate) host: Host,
    /// Path and query.
    pub(crate) path: String,
}

impl Host {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority: http::uri::Authority = text.parse().ok()?;
        // `user@host` would be somebody else than it looks.
        if text.contains('@') {
            return None;
        }
        let name = authority.host();
        let port = match text.strip_prefix(name)?.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None => None,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        (!name.is_empty()).then_some(Self { name, port })
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    /// Whether only this machine can be meant.
    pub(crate) fn is_this_machine(&self) -> bool {
        match self.address() {
            Some(it) => it.to_canonical().is_loopback() || it.is_unspecified(),
            None => self.name == "localhost" || self.name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Target {
    /// Reads `http://…` or `https://…`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = Host::parse(uri.authority()?.as_str())?;
        let path = uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        Some(Self { secure, host, path })
    }

    /// Another path of the same origin.
    pub(crate) fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// Where a `Location` header leads from here.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!(
                "{}://{rest}",
                if self.secure { "https" } else { "http" }
            ));
        }
        if location.is_empty() {
            return None;
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder = self.path.split('?').next()?.rsplit_once('/').map_or("", |it| it.0);
            format!("{folder}/{location}")
        };
        path.parse::<http::uri::PathAndQuery>().ok()?;
        Some(self.at(&path))
    }

    pub(crate) fn port(&self) -> u16 {
        self.host.port.unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// Whether a secret for one may be told to the other.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.host.name == other.host.name
            && self.port() == other.port()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.secure { "https" } else { "http" }, self.host, self.path)
    }
}

/// Whether an address is one that no registry has: link-local ones, where clouds and we serve
/// metadata and credentials, and what reaches everyone or nobody.
pub(crate) fn is_forbidden(address: IpAddr) -> bool {
    /// The metadata service's IPv6 address (Amazon EC2 User Guide, "Instance metadata").
    const METADATA: std::net::Ipv6Addr =
        std::net::Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(it) => it.is_link_local() || it.is_broadcast() || it.is_multicast(),
        IpAddr::V6(it) => it.is_unicast_link_local() || it.is_multicast() || it == METADATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_forbidden_in_every_spelling() {
        for (address, expected) in [
            ("169.254.169.254", true),
            ("169.254.170.2", true),
            ("::ffff:169.254.169.254", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("224.0.0.1", true),
            ("10.0.0.1", false),
            ("127.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_forbidden(address.parse().expect(address)), expected, "{address}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (host, expected) in [
            ("localhost:5000", true),
            ("127.8.9.1", true),
            ("[::1]:5000", true),
            ("0.0.0.0", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost.example", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(Host::parse(host).expect(host).is_this_machine(), expected, "{host}");
        }
        for bad in ["", "a b", "user@host", "host:x", ":80"] {
            assert_eq!(Host::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_redirect_leads_where_a_browser_would_go() {
        let from = Target::parse("https://a.example:444/v2/x/blobs/y?z=1").expect("a target");
        for (location, expected) in [
            ("https://b.example/c?d=e", "https://b.example/c?d=e"),
            ("//b.example/c", "https://b.example/c"),
            ("/c?d", "https://a.example:444/c?d"),
            ("c", "https://a.example:444/v2/x/blobs/c"),
            ("http://b.example", "http://b.example/"),
        ] {
            assert_eq!(from.join(location).expect(location).to_string(), expected);
        }
        for bad in ["", "ftp://b/c", "https://", "file:///etc/passwd", "/a b"] {
            assert_eq!(from.join(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_secret_stays_with_scheme_host_and_port() {
        let own = Target::parse("https://a.example/x").expect("a target");
        for (other, expected) in [
            ("https://a.example:443/y", true),
            ("https://A.example/y", true),
            ("http://a.example/x", false),
            ("https://a.example:444/x", false),
            ("https://b.a.example/x", false),
        ] {
            assert_eq!(own.same_origin(&Target::parse(other).expect(other)), expected, "{other}");
        }
    }
}
