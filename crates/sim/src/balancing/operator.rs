//! Who changes load balancers all the time: everything there is to change, by the API.

use std::sync::Arc;

use state::{Desired, Rule, Service, ServiceStatus, Target};

use crate::event::Party;
use crate::lot::Lot;
use crate::world::World;

/// Names that load balancers and target groups may have.
const BALANCERS: u64 = 2;
const GROUPS: u64 = 3;
/// Names that services behind them may have.
const SERVICES: u64 = 2;

/// A request: the operation and its body.
type Ask = (&'static str, String);

impl World {
    /// The operator does something about what it sees.
    pub(super) fn operate(&mut self) {
        let mut lot = self.balancing.lot.clone();
        let ask = self.operation(&mut lot);
        self.balancing.lot = lot;
        if let Some((operation, body)) = ask {
            self.call(Party::Operator, operation, &body, 0);
        }
    }

    fn operation(&self, lot: &mut Lot) -> Option<Ask> {
        let state = &self.region.shadow;
        let region = state.region().get(&())?;
        if (state.load_balancers().len() as u64) < BALANCERS && lot.below(3) == 0 {
            let subnets: Vec<_> = region.subnets.iter().map(|it| quoted(&it.id)).collect();
            let name = lot.below(BALANCERS);
            let body = format!(r#"{{"Name":"lb{name}","Subnets":[{}]}}"#, subnets.join(","));
            return Some(("CreateLoadBalancer", body));
        }
        if (state.target_groups().len() as u64) < GROUPS && lot.below(3) == 0 {
            return Some(create_group(lot, &region.vpc));
        }
        if self.balancing.has_services && lot.below(6) == 0 {
            return self.service(lot);
        }
        match lot.below(100) {
            0..40 => self.register_some(lot),
            40..60 => self.deregister_one(lot),
            60..80 => self.rule(lot),
            80..87 => self.attributes(lot),
            87..95 => self.listener(lot),
            95..98 => {
                let rules: Vec<_> = state.rules().keys().cloned().collect();
                Some(("DeleteRule", format!(r#"{{"RuleArn":{}}}"#, quoted(lot.pick(&rules)?))))
            }
            98 => {
                let all: Vec<_> = state.load_balancers().keys().cloned().collect();
                let arn = quoted(lot.pick(&all)?);
                Some(("DeleteLoadBalancer", format!(r#"{{"LoadBalancerArn":{arn}}}"#)))
            }
            _ => {
                let arn = self.group(lot)?;
                Some(("DeleteTargetGroup", format!(r#"{{"TargetGroupArn":{arn}}}"#)))
            }
        }
    }

    fn group(&self, lot: &mut Lot) -> Option<String> {
        let all: Vec<_> = self.region.shadow.target_groups().keys().cloned().collect();
        lot.pick(&all).map(|it| quoted(it))
    }

    fn register_some(&self, lot: &mut Lot) -> Option<Ask> {
        let group = self.group(lot)?;
        let hosts: Vec<_> = self.balancing.hosts.keys().cloned().collect();
        let mut targets = Vec::new();
        for _ in 0..=lot.below(3) {
            let zone = lot.pick(&["all", "us-east-1a", "us-east-1b"]).copied()?;
            let host = quoted(lot.pick(&hosts)?);
            targets.push(format!(r#"{{"Id":{host},"Port":80,"AvailabilityZone":"{zone}"}}"#));
        }
        let targets = targets.join(",");
        Some(("RegisterTargets", format!(r#"{{"TargetGroupArn":{group},"Targets":[{targets}]}}"#)))
    }

    fn deregister_one(&self, lot: &mut Lot) -> Option<Ask> {
        let all: Vec<&Target> = self.region.shadow.targets().values().map(AsRef::as_ref).collect();
        let key = &lot.pick(&all)?.key;
        let (group, id) = (quoted(&key.group), quoted(&key.id));
        let body = format!(r#"{{"TargetGroupArn":{group},"Targets":[{{"Id":{id},"Port":80}}]}}"#);
        Some(("DeregisterTargets", body))
    }

    /// Something about the services behind target groups.
    fn service(&self, lot: &mut Lot) -> Option<Ask> {
        let state = &self.region.shadow;
        let name = format!("behind-{}", lot.below(SERVICES));
        let is_it =
            |it: &&Arc<Service>| it.key.name.as_str() == name && it.status == ServiceStatus::Active;
        let Some(service) = state.services().values().find(is_it) else {
            return self.create_service(lot, &name);
        };
        match lot.below(20) {
            0..9 => {
                let count = lot.below(5);
                let body = format!(r#"{{"service":"{name}","desiredCount":{count}}}"#);
                Some(("UpdateService", body))
            }
            9..12 => {
                let body = format!(r#"{{"service":"{name}","forceNewDeployment":true}}"#);
                Some(("UpdateService", body))
            }
            12..18 => {
                let tasks = state.indexes().tasks_of_service(&service.key, Desired::Running);
                let tasks: Vec<_> = tasks.iter().collect();
                let task = lot.pick(&tasks)?;
                Some(("StopTask", format!(r#"{{"task":"{task}"}}"#)))
            }
            18 => Some(("DeleteService", format!(r#"{{"service":"{name}","force":true}}"#))),
            _ => None,
        }
    }

    fn create_service(&self, lot: &mut Lot, name: &str) -> Option<Ask> {
        let state = &self.region.shadow;
        let subnets: Vec<_> =
            state.region().get(&())?.subnets.iter().map(|it| quoted(&it.id)).collect();
        let (group, count, subnets) = (self.group(lot)?, lot.between(1, 4), subnets.join(","));
        let body = format!(
            r#"{{"serviceName":"{name}","taskDefinition":"own","desiredCount":{count},"loadBalancers":[{{"targetGroupArn":{group},"containerName":"app","containerPort":80}}],"networkConfiguration":{{"awsvpcConfiguration":{{"subnets":[{subnets}]}}}}}}"#
        );
        Some(("CreateService", body))
    }

    /// Actions that forward to one or two groups.
    fn actions(&self, lot: &mut Lot) -> Option<String> {
        let mut shares = Vec::new();
        for _ in 0..=lot.below(2) {
            let (group, weight) = (self.group(lot)?, lot.below(4));
            shares.push(format!(r#"{{"TargetGroupArn":{group},"Weight":{weight}}}"#));
        }
        shares.dedup_by_key(|it| it.split(',').next().map(str::to_owned));
        let shares = shares.join(",");
        Some(format!(r#"[{{"Type":"forward","ForwardConfig":{{"TargetGroups":[{shares}]}}}}]"#))
    }

    fn rule(&self, lot: &mut Lot) -> Option<Ask> {
        let state = &self.region.shadow;
        let actions = self.actions(lot)?;
        let rules: Vec<&Rule> = state.rules().values().map(AsRef::as_ref).collect();
        if lot.below(2) == 0
            && let Some(rule) = lot.pick(&rules)
        {
            let arn = quoted(&rule.arn);
            return Some(match rule.priority {
                Some(_) => ("ModifyRule", format!(r#"{{"RuleArn":{arn},"Actions":{actions}}}"#)),
                None => {
                    let arn = quoted(&rule.listener);
                    let body = format!(r#"{{"ListenerArn":{arn},"DefaultActions":{actions}}}"#);
                    ("ModifyListener", body)
                }
            });
        }
        let listeners: Vec<_> = state.listeners().keys().cloned().collect();
        let listener = quoted(lot.pick(&listeners)?);
        let priority = lot.between(1, 5);
        let path = lot.pick(&["/a/*", "/b/*", "/c"]).copied()?;
        let body = format!(
            r#"{{"ListenerArn":{listener},"Priority":{priority},"Conditions":[{{"Field":"path-pattern","Values":["{path}"]}}],"Actions":{actions}}}"#
        );
        Some(("CreateRule", body))
    }

    fn listener(&self, lot: &mut Lot) -> Option<Ask> {
        let state = &self.region.shadow;
        if lot.below(6) == 0 {
            let listeners: Vec<_> = state.listeners().keys().cloned().collect();
            let arn = quoted(lot.pick(&listeners)?);
            return Some(("DeleteListener", format!(r#"{{"ListenerArn":{arn}}}"#)));
        }
        let all: Vec<_> = state.load_balancers().keys().cloned().collect();
        let arn = quoted(lot.pick(&all)?);
        let (port, actions) = (lot.between(80, 81), self.actions(lot)?);
        let body = format!(
            r#"{{"LoadBalancerArn":{arn},"Protocol":"HTTP","Port":{port},"DefaultActions":{actions}}}"#
        );
        Some(("CreateListener", body))
    }

    fn attributes(&self, lot: &mut Lot) -> Option<Ask> {
        let group = self.group(lot)?;
        let delay = ["0", "5", "20", "60"];
        let (key, values): (&str, &[&str]) = match lot.below(6) {
            0 | 1 => ("deregistration_delay.timeout_seconds", &delay),
            2 => ("stickiness.enabled", &["true", "false"]),
            3 => (
                "load_balancing.algorithm.type",
                &["round_robin", "least_outstanding_requests", "weighted_random"],
            ),
            4 => ("load_balancing.cross_zone.enabled", &["true", "false"]),
            _ => {
                let open = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
                let value = lot.pick(&["1", "2", "3"]).copied()?;
                return Some(attribute(&group, &format!("{open}.count"), value));
            }
        };
        Some(attribute(&group, key, lot.pick(values).copied()?))
    }
}

fn attribute(group: &str, key: &str, value: &str) -> Ask {
    let body = format!(
        r#"{{"TargetGroupArn":{group},"Attributes":[{{"Key":"{key}","Value":"{value}"}}]}}"#
    );
    ("ModifyTargetGroupAttributes", body)
}

fn create_group(lot: &mut Lot, vpc: &str) -> Ask {
    let name = lot.below(GROUPS);
    let interval = [5, 10, 30].get(usize::try_from(name).unwrap_or(0)).copied().unwrap_or(30);
    let body = format!(
        r#"{{"Name":"tg{name}","Protocol":"HTTP","Port":80,"VpcId":"{vpc}","TargetType":"ip","HealthCheckIntervalSeconds":{interval},"HealthCheckTimeoutSeconds":2,"HealthyThresholdCount":2,"UnhealthyThresholdCount":2}}"#
    );
    ("CreateTargetGroup", body)
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
