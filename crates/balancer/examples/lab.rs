//! A balancer, or an origin for it, to be measured from outside: `xbin/bench-balancer`.
//!
//! `lab origin PORT SIZE` answers every request with so many bytes. `lab balancer HTTP HTTPS CERT KEY
//! RULES TARGETS ORIGIN…` serves the origins' ports on two ports, with so many rules that no
//! request falls under and so many targets that are not healthy.

use core::time::Duration;
use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use balancer::{Applied, Balancer, Config, Gate, Inheritance};
use plan::routing::{
    Certificate, Generation, Group, Listener, LoadBalancer, PortRule, RoutingTable, Target,
};
use state::{
    Action, Condition, HealthCheck, IpAddressType, ListenerProtocol, LoadBalancerKind,
    ProtocolVersion, TargetProtocol, TargetType, WeightedGroup,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use types::Timestamp;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match words.as_slice() {
        ["origin", port, size] => runtime.block_on(origin(port.parse()?, size.parse()?)),
        ["balancer", http, https, certificate, key, rules, targets, origins @ ..] => {
            let mut table = table(origins, targets.parse()?)?;
            let listeners =
                &mut table.load_balancers.first_mut().ok_or("no load balancer")?.listeners;
            let rules = rules_of(rules.parse()?);
            listeners.push(listener("http", ListenerProtocol::Http, http.parse()?, &rules));
            listeners.push(listener("https", ListenerProtocol::Https, https.parse()?, &rules));
            table.certificates.push(Certificate {
                arn: "certificate".into(),
                names: vec!["localhost".into()],
                chain: std::fs::read_to_string(certificate)?,
                key: std::fs::read_to_string(key)?,
            });
            runtime.block_on(serve(table))
        }
        _ => {
            Err("lab origin PORT SIZE | lab balancer HTTP HTTPS CERT KEY RULES TARGETS ORIGIN…"
                .into())
        }
    }
}

async fn serve(table: RoutingTable) -> Result<(), Box<dyn Error>> {
    let clock = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(0))
    };
    let gate = Gate::open();
    let config = Config {
        threads: 1,
        addresses: Vec::new(),
        clock: Arc::new(clock),
        gate,
        inheritance: Inheritance::none(),
    };
    let balancer = Balancer::start(config)?;
    match balancer.apply(table).await {
        Applied::Served(refused) if refused.is_empty() => {}
        other => return Err(format!("{other:?}").into()),
    }
    for group in &balancer.snapshot().groups {
        for (number, target) in (0..).zip(&group.targets) {
            group.set_health(number, target.key.id.starts_with("origin"));
        }
    }
    core::future::pending().await
}

fn listener(name: &str, protocol: ListenerProtocol, port: u16, rules: &[PortRule]) -> Listener {
    Listener {
        arn: format!("listener/{name}"),
        protocol,
        port,
        certificates: vec!["certificate".into()],
        ssl_policy: None,
        alpn_policy: None,
        attributes: BTreeMap::new(),
        rules: rules.to_vec(),
    }
}

/// So many rules for other hosts and paths, then the default rule.
fn rules_of(count: u32) -> Vec<PortRule> {
    let forward = Action::Forward {
        groups: vec![WeightedGroup { group: "group".into(), weight: 1 }],
        stickiness: None,
    };
    let rule = |number: u32| PortRule {
        arn: format!("rule/{number}"),
        priority: Some(number + 1),
        conditions: vec![
            Condition::Host(vec![format!("host{number}.example.com")]),
            Condition::Path(vec![format!("/path{number}/*")]),
        ],
        action: forward.clone(),
        transforms: Vec::new(),
    };
    let mut rules: Vec<_> = (0..count).map(rule).collect();
    let (arn, action) = ("rule/default".into(), forward.clone());
    let (conditions, transforms) = (Vec::new(), Vec::new());
    rules.push(PortRule { arn, priority: None, conditions, action, transforms });
    rules
}

fn table(origins: &[&str], targets: u32) -> Result<RoutingTable, Box<dyn Error>> {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let target = |id: String, port: u16| Target {
        id,
        port,
        address: Some(home),
        zone: None,
        registered_at: Timestamp(0),
        draining: None,
    };
    let mut members = Vec::new();
    for port in origins {
        members.push(target(format!("origin-{port}"), port.parse()?));
    }
    // Names of the same origins, as many as asked for: each is a target of its own.
    for number in 0..targets {
        let port = origins.get(number as usize % origins.len()).ok_or("no origin")?;
        members.push(target(format!("target-{number:05}"), port.parse()?));
    }
    members.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
    let group = Group {
        arn: "group".into(),
        target_type: TargetType::Ip,
        protocol: TargetProtocol::Http,
        version: Some(ProtocolVersion::Http1),
        ip_address_type: IpAddressType::Ipv4,
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Http,
            port: None,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: None,
        },
        attributes: BTreeMap::new(),
        targets: members,
        checked_in: None,
    };
    let load_balancer = LoadBalancer {
        arn: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/lab/01".into(),
        kind: LoadBalancerKind::Application,
        nodes: vec![(types::Zone::parse("eu-west-1a").map_err(|_| "no zone")?, home)],
        attributes: std::env::var("LAB_LOGS")
            .map(|_| [("access_logs.s3.enabled".to_owned(), "true".to_owned())].into())
            .unwrap_or_default(),
        listeners: Vec::new(),
    };
    Ok(RoutingTable {
        generation: Generation { epoch: 1, version: 1 },
        load_balancers: vec![load_balancer],
        groups: vec![group],
        certificates: Vec::new(),
        seal: vec![1; 32],
    })
}

async fn origin(port: u16, size: usize) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Sun, 22 Nov 2026 07:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {size}\r\n\r\n"
    )
    .into_bytes();
    answer.resize(answer.len() + size, b'x');
    let answer: Arc<[u8]> = answer.into();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::task::spawn_local(answer_all(stream, Arc::clone(&answer)));
            }
        })
        .await
}

async fn answer_all(mut stream: TcpStream, answer: Arc<[u8]>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = vec![0; 16 * 1024];
    let mut len = 0;
    loop {
        let count = stream.read(bytes.get_mut(len..).unwrap_or_default()).await?;
        if count == 0 {
            return Ok(());
        }
        len += count;
        // Requests here have no bodies.
        if bytes.get(..len).unwrap_or_default().ends_with(b"\r\n\r\n") {
            let head = bytes.get(..len).unwrap_or_default();
            let asks_upgrade = head.windows(8).any(|it| it.eq_ignore_ascii_case(b"upgrade:"));
            len = 0;
            if asks_upgrade {
                stream
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                    .await?;
            } else {
                stream.write_all(&answer).await?;
            }
        }
    }
}
