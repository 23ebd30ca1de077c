//! Attributes of load balancers, target groups and listeners, with their defaults.
//!
//! The API stores the attributes that were set, as text, and has checked them; what cannot be read
//! here has its default. Source: handbook 7.3, 7.4, 7.7.

use core::str::FromStr;
use core::time::Duration;
use std::collections::BTreeMap;

use state::{TargetProtocol, TargetType};

const CONNECTION_TERMINATION: &str = "deregistration_delay.connection_termination.enabled";
const UNHEALTHY_TERMINATION: &str = "target_health_state.unhealthy.connection_termination.enabled";

/// Attributes as they were set.
type Set = BTreeMap<String, String>;

fn read<T: FromStr>(set: &Set, name: &str) -> Option<T> {
    set.get(name)?.parse().ok()
}

fn seconds(set: &Set, name: &str, default: u64) -> Duration {
    Duration::from_secs(read(set, name).unwrap_or(default))
}

fn is_on(set: &Set, name: &str, default: &str) -> bool {
    set.get(name).map_or(default, String::as_str) == "true"
}

/// What a load balancer does with requests that are not quite what the RFC says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desync {
    /// Everything is forwarded, and noted.
    Monitor,
    /// What is ambiguous is forwarded on a connection of its own; what is dangerous is refused.
    Defensive,
    /// Only what the RFC says is forwarded.
    Strictest,
}

/// What becomes of `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address is added.
    Append,
    /// It stays as it came.
    Preserve,
    /// It is taken away.
    Remove,
}

/// Attributes of an application load balancer, and those that a network load balancer shares.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "AWS's own switches, each with its name")]
pub struct BalancerAttributes {
    /// `idle_timeout.timeout_seconds`
    pub timeout_idle: Duration,
    /// `client_keep_alive.seconds`
    pub client_keep_alive: Duration,
    /// `routing.http2.enabled`
    pub http2: bool,
    /// `routing.http.desync_mitigation_mode`
    pub desync: Desync,
    /// `routing.http.drop_invalid_header_fields.enabled`
    pub drop_invalid_header_fields: bool,
    /// `routing.http.preserve_host_header.enabled`
    pub preserve_host_header: bool,
    /// `routing.http.xff_header_processing.mode`
    pub forwarded_for: ForwardedFor,
    /// `routing.http.xff_client_port.enabled`
    pub forwarded_for_port: bool,
    /// `routing.http.x_amzn_tls_version_and_cipher_suite.enabled`
    pub tls_headers: bool,
    /// `access_logs.s3.enabled`
    pub access_logs: bool,
    /// `load_balancing.cross_zone.enabled`: on for application load balancers, off for network ones.
    pub cross_zone: bool,
    /// `landfall.machine_addresses.enabled`: whether it is served at addresses of the balancer's
    /// machine too. Nobody sets it; endpoints of Service Connect are for the VPC only.
    pub machine_addresses: bool,
}

impl BalancerAttributes {
    /// Reads them. `cross_zone_default` is what the kind of load balancer has without being asked.
    pub fn of(set: &Set, cross_zone_default: bool) -> Self {
        let desync = match set.get("routing.http.desync_mitigation_mode").map(String::as_str) {
            Some("monitor") => Desync::Monitor,
            Some("strictest") => Desync::Strictest,
            _ => Desync::Defensive,
        };
        let forwarded_for =
            match set.get("routing.http.xff_header_processing.mode").map(String::as_str) {
                Some("preserve") => ForwardedFor::Preserve,
                Some("remove") => ForwardedFor::Remove,
                _ => ForwardedFor::Append,
            };
        let on = |name| is_on(set, name, "false");
        Self {
            timeout_idle: seconds(set, "idle_timeout.timeout_seconds", 60),
            client_keep_alive: seconds(set, "client_keep_alive.seconds", 3_600),
            http2: is_on(set, "routing.http2.enabled", "true"),
            desync,
            drop_invalid_header_fields: on("routing.http.drop_invalid_header_fields.enabled"),
            preserve_host_header: on("routing.http.preserve_host_header.enabled"),
            forwarded_for,
            forwarded_for_port: on("routing.http.xff_client_port.enabled"),
            tls_headers: on("routing.http.x_amzn_tls_version_and_cipher_suite.enabled"),
            access_logs: on("access_logs.s3.enabled"),
            cross_zone: read(set, "load_balancing.cross_zone.enabled")
                .unwrap_or(cross_zone_default),
            machine_addresses: is_on(set, "landfall.machine_addresses.enabled", "true"),
        }
    }
}

/// How the next target is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests under way.
    LeastOutstandingRequests,
    /// By chance; targets that do worse than the others get less where that is asked for.
    WeightedRandom {
        /// `load_balancing.algorithm.anomaly_mitigation`
        mitigation: bool,
    },
}

