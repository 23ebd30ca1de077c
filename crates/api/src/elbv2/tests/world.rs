//! A region with load balancers of both kinds, asked in JSON.

use serde_json::{Value, json};
use shapes::Service;
use shapes::elbv2::SERVICE;

use crate::fixture::{self, Fixture};
use crate::{Fault, Registry, registry};

/// ARNs of what is not there.
const GONE: [(&str, &str); 4] = [
    ("$no-lb", "loadbalancer/app/no/0123456789abcdef"),
    ("$no-tg", "targetgroup/no/0123456789abcdef"),
    ("$no-listener", "listener/app/no/0123456789abcdef/0123456789abcdef"),
    ("$no-rule", "listener-rule/app/no/0123456789abcdef/0123456789abcdef/0123456789abcdef"),
];

pub(super) struct World {
    pub(super) region: Fixture,
    registry: Registry,
    names: Vec<(String, String)>,
}

impl World {
    /// Two application load balancers and a network load balancer, each with a listener and a group;
    /// the first has an HTTPS listener and a rule too.
    pub(super) fn new() -> Self {
        let region = fixture::region();
        let row = region.state.region().get(&()).expect("started").clone();
        let mut names = vec![("$vpc".to_owned(), row.vpc.clone())];
        for (number, subnet) in (1..).zip(&row.subnets) {
            names.push((format!("$s{number}"), subnet.id.clone()));
        }
        for (name, tail) in GONE {
            let arn = format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:{tail}");
            names.push((name.to_owned(), arn));
        }
        let mut it = Self { region, registry: registry(), names };
        it.load_balancers();
        it.groups();
        it.listeners();
        it
    }

    fn load_balancers(&mut self) {
        for (name, kind) in [("web", "application"), ("other", "application"), ("flow", "network")]
        {
            let ask = json!({"Name": name, "Subnets": ["$s1", "$s2"], "Type": kind});
            self.make(name, "CreateLoadBalancer", ask, "/LoadBalancers/0/LoadBalancerArn");
        }
        let protection = json!([{"Key": "deletion_protection.enabled", "Value": "true"}]);
        let ask = json!({"LoadBalancerArn": "$other", "Attributes": protection});
        self.ask("ModifyLoadBalancerAttributes", &ask).expect("protected");
    }

    fn groups(&mut self) {
        for (name, protocol) in [
            ("tg", "HTTP"),
            ("free", "HTTP"),
            ("taken", "HTTP"),
            ("tcp-tg", "TCP"),
            ("udp-tg", "UDP"),
        ] {
            let ask = json!({"Name": name, "Protocol": protocol, "Port": 80, "VpcId": "$vpc",
                             "TargetType": "ip"});
            self.make(name, "CreateTargetGroup", ask, "/TargetGroups/0/TargetGroupArn");
        }
        let ask = json!({"Name": "grpc-tg", "Protocol": "HTTP", "Port": 80, "VpcId": "$vpc",
                         "TargetType": "ip", "ProtocolVersion": "GRPC"});
        self.make("grpc-tg", "CreateTargetGroup", ask, "/TargetGroups/0/TargetGroupArn");
        for (name, kind, protocol) in [("hosts", "instance", "HTTP"), ("front", "alb", "TCP")] {
            let ask = json!({"Name": name, "Protocol": protocol, "Port": 80, "VpcId": "$vpc",
                             "TargetType": kind});
            self.make(name, "CreateTargetGroup", ask, "/TargetGroups/0/TargetGroupArn");
        }
    }

    fn listeners(&mut self) {
        let arn = self.certificate("www.example.com");
        self.names.push(("$cert".to_owned(), arn));
        for (name, load_balancer, protocol, port, group) in [
            ("http", "$web", "HTTP", 80, "$tg"),
            ("https", "$web", "HTTPS", 443, "$tg"),
            ("their", "$other", "HTTP", 80, "$taken"),
            ("tcp", "$flow", "TCP", 53, "$tcp-tg"),
        ] {
            let mut ask = json!({"LoadBalancerArn": load_balancer, "Protocol": protocol,
                "Port": port, "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}]});
            if protocol == "HTTPS" {
                ask["Certificates"] = json!([{"CertificateArn": "$cert"}]);
            }
            self.make(name, "CreateListener", ask, "/Listeners/0/ListenerArn");
        }
        for (name, priority) in [("rule", 10), ("next-rule", 20)] {
            let ask = json!({"ListenerArn": "$http", "Priority": priority,
                "Conditions": [{"Field": "path-pattern", "Values": [format!("/{name}/*")]}],
                "Actions": [{"Type": "forward", "TargetGroupArn": "$tg"}]});
            self.make(name, "CreateRule", ask, "/Rules/0/RuleArn");
        }
        let rules = self.ask("DescribeRules", &json!({"ListenerArn": "$http"})).expect("rules");
        self.name("default-rule", &rules, "/Rules/2/RuleArn");
    }

    /// The ARN of a fresh certificate.
    pub(super) fn certificate(&mut self, domain: &str) -> String {
        let ask = json!({"DomainName": domain});
        let made = self.call(&shapes::acm::SERVICE, "RequestCertificate", &ask).expect("made");
        made.pointer("/CertificateArn").and_then(Value::as_str).expect("an ARN").to_owned()
    }

    fn make(&mut self, name: &str, operation: &str, ask: Value, place: &str) {
        let made = self.ask(operation, &ask).unwrap_or_else(|it| panic!("{name}: {it}"));
        self.name(name, &made, place);
    }

    fn name(&mut self, name: &str, made: &Value, place: &str) {
        let arn = made.pointer(place).and_then(Value::as_str).expect("an ARN");
        self.names.push((format!("${name}"), arn.to_owned()));
        self.names.sort_by_key(|(name, _)| core::cmp::Reverse(name.len()));
    }

    /// A text with names in place of what they stand for: longer names first, so that none is taken
    /// for the start of another.
    pub(super) fn spelled(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// One request of Elastic Load Balancing, as the gateway and the writer handle it.
    pub(super) fn ask(&mut self, operation: &str, ask: &Value) -> Result<Value, Fault> {
        self.call(&SERVICE, operation, ask)
    }

    /// The same of any service.
    pub(super) fn call(
        &mut self,
        service: &Service,
        operation: &str,
        ask: &Value,
    ) -> Result<Value, Fault> {
        let body = self.spelled(&ask.to_string());
        self.region.ask(&self.registry, service, operation, &body)
    }
}
