//! Services behind Classic Load Balancers: one task on each instance, at a static port.

use state::State;

use crate::lot::Lot;

/// The only one there is.
const NAME: &str = "old";
/// What a service behind it is made of: its port is the one that the listener leads to.
pub(super) const FAMILY: &str = "svc-port";

/// A request: the operation and its body.
type Ask = (&'static str, String);

/// Makes the load balancer; then changes it now and then.
pub(super) fn manage(state: &State, lot: &mut Lot) -> Option<Ask> {
    if !state.classic_load_balancers().contains_key(NAME) {
        let subnets = &state.region().get(&())?.subnets;
        let subnets: Vec<_> = subnets.iter().map(|it| format!("\"{}\"", it.id)).collect();
        let subnets = subnets.join(",");
        let body = format!(
            r#"{{"LoadBalancerName":"{NAME}","Subnets":[{subnets}],"Listeners":[{{"Protocol":"HTTP","LoadBalancerPort":80,"InstanceProtocol":"HTTP","InstancePort":8088}}]}}"#
        );
        return Some(("CreateLoadBalancer", body));
    }
    match lot.below(16) {
        0 => {
            let (enabled, timeout) = (lot.below(4) > 0, lot.pick(&[1, 5, 20, 60]).copied()?);
            let crosses = lot.below(2) == 0;
            let body = format!(
                r#"{{"LoadBalancerName":"{NAME}","LoadBalancerAttributes":{{"ConnectionDraining":{{"Enabled":{enabled},"Timeout":{timeout}}},"CrossZoneLoadBalancing":{{"Enabled":{crosses}}}}}}}"#
            );
            Some(("ModifyLoadBalancerAttributes", body))
        }
        1 => {
            let (interval, healthy) = (lot.pick(&[5, 10]).copied()?, lot.between(2, 3));
            let body = format!(
                r#"{{"LoadBalancerName":"{NAME}","HealthCheck":{{"Target":"HTTP:8088/","Interval":{interval},"Timeout":2,"UnhealthyThreshold":2,"HealthyThreshold":{healthy}}}}}"#
            );
            Some(("ConfigureHealthCheck", body))
        }
        _ => None,
    }
}

/// Where a service of a family is found, as a member of a request that begins with a comma.
pub(super) fn behind(state: &State, family: &str) -> String {
    match family == FAMILY && state.classic_load_balancers().contains_key(NAME) {
        true => format!(
            r#","loadBalancers":[{{"loadBalancerName":"{NAME}","containerName":"app","containerPort":80}}]"#
        ),
        false => String::new(),
    }
}
