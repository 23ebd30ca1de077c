//! A bench to try an agent on: reads a transcript, plays its left side, compares its right side.
//!
//! Each line is `what happens => what the agent does`; nothing on the right is `-`. Tasks are `t1`,
//! `t2`, …; a container of another task than `t1` is `t2/app`. Time begins at 0 and moves by `+5s`.

use core::fmt::Write as _;
use core::time::Duration;
use std::collections::BTreeMap;

use shapes::{acs, ecs};
use state::Dice;
use types::{ContainerName, Cpu, MemoryMib, Port, Timestamp};

use super::words::describe;
use crate::agent::{
    Binding, Closed, Core, Effect, Exit, Failure, FailureClass, Found, FoundContainer, FoundState,
    Happened, Host, ImageFacts, Input, NetworkFacts, Output, Probed, Running, ServerMessage,
    SessionEvent, Settings, SubmissionId, Submitted, Task, TaskArn,
};

const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/c";
const INSTANCE: &str = "arn:aws:ecs:us-east-1:123456789012:container-instance/c/1";

/// A container that is essential and takes 64 units and 64 MiB.
pub(in crate::agent) fn container(name: &str) -> acs::Container {
    acs::Container {
        name: Some(name.into()),
        image: Some("busybox".into()),
        cpu: Some(64),
        memory: Some(64),
        essential: Some(true),
        docker_config: Some(acs::DockerConfig {
            config: Some("{}".into()),
            host_config: Some("{}".into()),
            version: Some("1.24".into()),
        }),
        ..acs::Container::default()
    }
}

/// A task of these containers, with the name `t1` or whatever it is run as.
pub(in crate::agent) fn task(containers: impl Into<Vec<acs::Container>>) -> acs::Task {
    acs::Task {
        family: Some("web".into()),
        version: Some("3".into()),
        network_mode: Some("bridge".into()),
        containers: Some(containers.into()),
        ..acs::Task::default()
    }
}

pub(in crate::agent) fn arn(name: &str) -> TaskArn {
    TaskArn::parse(&format!("arn:aws:ecs:us-east-1:123456789012:task/c/{name}")).expect("an ARN")
}

pub(in crate::agent) fn settings() -> Settings {
    let host = Host {
        cpu: Cpu(1024),
        memory: MemoryMib(1024),
        reserved_ports: [Port::tcp(22)].into(),
        ..Host::default()
    };
    let batch_after = Duration::from_secs(10);
    Settings { batch_after, ..Settings::new("c".into(), INSTANCE.into(), host) }
}

/// Plays a transcript with `t1`, `t2`, … being these tasks.
#[track_caller]
pub(in crate::agent) fn check(tasks: impl Into<Vec<acs::Task>>, transcript: &str) {
    let mut bench = Bench::new(tasks.into());
    let (mut expected, mut seen) = (String::new(), String::new());
    for line in transcript.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let (happens, does) = line.split_once("=>").expect("a line has two sides");
        writeln!(expected, "{} => {}", happens.trim(), does.trim()).expect("memory");
        let did = bench.play(happens.trim());
        let did = if did.is_empty() { "-".to_owned() } else { did.join("; ") };
        writeln!(seen, "{} => {did}", happens.trim()).expect("memory");
    }
    assert_eq!(seen, expected, "\nthe agent did:\n{seen}");
}

pub(in crate::agent) struct Bench {
    pub(in crate::agent) core: Core,
    tasks: Vec<acs::Task>,
    dice: Dice,
    pub(in crate::agent) now: Timestamp,
    pub(in crate::agent) rows: BTreeMap<String, Vec<u8>>,
    submission: Option<SubmissionId>,
    pub(in crate::agent) last_report: Option<ecs::SubmitTaskStateChangeRequest>,
}

