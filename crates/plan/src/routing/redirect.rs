//! Where a redirect sends a client.

use state::{ListenerProtocol, Redirect};

use super::Head;

/// The address that `#{…}` in a redirect is taken from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// What the client speaks.
    pub(super) protocol: ListenerProtocol,
    /// The listener's port.
    pub(super) port: u16,
}

/// The value of the answer's `Location`.
///
/// Ports that the protocol has anyway are left out. Source: Application Load Balancers User Guide,
/// "Redirect actions"; handbook 7.2.
pub(super) fn location(redirect: &Redirect, head: &Head<'_>, arrival: Arrival) -> String {
    let scheme = match arrival.protocol {
        ListenerProtocol::Https | ListenerProtocol::Tls => "https",
        ListenerProtocol::Http
        | ListenerProtocol::Tcp
        | ListenerProtocol::Udp
        | ListenerProtocol::TcpUdp => "http",
    };
    let fill = |text: &str| {
        text.replace("#{protocol}", scheme)
            .replace("#{host}", head.host)
            .replace("#{port}", &arrival.port.to_string())
            // The placeholder is the path without its first slash: `/#{path}` is the default.
            .replace("#{path}", head.path.strip_prefix('/').unwrap_or(head.path))
            .replace("#{query}", head.query.unwrap_or_default())
    };
    let protocol = fill(&redirect.protocol).to_ascii_lowercase();
    let mut location = format!("{protocol}://{}", fill(&redirect.host));
    let port = fill(&redirect.port);
    let usual = if protocol == "https" { "443" } else { "80" };
    if port != usual {
        location.push(':');
        location.push_str(&port);
    }
    let path = fill(&redirect.path);
    if !path.starts_with('/') {
        location.push('/');
    }
    location.push_str(&path);
    let query = fill(&redirect.query);
    if !query.is_empty() {
        location.push('?');
        location.push_str(&query);
    }
    location
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::head::tests::head;

    #[track_caller]
    fn check(redirect: [&str; 5], expected: &str) {
        let [protocol, host, port, path, query] = redirect.map(str::to_owned);
        let redirect = Redirect { protocol, host, port, path, query, status: 301 };
        let arrival = Arrival { protocol: ListenerProtocol::Http, port: 8080 };
        let found = location(&redirect, &head("GET www.a.org /x/y?q=1"), arrival);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_a_redirect_does_not_change_stays() {
        let same = ["#{protocol}", "#{host}", "#{port}", "/#{path}", "#{query}"];
        check(same, "http://www.a.org:8080/x/y?q=1");
        check(["HTTPS", "#{host}", "443", "/#{path}", "#{query}"], "https://www.a.org/x/y?q=1");
        check(
            ["#{protocol}", "b.org", "80", "/new/#{path}", "from=#{host}&#{query}"],
            "http://b.org/new/x/y?from=www.a.org&q=1",
        );
        check(["HTTPS", "#{host}", "8443", "/", ""], "https://www.a.org:8443/");
    }
}
