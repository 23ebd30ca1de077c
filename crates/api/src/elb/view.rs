//! Load balancers as the API shows them.

use plan::names;
use shapes::Timestamp;
use shapes::elb as shape;
use state::{
    ClassicHealthCheck, ClassicListener, ClassicLoadBalancer, ClassicPolicy, ClassicProtocol,
    LoadBalancerKind, Scheme, State,
};

use super::{instances, places};

/// Name of the security group that every load balancer has unless another is asked for.
const DEFAULT_GROUP: &str = "default";

/// A load balancer. O(its instances).
pub(super) fn load_balancer(
    state: &State,
    it: &ClassicLoadBalancer,
) -> shape::LoadBalancerDescription {
    let home = state.home();
    let region = state.region().get(&());
    // Names of Classic and of Application Load Balancers are of one zone.
    let zone = names::zone_of_load_balancers(home.region.as_str(), LoadBalancerKind::Application);
    shape::LoadBalancerDescription {
        load_balancer_name: Some(it.name.clone()),
        dns_name: Some(it.dns_name.clone()),
        canonical_hosted_zone_name: Some(it.dns_name.clone()),
        canonical_hosted_zone_name_id: Some(zone.to_owned()),
        listener_descriptions: Some(it.listeners.iter().map(listener).collect()),
        policies: Some(policies(it)),
        backend_server_descriptions: Some(Vec::new()),
        availability_zones: Some(places::zones(it)),
        subnets: Some(places::subnet_ids(it)),
        vpc_id: region.map(|it| it.vpc.clone()),
        instances: Some(instances::registered(state, it)),
        health_check: Some(health_check(&it.health_check)),
        source_security_group: Some(shape::SourceSecurityGroup {
            owner_alias: Some(home.account.to_string()),
            group_name: Some(DEFAULT_GROUP.to_owned()),
        }),
        security_groups: Some(it.security_groups.clone()),
        created_time: Some(Timestamp(it.created_at.0)),
        scheme: Some(scheme(it.scheme).to_owned()),
    }
}

/// How instances are checked.
pub(super) fn health_check(it: &ClassicHealthCheck) -> shape::HealthCheck {
    let seconds = |it: core::time::Duration| i32::try_from(it.as_secs()).ok();
    let path = it.path.as_deref().unwrap_or_default();
    shape::HealthCheck {
        target: Some(format!("{}:{}{path}", protocol(it.protocol), it.port)),
        interval: seconds(it.interval),
        timeout: seconds(it.timeout),
        unhealthy_threshold: i32::try_from(it.unhealthy_threshold).ok(),
        healthy_threshold: i32::try_from(it.healthy_threshold).ok(),
    }
}

/// How the API spells a protocol.
pub(super) fn protocol(protocol: ClassicProtocol) -> &'static str {
    match protocol {
        ClassicProtocol::Http => "HTTP",
        ClassicProtocol::Https => "HTTPS",
        ClassicProtocol::Tcp => "TCP",
        ClassicProtocol::Ssl => "SSL",
    }
}

fn scheme(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::InternetFacing => "internet-facing",
        Scheme::Internal => "internal",
    }
}

fn listener(it: &ClassicListener) -> shape::ListenerDescription {
    shape::ListenerDescription {
        listener: Some(shape::Listener {
            protocol: Some(protocol(it.protocol).to_owned()),
            load_balancer_port: Some(i32::from(it.port)),
            instance_protocol: Some(protocol(it.instance_protocol).to_owned()),
            instance_port: Some(i32::from(it.instance_port)),
            ssl_certificate_id: it.certificate.clone(),
        }),
        policy_names: Some(it.policies.clone()),
    }
}

fn policies(of: &ClassicLoadBalancer) -> shape::Policies {
    let (mut application, mut own, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for (name, policy) in &of.policies {
        let policy_name = Some(name.clone());
        match policy {
            ClassicPolicy::LoadBalancerCookie { expiration } => {
                let period = expiration.and_then(|it| i64::try_from(it.as_secs()).ok());
                own.push(shape::LBCookieStickinessPolicy {
                    policy_name,
                    cookie_expiration_period: period,
                });
            }
            ClassicPolicy::ApplicationCookie { cookie } => {
                application.push(shape::AppCookieStickinessPolicy {
                    policy_name,
                    cookie_name: Some(cookie.clone()),
                });
            }
            ClassicPolicy::Tls { .. } => other.push(name.clone()),
        }
    }
    shape::Policies {
        app_cookie_stickiness_policies: Some(application),
        lb_cookie_stickiness_policies: Some(own),
        other_policies: Some(other),
    }
}
