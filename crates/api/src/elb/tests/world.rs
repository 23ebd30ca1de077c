//! A region with two Classic Load Balancers and two instances, asked in JSON.

use serde_json::{Value, json};
use shapes::Service;
use shapes::elb::SERVICE;

use crate::fixture::{self, Fixture};
use crate::{Fault, Registry, registry};

pub(super) struct World {
    pub(super) region: Fixture,
    registry: Registry,
    /// Longer names first, so that none is taken for the start of another.
    names: Vec<(String, String)>,
}

impl World {
    /// `web` is in two zones, with a listener of HTTP, HTTPS and TCP; `plain` in one, with one of TCP.
    pub(super) fn new() -> Self {
        let mut region = fixture::region();
        let row = region.state.region().get(&()).expect("started").clone();
        let mut names = vec![
            ("$vpc".to_owned(), row.vpc.clone()),
            ("$sg".to_owned(), row.security_group.clone()),
        ];
        for (number, subnet) in (1..).zip(&row.subnets) {
            names.push((format!("$s{number}"), subnet.id.clone()));
        }
        for number in 1..=2_u128 {
            let id = region.instance(number);
            let machine = region.state.container_instance(id).expect("there");
            names.push((format!("$i{number}"), machine.ec2_instance_id.clone()));
        }
        let mut it = Self { region, registry: registry(), names };
        for (name, domain) in [("$cert", "www.example.com"), ("$other-cert", "example.org")] {
            let ask = json!({"DomainName": domain});
            let made = it.call(&shapes::acm::SERVICE, "RequestCertificate", &ask).expect("made");
            let arn = made["CertificateArn"].as_str().expect("an ARN").to_owned();
            it.names.push((name.to_owned(), arn));
        }
        it.names.sort_by_key(|(name, _)| core::cmp::Reverse(name.len()));
        it.load_balancers();
        it
    }

    fn load_balancers(&mut self) {
        let http = json!({"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 3000});
        let https = json!({"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 3000,
                           "SSLCertificateId": "$cert"});
        let tcp = json!({"Protocol": "TCP", "LoadBalancerPort": 6379, "InstancePort": 6379});
        let web = json!({"LoadBalancerName": "web", "Subnets": ["$s1", "$s2"],
                         "Listeners": [http, https, tcp]});
        self.ask("CreateLoadBalancer", &web).expect("made");
        let plain = json!({"LoadBalancerName": "plain", "AvailabilityZones": ["us-east-1a"],
                           "Scheme": "internal", "Listeners": [tcp]});
        self.ask("CreateLoadBalancer", &plain).expect("made");
    }

    /// A text with names in place of what they stand for.
    pub(super) fn spelled(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// One request of Classic Load Balancers, as the gateway and the writer handle it.
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
