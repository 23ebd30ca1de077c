//! TLS with clients: who is shown which certificate, in which version, and what is spoken then.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use balancer::Metric;
use plan::routing::{Certificate, RoutingTable};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ProtocolVersion,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use state::ListenerProtocol;

use super::lab::{Client, LOAD_BALANCER, Lab, PATIENCE, attributes, status};

/// For `localhost` and `*.lab.test`, until 2126, as the others are.
pub(crate) const CERTIFICATE: &str = include_str!("certificate.pem");
/// For `one.lab.test`; with the same key, as the next is.
const EXACT: &str = include_str!("exact.pem");
/// For `*.lab.test`.
const WILDCARD: &str = include_str!("wildcard.pem");
const KEY: &str = include_str!("key.pem");

pub(crate) fn certificate(arn: &str, names: &[&str], chain: &str) -> Certificate {
    let names = names.iter().map(|it| (*it).to_owned()).collect();
    Certificate { arn: arn.into(), names, chain: chain.into(), key: KEY.into() }
}

/// The listener of a lab speaks HTTPS.
pub(crate) fn secure(table: &mut RoutingTable) {
    table.certificates.push(certificate("default", &["localhost", "*.lab.test"], CERTIFICATE));
    let listener = &mut table.load_balancers[0].listeners[0];
    listener.protocol = ListenerProtocol::Https;
    listener.port = 443;
    listener.certificates = vec!["default".into()];
}

/// The same, by a security policy.
fn by_policy(name: &str) -> Lab {
    Lab::with(|table| {
        secure(table);
        table.load_balancers[0].listeners[0].ssl_policy = Some(name.into());
    })
}

/// Takes every certificate: what is shown is looked at afterwards.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

pub(crate) fn config(
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    config
}

/// A client over TLS.
pub(crate) type Secure = Client<StreamOwned<ClientConnection, TcpStream>>;

/// Connects, and shakes hands.
pub(crate) fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<Secure> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut stream = StreamOwned::new(connection, Client::connect(address).0);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Client(stream))
}

/// Asks for something, and reads until the balancer closes.
fn ask(client: &mut Secure) -> String {
    client.send("GET /echo HTTP/1.1\r\nHost: one.lab.test\r\nConnection: close\r\n\r\n");
    client.rest()
}

#[test]
fn a_client_is_shown_the_certificate_for_the_name_that_it_asks_for() {
    let lab = Lab::with(|table| {
        secure(table);
        table.certificates[0].names = vec!["localhost".into()];
        table.certificates.push(certificate("wildcard", &["*.lab.test"], WILDCARD));
        table.certificates.push(certificate("exact", &["one.lab.test"], EXACT));
        table.certificates.sort_by(|a, b| a.arn.cmp(&b.arn));
        let listener = &mut table.load_balancers[0].listeners[0];
        listener.certificates = vec!["default".into(), "wildcard".into(), "exact".into()];
        table.load_balancers[0].attributes = attributes(&[("access_logs.s3.enabled", "true")]);
    });
    let mut lines = lab.balancer.access_log().expect("nobody has asked before");
    for (is_said, name, shown, logged) in [
        (true, "one.lab.test", EXACT, "\"one.lab.test\" \"exact\""),
        (true, "ONE.lab.TEST", EXACT, "\"one.lab.test\" \"exact\""),
        (true, "two.lab.test", WILDCARD, "\"two.lab.test\" \"wildcard\""),
        (true, "a.two.lab.test", CERTIFICATE, "\"-\" \"default\""),
        (true, "lab.test", CERTIFICATE, "\"-\" \"default\""),
        (true, "elsewhere.test", CERTIFICATE, "\"-\" \"default\""),
        (true, "localhost", CERTIFICATE, "\"localhost\" \"default\""),
        (false, "one.lab.test", CERTIFICATE, "\"-\" \"default\""),
    ] {
        let mut config = config(BOTH, &[]);
        config.enable_sni = is_said;
        let mut client = connect(lab.address, &Arc::new(config), name).expect("shakes hands");
        let expected = CertificateDer::from_pem_slice(shown.as_bytes()).expect("a certificate");
        assert_eq!(client.0.conn.peer_certificates(), Some([expected].as_slice()), "{name}");
        assert_eq!(status(&ask(&mut client)), 200, "{name}");
        let line = lines.blocking_recv().expect("a line").text;
        assert!(line.starts_with("https ") && line.contains(logged), "{name}: {line}");
    }
}

#[test]
fn a_policy_says_which_versions_are_spoken() {
    let (old, new) = (Some(ProtocolVersion::TLSv1_2), Some(ProtocolVersion::TLSv1_3));
    for (policy, with_12, with_13, with_both) in [
        ("ELBSecurityPolicy-2016-08", old, None, old),
        ("ELBSecurityPolicy-TLS-1-2-2017-01", old, None, old),
        ("ELBSecurityPolicy-TLS13-1-2-2021-06", old, new, new),
        ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", old, new, new),
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", None, new, new),
    ] {
        let lab = by_policy(policy);
        for (versions, expected) in
            [(&[&TLS12][..], with_12), (&[&TLS13][..], with_13), (BOTH, with_both)]
        {
            let client = connect(lab.address, &Arc::new(config(versions, &[])), "one.lab.test");
            let spoken = client.ok().and_then(|it| it.0.conn.protocol_version());
            assert_eq!(spoken, expected, "{policy}");
        }
    }
}