/// How clients are known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sticky {
    /// By a cookie of the load balancer, for that long.
    LoadBalancer(Duration),
    /// By a cookie of the application.
    Application {
        /// Its name.
        name: String,
        /// For how long.
        duration: Duration,
    },
    /// By the client's address; network load balancers only.
    SourceIp,
    /// By the cookie of a Classic Load Balancer (`landfall.classic_cookie`).
    Classic(ClassicCookie),
}

/// How long the cookie of a Classic Load Balancer lasts. Only the client looks at that: the cookie is
/// made once, and stands whenever it comes back.
///
/// Source: Classic Load Balancers User Guide, "Configure sticky sessions".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassicCookie {
    /// For that long; `None` is as long as the browser runs.
    Own(Option<Duration>),
    /// As long as the application's cookie of that name.
    As(String),
}

/// When a group counts as too ill to choose from its healthy targets only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailOpen {
    /// At least so many must be healthy.
    pub count: u32,
    /// At least that share of the registered ones, 1 to 100; `None` is off.
    pub percentage: Option<u32>,
}

/// Attributes of a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "AWS's own switches, each with its name")]
pub struct GroupAttributes {
    /// `deregistration_delay.timeout_seconds`
    pub deregistration_delay: Duration,
    /// `deregistration_delay.connection_termination.enabled`; network load balancers. `None` is as
    /// the group's protocol has it: [`Self::ends_with_delay`].
    pub connection_termination: Option<bool>,
    /// `target_health_state.unhealthy.connection_termination.enabled`; network load balancers, TCP
    /// and TLS.
    pub unhealthy_termination: bool,
    /// `slow_start.duration_seconds`; `None` is off.
    pub slow_start: Option<Duration>,
    /// `load_balancing.algorithm.type`
    pub algorithm: Algorithm,
    /// `load_balancing.cross_zone.enabled`; `None` is as the load balancer has it.
    pub cross_zone: Option<bool>,
    /// `stickiness.*`; `None` is off.
    pub sticky: Option<Sticky>,
    /// `target_group_health.unhealthy_state_routing.*`; `None` is never. Nobody asks for that; it is
    /// so of Classic Load Balancers (`landfall.fail_open.enabled`).
    pub fail_open: Option<FailOpen>,
    /// `proxy_protocol_v2.enabled`; network load balancers.
    pub proxy_protocol: bool,
    /// `preserve_client_ip.enabled`; network load balancers. `None` is as the kind of group has it:
    /// [`Self::preserves_client_ip`].
    pub preserve_client_ip: Option<bool>,
}

impl GroupAttributes {
    /// Reads them.
    pub fn of(set: &Set) -> Self {
        let on = |name| is_on(set, name, "false");
        let algorithm = match set.get("load_balancing.algorithm.type").map(String::as_str) {
            Some("least_outstanding_requests") => Algorithm::LeastOutstandingRequests,
            Some("weighted_random") => Algorithm::WeightedRandom {
                mitigation: is_on_word(set, "load_balancing.algorithm.anomaly_mitigation"),
            },
            _ => Algorithm::RoundRobin,
        };
        let slow_start = seconds(set, "slow_start.duration_seconds", 0);
        let open = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
        Self {
            deregistration_delay: seconds(set, "deregistration_delay.timeout_seconds", 300),
            connection_termination: read(set, CONNECTION_TERMINATION),
            unhealthy_termination: is_on(set, UNHEALTHY_TERMINATION, "true"),
            slow_start: (!slow_start.is_zero()).then_some(slow_start),
            algorithm,
            cross_zone: read(set, "load_balancing.cross_zone.enabled"),
            sticky: on("stickiness.enabled").then(|| sticky(set)),
            fail_open: is_on(set, "landfall.fail_open.enabled", "true").then(|| FailOpen {
                count: read(set, &format!("{open}.count")).unwrap_or(1),
                percentage: read(set, &format!("{open}.percentage")),
            }),
            proxy_protocol: on("proxy_protocol_v2.enabled"),
            preserve_client_ip: read(set, "preserve_client_ip.enabled"),
        }
    }

    /// Whether targets see the addresses of clients.
    pub fn preserves_client_ip(&self, targets: TargetType, protocol: TargetProtocol) -> bool {
        let default = preserves_client_ip_by_default(targets, protocol);
        self.preserve_client_ip.unwrap_or(default)
    }

    /// Whether what a target still has is closed when its deregistration delay is over.
    pub fn ends_with_delay(&self, protocol: TargetProtocol) -> bool {
        self.connection_termination.unwrap_or_else(|| ends_with_delay_by_default(protocol))
    }
}

/// What `deregistration_delay.connection_termination.enabled` is where nothing is said. Source: API
/// Reference, `TargetGroupAttribute`.
pub fn ends_with_delay_by_default(protocol: TargetProtocol) -> bool {
    // Requests have no life of their own beside their target's.
    !matches!(protocol, TargetProtocol::Tcp | TargetProtocol::Tls)
}

