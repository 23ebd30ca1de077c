//! How targets of a group are checked: from requests, over what is usual or what was.

use core::time::Duration;

use shapes::elbv2 as shape;
use state::{HealthCheck, Matcher, ProtocolVersion, TargetProtocol, TargetType};

use super::Error;
use super::target_groups::target_protocol;

/// What a gRPC target is asked by default, and what it answers by default (`UNIMPLEMENTED`).
const GRPC_PATH: &str = "/AWS.ALB/healthcheck";
const GRPC_CODE: &str = "12";

/// How targets are checked where nothing is said. Source: handbook 7.3, 7.7.
///
/// # Errors
///
/// A protocol that does not exist.
pub(super) fn usual(
    protocol: TargetProtocol,
    version: Option<ProtocolVersion>,
    asked: Option<&shape::ProtocolEnum>,
) -> Result<HealthCheck, Error> {
    let usual = match protocol {
        TargetProtocol::Http | TargetProtocol::Https => TargetProtocol::Http,
        TargetProtocol::Tcp
        | TargetProtocol::Tls
        | TargetProtocol::Udp
        | TargetProtocol::TcpUdp => TargetProtocol::Tcp,
    };
    let check = asked.map_or(Ok(usual), target_protocol)?;
    let speaks_http = matches!(check, TargetProtocol::Http | TargetProtocol::Https);
    let is_flow = version.is_none();
    let matcher = match (version, speaks_http) {
        (Some(ProtocolVersion::Grpc), _) => Some(Matcher::Grpc(GRPC_CODE.to_owned())),
        (Some(_), true) => Some(Matcher::Http("200".to_owned())),
        (None, true) => Some(Matcher::Http("200-399".to_owned())),
        (_, false) => None,
    };
    let path = match (version, speaks_http) {
        (Some(ProtocolVersion::Grpc), _) => Some(GRPC_PATH),
        (_, true) => Some("/"),
        (_, false) => None,
    };
    Ok(HealthCheck {
        enabled: true,
        protocol: check,
        port: None,
        path: path.map(str::to_owned),
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(match (is_flow, speaks_http) {
            (false, _) => 5,
            (true, true) => 6,
            (true, false) => 10,
        }),
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher,
    })
}

/// What a request says about health checks, over what was. Nothing else of the request is looked at.
///
/// # Errors
///
/// Settings that do not go together.
pub(super) fn over(
    ask: shape::ModifyTargetGroupInput,
    before: HealthCheck,
    (target_type, version): (TargetType, Option<ProtocolVersion>),
) -> Result<HealthCheck, Error> {
    let mut check = before;
    if let Some(asked) = &ask.health_check_protocol {
        check.protocol = protocol(asked, version)?;
    }
    let speaks_http = matches!(check.protocol, TargetProtocol::Http | TargetProtocol::Https);
    if let Some(text) = ask.health_check_port {
        check.port = port(&text)?;
    }
    if let Some(path) = ask.health_check_path {
        check.path = Some(read_path(path, speaks_http)?);
    }
    if let Some(matcher) = ask.matcher {
        check.matcher = Some(read_matcher(matcher, version, speaks_http)?);
    }
    read_seconds(ask.health_check_interval_seconds, &mut check.interval);
    read_seconds(ask.health_check_timeout_seconds, &mut check.timeout);
    read_count(ask.healthy_threshold_count, &mut check.healthy_threshold);
    read_count(ask.unhealthy_threshold_count, &mut check.unhealthy_threshold);
    if let Some(enabled) = ask.health_check_enabled {
        if !enabled && matches!(target_type, TargetType::Instance | TargetType::Ip) {
            return Err(Error::configuration(
                "Health check enabled must be true for target groups with target type \
                 'instance' or 'ip'",
            ));
        }
        check.enabled = enabled;
    }
    check_times(&check, version)?;
    Ok(check)
}

fn protocol(
    asked: &shape::ProtocolEnum,
    version: Option<ProtocolVersion>,
) -> Result<TargetProtocol, Error> {
    let wanted = target_protocol(asked)?;
    let fits = match wanted {
        TargetProtocol::Http | TargetProtocol::Https => true,
        TargetProtocol::Tcp => version.is_none(),
        TargetProtocol::Tls | TargetProtocol::Udp | TargetProtocol::TcpUdp => false,
    };
    if fits {
        return Ok(wanted);
    }
    Err(Error::configuration(format!(
        "Health check protocol '{asked}' is not supported for this target group"
    )))
}

/// The port of checks; none is the port of each target.
fn port(text: &str) -> Result<Option<u16>, Error> {
    if text == "traffic-port" {
        return Ok(None);
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(Error::invalid(format!("Health check port '{text}' is not valid"))),
    }
}

fn read_path(path: String, speaks_http: bool) -> Result<String, Error> {
    if !speaks_http {
        return Err(Error::configuration(
            "A health check path is for HTTP and HTTPS health checks only",
        ));
    }
    if !path.starts_with('/') {
        return Err(Error::invalid(format!(
            "Health check path '{path}' must begin with a '/' character"
        )));
    }
    Ok(path)
}

/// A check ends before the next one begins; those of flows may end as it begins.
fn check_times(check: &HealthCheck, version: Option<ProtocolVersion>) -> Result<(), Error> {
    let (good, bound) = match version {
        Some(_) => (check.timeout < check.interval, "smaller than"),
        None => (check.timeout <= check.interval, "smaller than or equal to"),
    };
    if good {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Health check timeout '{}' must be {bound} the interval '{}'",
        check.timeout.as_secs(),
        check.interval.as_secs()
    )))
}

/// The model bounds the numbers.
fn read_seconds(asked: Option<i32>, into: &mut Duration) {
    if let Some(seconds) = asked {
        *into = Duration::from_secs(u64::from(seconds.unsigned_abs()));
    }
}

fn read_count(asked: Option<i32>, into: &mut u32) {
    if let Some(count) = asked {
        *into = count.unsigned_abs();
    }
}

/// Reads which codes are good: numbers and ranges, in the bounds of the protocol.
fn read_matcher(
    matcher: shape::Matcher,
    version: Option<ProtocolVersion>,
    speaks_http: bool,
) -> Result<Matcher, Error> {
    let is_grpc = version == Some(ProtocolVersion::Grpc);
    let (text, bounds) = match (matcher.http_code, matcher.grpc_code) {
        (Some(text), None) if !is_grpc && speaks_http => {
            (text, if version.is_some() { 200..=499 } else { 200..=599 })
        }
        (None, Some(text)) if is_grpc => (text, 0..=99),
        _ => return Err(Error::configuration("The matcher does not fit the target group")),
    };
    let good = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) => {
                first <= last && bounds.contains(&first) && bounds.contains(&last)
            }
            _ => false,
        }
    };
    if !text.split(',').all(good) {
        return Err(Error::invalid(format!("Health check matcher '{text}' is not valid")));
    }
    Ok(if is_grpc { Matcher::Grpc(text) } else { Matcher::Http(text) })
}
