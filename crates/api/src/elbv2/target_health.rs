//! How targets are: what balancers find, in the words of the API.

use plan::targets;
use shapes::elbv2 as shape;
use state::{Anomaly, Context, State, Target, TargetGroup, TargetHealth, TargetKey};

use super::{Error, find};

/// `DescribeTargetHealth`: of all targets, or those named.
///
/// # Errors
///
/// [`Error::TargetGroupNotFound`]; [`Error::InvalidTarget`] without a port that could be meant.
pub(super) fn describe_target_health(
    state: &State,
    ask: shape::DescribeTargetHealthInput,
    _: &Context<'_>,
) -> Result<shape::DescribeTargetHealthOutput, Error> {
    let group = find::target_group(state, ask.target_group_arn.as_deref())?;
    let is_used = state.indexes().rules_of_group(&group.arn).next().is_some();
    let included = ask.include.unwrap_or_default();
    let is_compared = group.version.is_some()
        && included.iter().any(|it| ["AnomalyDetection", "All"].contains(&it.as_str()));
    let show = |it: &Target| shape::TargetHealthDescription {
        anomaly_detection: is_compared.then(|| anomaly(state, it)),
        ..view(state, group, it, is_used)
    };
    let descriptions = match ask.targets.filter(|it| !it.is_empty()) {
        None => targets::of_group(state, &group.arn).map(|it| show(it)).collect(),
        Some(named) => named
            .into_iter()
            .map(|asked| {
                let id = asked.id.clone().unwrap_or_default();
                let port = asked.port.and_then(|it| u16::try_from(it).ok()).unwrap_or(group.port);
                let key = TargetKey { group: group.arn.clone(), id, port };
                state.targets().get(&key).map_or_else(|| not_registered(asked, port), |it| show(it))
            })
            .collect(),
    };
    Ok(shape::DescribeTargetHealthOutput { target_health_descriptions: Some(descriptions) })
}

fn view(
    state: &State,
    group: &TargetGroup,
    target: &Target,
    is_used: bool,
) -> shape::TargetHealthDescription {
    let found = targets::found(state, target);
    let check_port = group.health_check.port.unwrap_or(target.key.port);
    let is_elsewhere = group.target_type == state::TargetType::Ip && target.zone.is_none();
    shape::TargetHealthDescription {
        target: Some(shape::TargetDescription {
            id: Some(target.key.id.clone()),
            port: Some(i32::from(target.key.port)),
            availability_zone: match (is_elsewhere, &target.zone) {
                (true, _) => Some("all".to_owned()),
                // AWS shows the zone of addresses only.
                (false, zone) => zone
                    .as_ref()
                    .filter(|_| group.target_type == state::TargetType::Ip)
                    .map(ToString::to_string),
            },
            quic_server_id: None,
        }),
        health_check_port: Some(check_port.to_string()),
        target_health: Some(match (target.draining, is_used) {
            (Some(_), _) => health(
                "draining",
                Some("Target.DeregistrationInProgress"),
                Some("Target deregistration is in progress".to_owned()),
            ),
            (None, false) => health(
                "unused",
                Some("Target.NotInUse"),
                Some(
                    "Target group is not configured to receive traffic from the load balancer"
                        .to_owned(),
                ),
            ),
            (None, true) => spoken(&found),
        }),
        ..Default::default()
    }
}

/// Whether any balancer that is there finds that the target does worse than the others of its group,
/// and whether one gives it less for it.
fn anomaly(state: &State, target: &Target) -> shape::AnomalyDetection {
    let any = |wanted: [Anomaly; 2]| {
        targets::seen_now(state, target).any(|it| it.anomaly.is_some_and(|it| wanted.contains(&it)))
    };
    let is_anomalous = any([Anomaly::Detected, Anomaly::Mitigated]);
    let is_mitigated = any([Anomaly::Mitigated, Anomaly::Recovering]);
    shape::AnomalyDetection {
        result: Some(if is_anomalous { "anomalous" } else { "normal" }.into()),
        mitigation_in_effect: Some(if is_mitigated { "yes" } else { "no" }.into()),
    }
}

fn spoken(found: &TargetHealth) -> shape::TargetHealth {
    let ill = |reason| health("unhealthy", Some(reason), targets::fault(found));
    match found {
        TargetHealth::Healthy => health("healthy", None, None),
        TargetHealth::Initial => health(
            "initial",
            Some("Elb.InitialHealthChecking"),
            Some("Initial health checks in progress".to_owned()),
        ),
        TargetHealth::WrongCode(_) => ill("Target.ResponseCodeMismatch"),
        TargetHealth::Timeout => ill("Target.Timeout"),
        TargetHealth::Failed => ill("Target.FailedHealthChecks"),
    }
}

fn not_registered(asked: shape::TargetDescription, port: u16) -> shape::TargetHealthDescription {
    shape::TargetHealthDescription {
        target: Some(shape::TargetDescription { port: Some(i32::from(port)), ..asked }),
        target_health: Some(health(
            "unused",
            Some("Target.NotRegistered"),
            Some("Target is not registered to the target group".to_owned()),
        )),
        ..Default::default()
    }
}

fn health(state: &str, reason: Option<&str>, description: Option<String>) -> shape::TargetHealth {
    shape::TargetHealth { state: Some(state.into()), reason: reason.map(Into::into), description }
}

#[cfg(test)]
mod tests;