impl Bench {
    pub(in crate::agent) fn new(tasks: Vec<acs::Task>) -> Self {
        let mut bench = Self {
            core: Core::new(settings()),
            tasks,
            dice: Dice::of(1),
            now: Timestamp(0),
            rows: BTreeMap::new(),
            submission: None,
            last_report: None,
        };
        bench.give(Input::Tick);
        bench.give(Input::Session(SessionEvent::Opened));
        bench
    }

    pub(in crate::agent) fn give(&mut self, input: Input) -> Output {
        let output = self.core.handle(self.now, &mut self.dice, input);
        for row in &output.rows {
            match &row.value {
                Some(value) => self.rows.insert(row.key.clone(), value.clone()),
                None => self.rows.remove(&row.key),
            };
        }
        output
    }

    /// Plays one left side, whatever the agent does.
    pub(in crate::agent) fn run(&mut self, happens: &str) {
        self.play(happens);
    }

    fn play(&mut self, happens: &str) -> Vec<String> {
        if let Some(span) = happens.strip_prefix('+') {
            let seconds: f64 = span.trim_end_matches('s').parse().expect("a number of seconds");
            return self.pass(Duration::from_secs_f64(seconds));
        }
        if happens == "crash" {
            let rows = self.rows.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.core = Core::restore(settings(), rows).expect("its own rows");
            self.submission = None;
            let output = self.give(Input::Tick);
            return self.describe(output);
        }
        let input = self.input(happens);
        let output = self.give(input);
        self.describe(output)
    }

    /// Lets time pass, with a tick at every timer.
    fn pass(&mut self, span: Duration) -> Vec<String> {
        let end = self.now.after(span);
        let mut did = Vec::new();
        for _ in 0..10_000 {
            let at = self.core.next_timer().filter(|it| *it <= end);
            self.now = at.map_or(end, |it| it.max(self.now));
            let output = self.give(Input::Tick);
            did.extend(self.describe(output));
            if at.is_none() {
                return did;
            }
        }
        panic!("the agent's timers never come to rest");
    }

    fn describe(&mut self, output: Output) -> Vec<String> {
        let mut did = Vec::new();
        for effect in output.effects {
            match &effect {
                Effect::Submit(it) => {
                    self.submission = Some(it.id);
                    self.last_report = Some(it.request.clone());
                }
                // Sessions have a test of their own.
                Effect::OpenSession { .. } => continue,
                _ => {}
            }
            did.push(describe(&effect));
        }
        did
    }

    fn input(&self, happens: &str) -> Input {
        let words: Vec<&str> = happens.split_whitespace().collect();
        let (verb, rest) = words.split_first().expect("something happens");
        let server = |it| Input::Server(it);
        match (*verb, rest) {
            ("payload", [number, tasks @ ..]) => {
                server(ServerMessage::Payload(Box::new(self.payload(number, tasks))))
            }
            ("manifest", [timeline, tasks @ ..]) => {
                server(ServerMessage::TaskManifest(acs::TaskManifestMessage {
                    message_id: Some(format!("tm-{timeline}")),
                    timeline: Some(timeline.parse().expect("a number")),
                    tasks: Some(tasks.iter().map(|it| identifier(it, "RUNNING")).collect()),
                    ..acs::TaskManifestMessage::default()
                }))
            }
            ("verified", [message, tasks @ ..]) => {
                server(ServerMessage::TaskStopVerificationAck(acs::TaskStopVerificationAck {
                    message_id: Some((*message).into()),
                    stop_tasks: Some(tasks.iter().map(|it| identifier(it, "STOPPED")).collect()),
                    ..acs::TaskStopVerificationAck::default()
                }))
            }
            ("announce", [name, task, wait]) => {
                server(ServerMessage::AttachTaskNetworkInterfaces(announcement(name, task, wait)))
            }
            ("heartbeat", []) => server(ServerMessage::Heartbeat(acs::HeartbeatMessage {
                message_id: Some("hb".into()),
                healthy: Some(true),
            })),
            ("credentials", [task, id, expiration]) => {
                server(ServerMessage::IamRoleCredentials(acs::IAMRoleCredentialsMessage {
                    message_id: Some("cr".into()),
                    task_arn: Some(arn(task).to_string()),
                    role_type: Some(acs::RoleType::TaskApplication),
                    role_credentials: Some(acs::IAMRoleCredentials {
                        credentials_id: Some((*id).into()),
                        expiration: Some((*expiration).into()),
                        ..acs::IAMRoleCredentials::default()
                    }),
                    ..acs::IAMRoleCredentialsMessage::default()
                }))
            }
            ("session", ["opened"]) => Input::Session(SessionEvent::Opened),
            ("session", ["closed", code]) => {
                let code = Closed::Code(code.parse().expect("a code"));
                Input::Session(SessionEvent::Closed(code))
            }
            ("acknowledged" | "failed" | "refused", []) => Input::Submitted {
                id: self.submission.expect("something was submitted"),
                outcome: match *verb {
                    "acknowledged" => Submitted::Acknowledged,
                    "failed" => Submitted::Failed,
                    _ => Submitted::Refused,
                },
            },
            ("found", [task, containers @ ..]) => {
                let containers = containers.iter().map(|it| self.found(it)).collect();
                let network = Some(NetworkFacts::default());
                Input::Recovered { task: arn(task), found: Found { network, containers } }
            }
            _ => self.happened(verb, rest),
        }
    }

