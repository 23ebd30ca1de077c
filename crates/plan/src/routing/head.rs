//! A request's head, as routing looks at it.

use std::net::IpAddr;

/// What of a request decides where it goes.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// As it came.
    pub method: &'a str,
    /// Without port.
    pub host: &'a str,
    /// Without query.
    pub path: &'a str,
    /// Without its `?`.
    pub query: Option<&'a str>,
    /// The connection's other end.
    pub source: IpAddr,
    /// The header fields.
    pub headers: &'a dyn Headers,
}

/// The header fields of a request.
pub trait Headers {
    /// Asks about each value of the header of that name, in lower case, until one is what is looked
    /// for; answers whether one was.
    fn any(&self, name: &str, wanted: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

impl core::fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {} {}", self.method, self.host, self.path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Name and value of each field.
    pub(crate) struct Fields(pub(crate) Vec<(&'static str, &'static str)>);

    impl Headers for Fields {
        fn any(&self, name: &str, wanted: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            let of_that_name = self.0.iter().filter(|it| it.0.eq_ignore_ascii_case(name));
            of_that_name.into_iter().any(|it| wanted(it.1.as_bytes()))
        }
    }

    static NO_FIELDS: Fields = Fields(Vec::new());

    /// A head from `METHOD host /path?query`.
    pub(crate) fn head(text: &'static str) -> Head<'static> {
        let mut words = text.split(' ');
        let method = words.next().unwrap_or_default();
        let host = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let source = Ipv4Addr::new(10, 1, 2, 3).into();
        Head { method, host, path, query, source, headers: &NO_FIELDS }
    }
}