#[test]
fn a_session_is_taken_up_again_also_after_the_table_has_changed() {
    for version in [&TLS12, &TLS13] {
        let mut lab = Lab::with(secure);
        let config = Arc::new(config(&[version], &[]));
        let kind = |lab: &Lab| {
            let mut client = connect(lab.address, &config, "one.lab.test").expect("shakes hands");
            assert_eq!(status(&ask(&mut client)), 200);
            client.0.conn.handshake_kind().expect("it is over")
        };
        assert_eq!(kind(&lab), HandshakeKind::Full);
        assert_eq!(kind(&lab), HandshakeKind::Resumed);
        lab.apply(|table| {
            table.groups[0].attributes = attributes(&[("slow_start.duration_seconds", "30")]);
        });
        assert_eq!(kind(&lab), HandshakeKind::Resumed);
        // Who is shown another certificate has another session.
        lab.apply(|table| table.certificates[0].chain = EXACT.into());
        assert_eq!(kind(&lab), HandshakeKind::Full);
    }
}

#[test]
fn client_and_balancer_agree_on_what_is_spoken() {
    let only_1 = &[("routing.http2.enabled", "false")][..];
    for (set, offered, expected) in [
        (&[][..], &["h2", "http/1.1"][..], Ok(Some("h2"))),
        (&[][..], &["http/1.1", "h2"][..], Ok(Some("h2"))),
        (&[][..], &["http/1.1"][..], Ok(Some("http/1.1"))),
        (&[][..], &[][..], Ok(None)),
        (&[][..], &["spdy/3"][..], Err(())),
        (only_1, &["h2", "http/1.1"][..], Ok(Some("http/1.1"))),
        (only_1, &["h2"][..], Err(())),
    ] {
        let lab = Lab::with(|table| {
            secure(table);
            table.load_balancers[0].attributes = attributes(set);
        });
        let client = connect(lab.address, &Arc::new(config(BOTH, offered)), "one.lab.test");
        let spoken = client.map_err(|_| ()).map(|it| {
            let spoken = it.0.conn.alpn_protocol();
            spoken.map(|it| String::from_utf8_lossy(it).into_owned())
        });
        let expected = expected.map(|it: Option<&str>| it.map(str::to_owned));
        assert_eq!(spoken, expected, "{set:?} {offered:?}");
    }
}

fn errors(lab: &Lab) -> u64 {
    let counters = lab.balancer.counters();
    let of_balancer = counters.iter().filter(|it| it.0.load_balancer == LOAD_BALANCER);
    of_balancer.map(|it| it.1.of(Metric::ClientTlsErrors)).sum()
}

#[test]
fn a_handshake_that_is_none_or_never_ends_is_closed_and_counted() {
    let lab = Lab::with(|table| {
        secure(table);
        table.load_balancers[0].attributes = attributes(&[("idle_timeout.timeout_seconds", "4")]);
    });
    let plain = lab.talk("GET / HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert!(!plain.contains("HTTP"), "{plain:?}");
    // Nothing, the beginning of a record, and a record that is longer than any.
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\xff\xff\x01"] {
        let mut client = lab.client();
        client.send(sent);
        client.rest();
    }
    let deadline = Instant::now() + PATIENCE;
    while errors(&lab) < 4 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(errors(&lab), 4);
}

#[test]
fn who_is_shaking_hands_when_the_balancer_drains_is_served() {
    let lab = Lab::with(secure);
    let name = ServerName::try_from("one.lab.test").expect("a name");
    let config = Arc::new(config(&[&TLS13], &[]));
    let mut connection = ClientConnection::new(config, name).expect("a client");
    let mut socket = lab.client().0;
    connection.write_tls(&mut socket).expect("is sent");
    // The balancer has taken the connection in once it says something.
    connection.read_tls(&mut socket).expect("comes in time");
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(lab.balancer.drain());
        });
        while TcpStream::connect(lab.address).is_ok() {
            std::thread::yield_now();
        }
        assert!(!draining.is_finished(), "nobody waits for the handshake");
        connection.process_new_packets().expect("a good beginning");
        let mut client = Client(StreamOwned::new(connection, socket));
        let answer = ask(&mut client);
        assert_eq!(status(&answer), 200, "{answer}");
        draining.join().expect("everybody has left");
    });
}

#[test]
fn a_tunnel_over_tls_carries_bytes_both_ways() {
    let lab = Lab::with(secure);
    let mut client =
        connect(lab.address, &Arc::new(config(BOTH, &[])), "one.lab.test").expect("shakes hands");
    client
        .send("GET /upgrade HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    client.until("\r\n\r\nhi");
    for text in ["one", &"x".repeat(100_000)] {
        client.send(text);
        let mut back = vec![0; text.len()];
        client.0.read_exact(&mut back).expect("comes in time");
        assert_eq!(back, text.as_bytes());
    }
}