    fn happened(&self, verb: &str, rest: &[&str]) -> Input {
        let (task, name) = rest.first().map_or(("t1", ""), |it| match it.split_once('/') {
            Some((task, name)) => (task, name),
            None if it.starts_with('t') && it.len() == 2 => (*it, ""),
            None => ("t1", *it),
        });
        let container = || ContainerName::parse(name).expect("a container");
        let run = self.nth(task, name);
        let at = self.now;
        let failure = |class, text: &str| Failure { class, text: text.into() };
        let exit = |code, signal, out_of_memory| Exit { code, signal, out_of_memory, at };
        let happened = match verb {
            "prepared" => Happened::Prepared(NetworkFacts::default()),
            "prepare-failed" => {
                Happened::PrepareFailed(failure(FailureClass::ContainerNetworking, "no address"))
            }
            "bound" => Happened::Prepared(Self::bound(container(), rest)),
            "pulled" => Happened::Pulled {
                container: container(),
                image: ImageFacts { digest: Some("sha256:0".into()), stop_signal: None },
            },
            "pull-failed" => Happened::PullFailed {
                container: container(),
                failure: failure(FailureClass::CannotPullContainer, "no such image"),
            },
            "created" => Happened::Created { container: container(), run },
            "started" => {
                Happened::Started { container: container(), run, running: self.running(name) }
            }
            "start-failed" => Happened::StartFailed {
                container: container(),
                run,
                failure: failure(FailureClass::CannotStartContainer, "no such file"),
            },
            "exited" => {
                let code = rest.get(1).and_then(|it| it.parse().ok());
                Happened::Exited { container: container(), run, exit: exit(code, None, false) }
            }
            "killed" => {
                Happened::Exited { container: container(), run, exit: exit(None, Some(9), false) }
            }
            "oom" => {
                Happened::Exited { container: container(), run, exit: exit(None, Some(9), true) }
            }
            "probe" => Happened::Probed {
                container: container(),
                run,
                outcome: if rest.get(1) == Some(&"ok") { Probed::Passed } else { Probed::Failed },
            },
            "shim-lost" => Happened::ShimLost { text: "the shim is gone".into() },
            "released" => Happened::Released,
            "release-failed" => Happened::ReleaseFailed { text: "busy".into() },
            other => panic!("nobody knows what {other} means"),
        };
        Input::Task { task: arn(task), happened }
    }