/// What `preserve_client_ip.enabled` is where nothing is said. Source: Network Load Balancers User
/// Guide, "Client IP preservation".
pub fn preserves_client_ip_by_default(targets: TargetType, protocol: TargetProtocol) -> bool {
    match protocol {
        TargetProtocol::Udp | TargetProtocol::TcpUdp => true,
        TargetProtocol::Tcp | TargetProtocol::Tls => targets != TargetType::Ip,
        // What carries requests tells it in a header.
        TargetProtocol::Http | TargetProtocol::Https => false,
    }
}

fn is_on_word(set: &Set, name: &str) -> bool {
    set.get(name).is_some_and(|it| it == "on")
}

fn sticky(set: &Set) -> Sticky {
    const DAY: u64 = 86_400;
    match set.get("stickiness.type").map(String::as_str) {
        Some("app_cookie") => Sticky::Application {
            name: set.get("stickiness.app_cookie.cookie_name").cloned().unwrap_or_default(),
            duration: seconds(set, "stickiness.app_cookie.duration_seconds", DAY),
        },
        Some("source_ip") => Sticky::SourceIp,
        Some("landfall.classic_cookie") => {
            let follows = set.get("stickiness.app_cookie.cookie_name").cloned();
            let period = read(set, "stickiness.lb_cookie.duration_seconds");
            let own = || ClassicCookie::Own(period.map(Duration::from_secs));
            Sticky::Classic(follows.map_or_else(own, ClassicCookie::As))
        }
        _ => Sticky::LoadBalancer(seconds(set, "stickiness.lb_cookie.duration_seconds", DAY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Set {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_not_set_is_as_aws_has_it() {
        let balancer = BalancerAttributes::of(&set(&[]), true);
        assert_eq!(balancer.timeout_idle, Duration::from_mins(1));
        assert_eq!(balancer.desync, Desync::Defensive);
        assert!(balancer.http2 && balancer.cross_zone && !balancer.preserve_host_header);

        let group = GroupAttributes::of(&set(&[]));
        assert_eq!(group.deregistration_delay, Duration::from_mins(5));
        assert_eq!(group.fail_open, Some(FailOpen { count: 1, percentage: None }));
        assert!(group.unhealthy_termination);
        assert!(group.ends_with_delay(TargetProtocol::Udp));
        assert!(!group.ends_with_delay(TargetProtocol::Tcp));
        assert_eq!((group.slow_start, group.sticky), (None, None));
        assert_eq!(group.algorithm, Algorithm::RoundRobin);
    }

    #[test]
    fn who_sees_clients_where_nothing_is_said() {
        let unsaid = GroupAttributes::of(&set(&[]));
        let off = GroupAttributes::of(&set(&[("preserve_client_ip.enabled", "false")]));
        let on = GroupAttributes::of(&set(&[("preserve_client_ip.enabled", "true")]));
        for (targets, protocol, sees) in [
            (TargetType::Instance, TargetProtocol::Tcp, true),
            (TargetType::Instance, TargetProtocol::Tls, true),
            (TargetType::Alb, TargetProtocol::Tcp, true),
            (TargetType::Ip, TargetProtocol::Tcp, false),
            (TargetType::Ip, TargetProtocol::Tls, false),
            (TargetType::Ip, TargetProtocol::Udp, true),
            (TargetType::Instance, TargetProtocol::TcpUdp, true),
            (TargetType::Instance, TargetProtocol::Http, false),
        ] {
            assert_eq!(unsaid.preserves_client_ip(targets, protocol), sees, "{protocol:?}");
            assert!(on.preserves_client_ip(targets, protocol));
            assert!(!off.preserves_client_ip(targets, protocol));
        }
    }

    #[test]
    fn what_was_set_is_so() {
        let group = GroupAttributes::of(&set(&[
            ("stickiness.enabled", "true"),
            ("stickiness.type", "app_cookie"),
            ("stickiness.app_cookie.cookie_name", "SESSION"),
            ("stickiness.app_cookie.duration_seconds", "60"),
            ("load_balancing.algorithm.type", "weighted_random"),
            ("load_balancing.algorithm.anomaly_mitigation", "on"),
            ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
            ("deregistration_delay.connection_termination.enabled", "true"),
            ("target_health_state.unhealthy.connection_termination.enabled", "false"),
            (
                "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
                "off",
            ),
        ]));
        let duration = Duration::from_mins(1);
        assert!(group.ends_with_delay(TargetProtocol::Tcp) && !group.unhealthy_termination);
        assert_eq!(group.sticky, Some(Sticky::Application { name: "SESSION".into(), duration }));
        assert_eq!(group.algorithm, Algorithm::WeightedRandom { mitigation: true });
        assert_eq!(group.cross_zone, None);
        assert_eq!(group.fail_open.map(|it| it.percentage), Some(None));
    }
}
