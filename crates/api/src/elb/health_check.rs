//! How instances are checked.

use core::time::Duration;

use shapes::elb as shape;
use state::{Change, ClassicHealthCheck, ClassicLoadBalancer, ClassicProtocol, Context, Draft};

use super::{Error, find, listeners, view};

/// Characters of a path. Source: API Reference, `HealthCheck`.
const PATH_MAX: usize = 1_024;

/// What a load balancer has until it is told otherwise. Source: handbook 7.8.
pub(super) fn usual(port: u16) -> ClassicHealthCheck {
    ClassicHealthCheck {
        protocol: ClassicProtocol::Tcp,
        port,
        path: None,
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        unhealthy_threshold: 2,
        healthy_threshold: 10,
    }
}

/// `ConfigureHealthCheck`.
///
/// # Errors
///
/// A target that cannot be read; a timeout that is not less than the interval.
pub(super) fn configure_health_check(
    draft: &mut Draft<'_>,
    ask: shape::ConfigureHealthCheckInput,
    _: &mut Context<'_>,
) -> Result<shape::ConfigureHealthCheckOutput, Error> {
    let found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let health_check = parse(ask.health_check.unwrap_or_default())?;
    let shown = view::health_check(&health_check);
    draft.change(Change::from(ClassicLoadBalancer { health_check, ..found }));
    Ok(shape::ConfigureHealthCheckOutput { health_check: Some(shown) })
}

fn parse(asked: shape::HealthCheck) -> Result<ClassicHealthCheck, Error> {
    let target = asked.target.unwrap_or_default();
    let (protocol, port, path) = target_of(&target)?;
    // The model holds all four within bounds.
    let number = |it: Option<i32>| it.and_then(|it| u32::try_from(it).ok()).unwrap_or_default();
    let (interval, timeout) = (number(asked.interval), number(asked.timeout));
    if timeout >= interval {
        return Err(Error::invalid(format!(
            "HealthCheck timeout must be less than interval. Timeout: {timeout}, Interval: \
             {interval}"
        )));
    }
    Ok(ClassicHealthCheck {
        protocol,
        port,
        path,
        interval: Duration::from_secs(u64::from(interval)),
        timeout: Duration::from_secs(u64::from(timeout)),
        unhealthy_threshold: number(asked.unhealthy_threshold),
        healthy_threshold: number(asked.healthy_threshold),
    })
}

/// Reads `TCP:5000`, `SSL:5000`, `HTTP:80/path` or `HTTPS:443/path`.
fn target_of(target: &str) -> Result<(ClassicProtocol, u16, Option<String>), Error> {
    let (name, rest) = target.split_once(':').unwrap_or((target, ""));
    let Some(protocol) = listeners::protocol(name) else {
        return Err(Error::invalid(
            "HealthCheck Target must begin with one of HTTP, TCP, HTTPS, SSL",
        ));
    };
    let name = view::protocol(protocol);
    let (port, path) = match rest.find('/').and_then(|it| rest.split_at_checked(it)) {
        Some((port, path)) => (port, Some(path.to_owned())),
        None => (rest, None),
    };
    let port = port.parse::<u16>().ok().filter(|it| *it > 0);
    match (listeners::is_http(protocol), port, path) {
        (true, Some(port), Some(path)) if path.chars().count() <= PATH_MAX && is_path(&path) => {
            Ok((protocol, port, Some(path)))
        }
        (true, Some(_), Some(_)) => Err(Error::invalid(format!(
            "HealthCheck {name} Target must have a path of at most {PATH_MAX} printable characters"
        ))),
        (true, ..) => Err(Error::invalid(format!(
            "HealthCheck {name} Target must specify a port followed by a path that begins with a \
             slash. e.g. {name}:80/ping/this/path"
        ))),
        (false, Some(port), None) => Ok((protocol, port, None)),
        (false, ..) => Err(Error::invalid(format!(
            "HealthCheck {name} Target must specify a port. e.g. {name}:5000"
        ))),
    }
}

/// Whether a text can be sent as the target of a request.
fn is_path(path: &str) -> bool {
    path.bytes().all(|it| it.is_ascii_graphic())
}
