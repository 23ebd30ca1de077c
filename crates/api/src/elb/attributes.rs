//! What may be switched at a load balancer.

use core::time::Duration;

use shapes::elb as shape;
use state::{Change, ClassicAttributes, ClassicLoadBalancer, Context, DesyncMode, Draft, State};

use super::{Error, find};

/// The one additional attribute that there is. Source: API Reference, `AdditionalAttribute`.
const DESYNC: &str = "elb.http.desyncmitigationmode";
/// For how long connections may be drained, in seconds. Source: API Reference, `ConnectionDraining`.
const DRAINING: core::ops::RangeInclusive<i32> = 1..=3_600;

/// `ModifyLoadBalancerAttributes`: answers those that were named.
///
/// # Errors
///
/// [`Error::LoadBalancerAttributeNotFound`]; access logs, which this region does not write for Classic
/// Load Balancers.
pub(super) fn modify_load_balancer_attributes(
    draft: &mut Draft<'_>,
    ask: shape::ModifyLoadBalancerAttributesInput,
    _: &mut Context<'_>,
) -> Result<shape::ModifyLoadBalancerAttributesOutput, Error> {
    let found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let asked = ask.load_balancer_attributes.unwrap_or_default();
    let attributes = changed(found.attributes.clone(), &asked)?;
    let shown = view(&attributes);
    let shown = shape::LoadBalancerAttributes {
        access_log: asked.access_log.and(shown.access_log),
        additional_attributes: asked.additional_attributes.and(shown.additional_attributes),
        connection_draining: asked.connection_draining.and(shown.connection_draining),
        connection_settings: asked.connection_settings.and(shown.connection_settings),
        cross_zone_load_balancing: asked
            .cross_zone_load_balancing
            .and(shown.cross_zone_load_balancing),
    };
    let load_balancer_name = Some(found.name.clone());
    draft.change(Change::from(ClassicLoadBalancer { attributes, ..found }));
    Ok(shape::ModifyLoadBalancerAttributesOutput {
        load_balancer_attributes: Some(shown),
        load_balancer_name,
    })
}

/// `DescribeLoadBalancerAttributes`.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn describe_load_balancer_attributes(
    state: &State,
    ask: shape::DescribeLoadBalancerAttributesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeLoadBalancerAttributesOutput, Error> {
    let found = find::load_balancer(state, ask.load_balancer_name.as_deref())?;
    let load_balancer_attributes = Some(view(&found.attributes));
    Ok(shape::DescribeLoadBalancerAttributesOutput { load_balancer_attributes })
}

fn changed(
    mut it: ClassicAttributes,
    asked: &shape::LoadBalancerAttributes,
) -> Result<ClassicAttributes, Error> {
    if asked.access_log.as_ref().and_then(|it| it.enabled) == Some(true) {
        return Err(Error::unsupported("Access logs of Classic Load Balancers"));
    }
    if let Some(enabled) = asked.cross_zone_load_balancing.as_ref().and_then(|it| it.enabled) {
        it.cross_zone = enabled;
    }
    if let Some(draining) = &asked.connection_draining {
        it.connection_draining = draining.enabled.unwrap_or_default();
        if let Some(timeout) = draining.timeout {
            it.draining_timeout =
                seconds(timeout).filter(|_| DRAINING.contains(&timeout)).ok_or_else(|| {
                    Error::invalid("Connection Draining timeout must be between 1 and 3600 seconds")
                })?;
        }
    }
    // The model holds it within bounds.
    if let Some(idle) = asked.connection_settings.as_ref().and_then(|it| seconds(it.idle_timeout?))
    {
        it.idle_timeout = idle;
    }
    for more in asked.additional_attributes.iter().flatten() {
        it.desync = additional(more)?;
    }
    Ok(it)
}

fn additional(asked: &shape::AdditionalAttribute) -> Result<DesyncMode, Error> {
    let (key, value) = (asked.key.as_deref(), asked.value.as_deref().unwrap_or_default());
    let key = key.unwrap_or_default();
    if key != DESYNC {
        return Err(Error::LoadBalancerAttributeNotFound(format!(
            "The attribute '{key}' does not exist"
        )));
    }
    match value {
        "monitor" => Ok(DesyncMode::Monitor),
        "defensive" => Ok(DesyncMode::Defensive),
        "strictest" => Ok(DesyncMode::Strictest),
        other => Err(Error::configuration(format!(
            "The value '{other}' of {DESYNC} must be one of monitor, defensive, strictest"
        ))),
    }
}

fn seconds(count: i32) -> Option<Duration> {
    u64::try_from(count).ok().map(Duration::from_secs)
}

fn view(it: &ClassicAttributes) -> shape::LoadBalancerAttributes {
    let seconds = |it: Duration| i32::try_from(it.as_secs()).ok();
    let mode = match it.desync {
        DesyncMode::Monitor => "monitor",
        DesyncMode::Defensive => "defensive",
        DesyncMode::Strictest => "strictest",
    };
    shape::LoadBalancerAttributes {
        access_log: Some(shape::AccessLog { enabled: Some(false), ..Default::default() }),
        additional_attributes: Some(vec![shape::AdditionalAttribute {
            key: Some(DESYNC.to_owned()),
            value: Some(mode.to_owned()),
        }]),
        connection_draining: Some(shape::ConnectionDraining {
            enabled: Some(it.connection_draining),
            timeout: seconds(it.draining_timeout),
        }),
        connection_settings: Some(shape::ConnectionSettings {
            idle_timeout: seconds(it.idle_timeout),
        }),
        cross_zone_load_balancing: Some(shape::CrossZoneLoadBalancing {
            enabled: Some(it.cross_zone),
        }),
    }
}
