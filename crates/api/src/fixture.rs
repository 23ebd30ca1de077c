//! A region for tests: no server, no clock, no network.

use core::time::Duration;
use std::collections::BTreeMap;

use serde_json::Value;
use shapes::{Service, json as codec};
use state::{
    Caller, ContainerInstance, Context, Dice, Draft, HealthCheck, InstanceStatus, IpAddressType,
    ProtocolVersion, Resources, State, TargetGroup, TargetProtocol, TargetType,
};
use types::{AccountId, ClusterName, Cpu, Home, InstanceId, MemoryMib, Region, Timestamp, Zone};

use crate::region::{RegionPlan, first_start};
use crate::registry::{ReadFn, WriteFn};
use crate::{Entry, Fault, Invalid, Registry};

/// 2023-11-14T22:13:20Z: when tests happen.
pub(crate) const NOON: i64 = 1_700_000_000_000;

/// A state, and what inputs bring along.
pub(crate) struct Fixture {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    /// What requests are signed with.
    pub(crate) access_key: String,
    dice: Dice,
}

pub(crate) fn home() -> Home {
    Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    }
}

/// A region after its first start, with three zones.
pub(crate) fn region() -> Fixture {
    let mut fixture = Fixture::of(State::new(home()));
    let zones = ["us-east-1a", "us-east-1b", "us-east-1c"];
    let plan = RegionPlan {
        zones: zones.map(|it| Zone::parse(it).expect("valid")).into(),
        vpc_base: 0xac1f_0000,
        vpc_prefix: 16,
    };
    fixture.step(|draft, context| first_start(draft, context, &plan)).expect("starts");
    fixture
}

impl Fixture {
    pub(crate) fn of(state: State) -> Self {
        Self { state, now: Timestamp(NOON), access_key: "AKIAEXAMPLE".into(), dice: Dice::of(1) }
    }

    /// One input as the writer runs it: what the draft holds afterwards is kept.
    pub(crate) fn step<T>(
        &mut self,
        decide: impl FnOnce(&mut Draft<'_>, &mut Context<'_>) -> T,
    ) -> T {
        let mut context = Context {
            now: self.now,
            caller: root(&self.access_key),
            request_id: self.dice.bits(),
            dice: &mut self.dice,
        };
        decide(&mut Draft::new(&mut self.state), &mut context)
    }

    /// A write; a refused one must leave the state as it was.
    pub(crate) fn write<I, O, E>(&mut self, operation: WriteFn<I, O, E>, ask: I) -> Result<O, E> {
        let before = self.state.clone();
        let answer = self.step(|draft, context| {
            let answer = operation(draft, ask, context);
            if answer.is_err() {
                draft.undo();
            }
            answer
        });
        if answer.is_err() {
            assert!(self.state == before, "a refused request changed the state");
        }
        assert_eq!(self.state.recomputed_indexes(), *self.state.indexes());
        answer
    }

    /// Puts an instance of 1,024 CPU units and 2,048 MiB into the cluster `default`.
    pub(crate) fn instance(&mut self, bits: u128) -> InstanceId {
        let now = self.now;
        let instance = ContainerInstance {
            id: InstanceId::new(bits),
            cluster: ClusterName::parse("default").expect("valid"),
            status: InstanceStatus::Active,
            ec2_instance_id: format!("i-{bits:017x}"),
            zone: Zone::parse("us-east-1a").expect("valid"),
            attributes: BTreeMap::new(),
            resources: Resources { cpu: Cpu(1024), memory: MemoryMib(2048), ..Default::default() },
            connected: true,
            connected_at: now,
            given_up_at: None,
            registered_at: now,
            version: 1,
            agent_version: "1.0.0".into(),
            agent_hash: String::new(),
            docker_version: String::new(),
            tags: Vec::new(),
            owner: String::new(),
            machine: None,
            incarnation: 1,
            status_reason: None,
            registrations: None,
            forgot_at: None,
        };
        self.state.apply(instance.into());
        InstanceId::new(bits)
    }

    /// One request in JSON, as the gateway and the writer handle it.
    pub(crate) fn ask(
        &mut self,
        registry: &Registry,
        service: &Service,
        operation: &str,
        body: &str,
    ) -> Result<Value, Fault> {
        let mut fill = |into: &mut dyn shapes::Shape| codec::decode(body.as_bytes(), into);
        let fault = |it| match it {
            Invalid::OutOfBounds(fault) => fault,
            Invalid::Unreadable(error) => panic!("{operation} {body}: {error}"),
        };
        let answer = match registry.find(service, operation)? {
            Entry::Read(it) => {
                let read = it.prepare(&mut fill).map_err(fault)?;
                self.look(|state, context| read.run(state, context))
            }
            Entry::Write(it) => {
                let write = it.prepare(&mut fill).map_err(fault)?;
                self.step(|draft, context| write.run(draft, context))
            }
            Entry::Call(_) => panic!("{operation} is not answered here"),
        };
        answer.map(|it| serde_json::from_slice(&codec::encode(it.as_ref())).expect("JSON"))
    }

    /// A read.
    pub(crate) fn read<I, O, E>(&self, operation: ReadFn<I, O, E>, ask: I) -> Result<O, E> {
        self.look(|state, context| operation(state, ask, context))
    }

    /// Looks at the state in a context.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State, &Context<'_>) -> T) -> T {
        let mut dice = self.dice.clone();
        let context = Context {
            now: self.now,
            caller: root(&self.access_key),
            request_id: 1,
            dice: &mut dice,
        };
        look(&self.state, &context)
    }
}

fn root(access_key: &str) -> Caller {
    Caller {
        arn: "arn:aws:iam::123456789012:root".into(),
        access_key: access_key.into(),
        source_ip: "127.0.0.1".into(),
        user_agent: "test".into(),
        endpoint: "http://127.0.0.1:4566".into(),
    }
}

/// A target group of addresses with the usual settings.
pub(crate) fn target_group(arn: &str, protocol: TargetProtocol) -> TargetGroup {
    let speaks_http = matches!(protocol, TargetProtocol::Http | TargetProtocol::Https);
    TargetGroup {
        arn: arn.into(),
        name: "group".into(),
        target_type: TargetType::Ip,
        protocol,
        version: speaks_http.then_some(ProtocolVersion::Http1),
        port: 80,
        vpc: String::new(),
        health_check: HealthCheck {
            enabled: true,
            protocol,
            port: None,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: None,
        },
        attributes: BTreeMap::new(),
        ip_address_type: IpAddressType::Ipv4,
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}
