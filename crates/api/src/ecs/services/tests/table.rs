//! A region with everything that a service can name, asked in JSON.

use serde_json::{Value, json};
use shapes::{Service, ecs, elbv2};

use crate::fixture::{self, Fixture};
use crate::{Fault, Registry, registry};

pub(super) struct Table {
    pub(super) region: Fixture,
    registry: Registry,
    names: Vec<(String, String)>,
}

impl Table {
    /// Families `web` (bridge), `net` (awsvpc), `host` (host) and `off` (none), whose container
    /// `app` has port 80; groups `$tg` and `$ip` behind a listener and `$free` behind none; services
    /// `api`, `leaving` (DRAINING) and `agent` (DAEMON).
    pub(super) fn new() -> Self {
        let region = fixture::region();
        let row = region.state.region().get(&()).expect("started").clone();
        let mut names = vec![("$vpc".to_owned(), row.vpc.clone())];
        for (number, subnet) in (1..).zip(&row.subnets) {
            names.push((format!("$s{number}"), subnet.id.clone()));
        }
        let mut it = Self { region, registry: registry(), names };
        it.definitions();
        it.groups();
        for (name, more) in [
            ("api", json!({"desiredCount": 2})),
            ("leaving", json!({"desiredCount": 0})),
            ("agent", json!({"schedulingStrategy": "DAEMON"})),
        ] {
            let mut ask = json!({"serviceName": name, "taskDefinition": "web"});
            for (key, value) in more.as_object().expect("members") {
                ask[key] = value.clone();
            }
            it.ecs("CreateService", &ask).expect("made");
        }
        it.ecs("DeleteService", &json!({"service": "leaving"})).expect("deleted");
        it
    }

    fn definitions(&mut self) {
        for (family, mode) in
            [("web", "bridge"), ("net", "awsvpc"), ("host", "host"), ("off", "none")]
        {
            let mut container = json!({"name": "app", "image": "nginx", "memory": 64});
            if mode != "none" {
                container["portMappings"] = json!([{"containerPort": 80}]);
            }
            let ask = json!({"family": family, "networkMode": mode,
                             "containerDefinitions": [container]});
            self.ecs("RegisterTaskDefinition", &ask).expect("registered");
        }
        let old = json!({"family": "old", "containerDefinitions":
                         [{"name": "app", "image": "nginx", "memory": 64}]});
        self.ecs("RegisterTaskDefinition", &old).expect("registered");
        let old = json!({"taskDefinition": "old:1"});
        self.ecs("DeregisterTaskDefinition", &old).expect("deregistered");
    }

    fn groups(&mut self) {
        let ask = json!({"Name": "web", "Subnets": ["$s1", "$s2"]});
        self.make("lb", "CreateLoadBalancer", &ask, "/LoadBalancers/0/LoadBalancerArn");
        for (name, kind) in [("tg", "instance"), ("ip", "ip"), ("free", "instance")] {
            let ask = json!({"Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": "$vpc",
                             "TargetType": kind});
            self.make(name, "CreateTargetGroup", &ask, "/TargetGroups/0/TargetGroupArn");
        }
        for (port, group) in [(80, "$tg"), (81, "$ip")] {
            let ask = json!({"LoadBalancerArn": "$lb", "Protocol": "HTTP", "Port": port,
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}]});
            self.call(&elbv2::SERVICE, "CreateListener", &ask).expect("made");
        }
    }

    fn make(&mut self, name: &str, operation: &str, ask: &Value, place: &str) {
        let made = self.call(&elbv2::SERVICE, operation, ask).expect("made");
        let arn = made.pointer(place).and_then(Value::as_str).expect("an ARN");
        self.names.push((format!("${name}"), arn.to_owned()));
    }

    /// A text with names in place of what they stand for.
    pub(super) fn spelled(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// One request of ECS, as the gateway and the writer handle it.
    pub(super) fn ecs(&mut self, operation: &str, ask: &Value) -> Result<Value, Fault> {
        self.call(&ecs::SERVICE, operation, ask)
    }

    fn call(&mut self, service: &Service, operation: &str, ask: &Value) -> Result<Value, Fault> {
        let body = self.spelled(&ask.to_string());
        self.region.ask(&self.registry, service, operation, &body)
    }
}
