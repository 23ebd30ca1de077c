//! Services behind Classic Load Balancers.

use core::time::Duration;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use state::{
    Change, ClassicAttributes, ClassicHealthCheck, ClassicLoadBalancer, ClassicProtocol,
    DesyncMode, Scheme,
};
use types::Timestamp;

use super::table::Table;

/// The table with a Classic Load Balancer `old`, and families `fixed` (bridge), whose container `app`
/// has its port 80 at port 8080 of its instance, and `open`, where the instance chooses it.
fn table() -> Table {
    let mut table = Table::new();
    table.region.step(|draft, _| draft.change(Change::from(old())));
    for (family, host) in [("fixed", 8080), ("open", 0)] {
        let mapping = json!([{"containerPort": 80, "hostPort": host}]);
        let ask = json!({"family": family, "containerDefinitions": [
            {"name": "app", "image": "nginx", "memory": 64, "portMappings": mapping}]});
        table.ecs("RegisterTaskDefinition", &ask).expect("registered");
    }
    table
}

fn old() -> ClassicLoadBalancer {
    ClassicLoadBalancer {
        name: "old".into(),
        dns_name: "old-1.us-east-1.elb.amazonaws.com".into(),
        scheme: Scheme::Internal,
        nodes: Vec::new(),
        listeners: Vec::new(),
        health_check: ClassicHealthCheck {
            protocol: ClassicProtocol::Tcp,
            port: 8080,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            unhealthy_threshold: 2,
            healthy_threshold: 10,
        },
        security_groups: Vec::new(),
        attributes: ClassicAttributes {
            cross_zone: false,
            connection_draining: false,
            draining_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_mins(1),
            desync: DesyncMode::Defensive,
        },
        policies: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

fn asked(definition: &str, name: &str) -> Value {
    json!({"serviceName": "new", "taskDefinition": definition, "desiredCount": 1, "loadBalancers":
           [{"loadBalancerName": name, "containerName": "app", "containerPort": 80}]})
}

#[track_caller]
fn refused(ask: &Value, words: &str) {
    let fault = table().ecs("CreateService", ask).expect_err("is refused");
    assert_eq!((fault.code.as_ref(), fault.message.as_str()), ("InvalidParameterException", words));
}

#[test]
fn a_host_port_is_needed_that_is_the_same_on_every_instance() {
    refused(&asked("fixed", "none"), "The load balancer none does not exist.");
    let dynamic = "A host port mapping for the container port 80 is required.";
    refused(&asked("open", "old"), dynamic);
    refused(&asked("web", "old"), dynamic);
    for definition in ["fixed", "host"] {
        table().ecs("CreateService", &asked(definition, "old")).expect("made");
    }
}

#[test]
fn a_classic_load_balancer_is_the_only_one_and_not_for_tasks_with_addresses_of_their_own() {
    let mut ask = asked("net", "old");
    ask["networkConfiguration"] = json!({"awsvpcConfiguration": {"subnets": ["$s1"]}});
    refused(
        &ask,
        "The Classic Load Balancer old is incompatible with the awsvpc network mode specified in \
         the task definition.",
    );
    let mut ask = asked("fixed", "old");
    let group = json!({"targetGroupArn": "$tg", "containerName": "app", "containerPort": 80});
    ask["loadBalancers"].as_array_mut().expect("a list").push(group);
    refused(&ask, "load balancers can have at most 1 items.");
    let mut ask = asked("fixed", "old");
    ask["availabilityZoneRebalancing"] = json!("ENABLED");
    refused(&ask, "Availability Zone rebalancing does not support Classic Load Balancers.");
}

#[test]
fn no_state_of_a_rollout_is_shown() {
    let mut table = table();
    let made = table.ecs("CreateService", &asked("fixed", "old")).expect("made");
    let deployment = &made["service"]["deployments"][0];
    assert_eq!(deployment["status"], "PRIMARY");
    assert_eq!(
        (&deployment["rolloutState"], &deployment["rolloutStateReason"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(made["service"]["loadBalancers"][0]["loadBalancerName"], "old");
    assert_eq!(made["service"]["availabilityZoneRebalancing"], "DISABLED");
    let ask = json!({"service": "new", "taskDefinition": "open"});
    let fault = table.ecs("UpdateService", &ask).expect_err("is refused");
    assert_eq!(fault.message, "A host port mapping for the container port 80 is required.");
}