    fn nth(&self, task: &str, container: &str) -> u32 {
        let containers = self.core.task(&arn(task)).into_iter().flat_map(Task::containers);
        let mut named = containers.filter(|(spec, _)| spec.name.as_str() == container);
        named.next().map_or(0, |(_, record)| record.run)
    }

    fn running(&self, name: &str) -> Running {
        Running { runtime_id: format!("id-{name}"), pid: Some(7), at: self.now }
    }

    fn bound(container: ContainerName, rest: &[&str]) -> NetworkFacts {
        let port = |at: usize| rest.get(at).and_then(|it| it.parse().ok()).expect("a port");
        let binding = Binding {
            container,
            protocol: types::Protocol::Tcp,
            container_port: port(1),
            host_port: port(2),
            count: 1,
            bind_ip: "0.0.0.0".into(),
        };
        NetworkFacts { addresses: vec!["172.17.0.2".into()], bindings: vec![binding] }
    }

    /// `app:running`, `app:created` or `app:exited:3`.
    fn found(&self, text: &str) -> FoundContainer {
        let parts: Vec<&str> = text.split(':').collect();
        let name = parts[0];
        let state = match parts[1] {
            "running" => FoundState::Running(self.running(name)),
            "created" => FoundState::Created,
            _ => {
                let code = parts.get(2).and_then(|it| it.parse().ok());
                let exit = Exit { code, signal: None, out_of_memory: false, at: self.now };
                FoundState::Exited(self.running(name), exit)
            }
        };
        let container = ContainerName::parse(name).expect("a container");
        FoundContainer { container, run: 0, state }
    }

    /// `t1` shall run, `-t1` shall stop, `?` has no name.
    fn payload(&self, number: &str, tasks: &[&str]) -> acs::PayloadMessage {
        let tasks = tasks.iter().map(|it| {
            if let Some(name) = it.strip_prefix('-') {
                return acs::Task {
                    arn: Some(arn(name).to_string()),
                    desired_status: Some("STOPPED".into()),
                    ..acs::Task::default()
                };
            }
            let index: usize = it.trim_start_matches('t').parse().unwrap_or(1);
            acs::Task {
                arn: (*it != "?").then(|| arn(it).to_string()),
                desired_status: Some("RUNNING".into()),
                ..self.tasks[index - 1].clone()
            }
        });
        acs::PayloadMessage {
            cluster_arn: Some(CLUSTER.into()),
            container_instance_arn: Some(INSTANCE.into()),
            message_id: Some(format!("pm-{number}")),
            seq_num: Some(number.parse().expect("a number")),
            tasks: Some(tasks.collect()),
            ..acs::PayloadMessage::default()
        }
    }
}

fn announcement(name: &str, task: &str, wait: &str) -> acs::AttachTaskNetworkInterfacesMessage {
    acs::AttachTaskNetworkInterfacesMessage {
        message_id: Some("at".into()),
        task_arn: Some(arn(task).to_string()),
        wait_timeout_ms: wait.parse().ok(),
        elastic_network_interfaces: Some(vec![acs::ElasticNetworkInterface {
            attachment_arn: Some(name.into()),
            ec2_id: Some("eni-1".into()),
            mac_address: Some("02:00:00:00:00:01".into()),
            ipv4_addresses: Some(vec![acs::IPv4AddressAssignment {
                primary: Some(true),
                private_address: Some("10.0.1.7".into()),
            }]),
            subnet_gateway_ipv4_address: Some("10.0.1.1/24".into()),
            ..acs::ElasticNetworkInterface::default()
        }]),
        ..acs::AttachTaskNetworkInterfacesMessage::default()
    }
}

fn identifier(name: &str, status: &str) -> acs::TaskIdentifier {
    acs::TaskIdentifier {
        task_arn: Some(arn(name).to_string()),
        desired_status: Some(status.into()),
        ..acs::TaskIdentifier::default()
    }
}
