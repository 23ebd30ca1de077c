//! What the endpoint says of a task and its containers.

use network::Attached;
use plan::agent::spec::{ContainerSpec, NetworkMode};
use plan::agent::{ContainerRecord, Task, TaskSpec};
use plan::lifecycle::{Desired, Health, Status};
use serde_json::{Map, Value, json};
use types::{ContainerName, Timestamp};

use crate::machine::{Machine, runtime_id};
use crate::prepare::{self, is_attachment_of, volume_folder};

/// A task as seen at one moment.
pub(super) struct Seen<'a> {
    pub(super) machine: &'a Machine,
    pub(super) task: &'a Task,
    pub(super) attached: &'a [Attached],
    /// `v2`, `v3` or `v4`.
    pub(super) version: &'a str,
}

impl Seen<'_> {
    /// The task.
    pub(super) fn task(&self) -> Option<Value> {
        let spec = self.task.spec()?;
        let record = self.task.record();
        let containers = self.task.containers().map(|(it, record)| self.one(spec, it, record));
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                all.insert(name.to_owned(), value);
            }
        };
        put(
            "Cluster",
            json!(if spec.cluster.is_empty() {
                &self.machine.config.cluster
            } else {
                &spec.cluster
            }),
        );
        put("TaskARN", json!(spec.arn.as_str()));
        put("Family", json!(spec.family));
        put("Revision", json!(spec.revision));
        put("ServiceName", json!(spec.service));
        put("DesiredStatus", json!(desired(record.desired)));
        put("KnownStatus", json!(status(self.task.status())));
        put("Limits", limits(spec));
        put("PullStartedAt", at(record.pull_started_at));
        put("PullStoppedAt", at(record.pull_stopped_at));
        put("ExecutionStoppedAt", at(record.execution_stopped_at));
        put("AvailabilityZone", json!(self.machine.config.identity.zone));
        put("LaunchType", json!(spec.launch_type.as_deref().unwrap_or("EC2")));
        put("Containers", containers.collect());
        Some(Value::Object(all))
    }

    /// One of its containers.
    pub(super) fn container(&self, name: &ContainerName) -> Option<Value> {
        let spec = self.task.spec()?;
        let found = self.task.containers().find(|(it, _)| it.name == *name);
        found.map(|(it, record)| self.one(spec, it, record))
    }

    fn one(&self, spec: &TaskSpec, it: &ContainerSpec, record: &ContainerRecord) -> Value {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                all.insert(name.to_owned(), value);
            }
        };
        let id = runtime_id(&spec.arn, it.name.as_str());
        let short = id.get(..12).unwrap_or_default();
        put("DockerId", json!(id));
        put("Name", json!(it.name.as_str()));
        put(
            "DockerName",
            json!(format!("ecs-{}-{}-{}-{short}", spec.family, spec.revision, it.name)),
        );
        put("Image", json!(it.image));
        put("ImageID", json!(record.digest));
        put("Ports", self.ports(it));
        put("Labels", labels(spec, it));
        put("DesiredStatus", json!(desired(self.task.record().desired)));
        put("KnownStatus", json!(status(record.status)));
        put("ExitCode", json!(record.exit_code));
        put("Limits", json!({ "CPU": it.cpu.0.max(2), "Memory": it.memory.map_or(0, |it| it.0) }));
        put("CreatedAt", at(record.started_at));
        put("StartedAt", at(record.started_at));
        put("FinishedAt", at(record.finished_at));
        put("Type", json!("NORMAL"));
        if it.health.is_some() {
            put(
                "Health",
                json!({ "status": health(record.health), "statusSince": at(record.health_since) }),
            );
        }
        put("Volumes", self.volumes(spec, it));
        if self.version == "v4" {
            put("LogDriver", json!(it.docker.log.driver));
            if !it.docker.log.options.is_empty() {
                put("LogOptions", json!(it.docker.log.options));
            }
            put("ContainerARN", json!(it.arn));
        }
        if record.run > 0 {
            put("RestartCount", json!(record.run));
        }
        put("Networks", json!([self.network(spec, it)]));
        Value::Object(all)
    }

    fn ports(&self, it: &ContainerSpec) -> Value {
        let facts = self.task.record().network.as_ref();
        let own = facts.into_iter().flat_map(|facts| &facts.bindings);
        let own = own.filter(|binding| binding.container == it.name);
        let ports = own.flat_map(|binding| {
            (0..binding.count.max(1)).map(|step| {
                json!({
                    "ContainerPort": binding.container_port.saturating_add(step),
                    "Protocol": binding.protocol.as_str(),
                    "HostPort": binding.host_port.saturating_add(step),
                    "HostIp": binding.bind_ip,
                })
            })
        });
        let ports: Vec<_> = ports.collect();
        if ports.is_empty() { Value::Null } else { Value::Array(ports) }
    }

    fn volumes(&self, spec: &TaskSpec, it: &ContainerSpec) -> Value {
        let volume = |mount: &plan::agent::spec::Mount| {
            let source = volume_folder(self.machine, spec, &mount.volume)?;
            Some(json!({ "Source": source.to_string_lossy(), "Destination": mount.path }))
        };
        let volumes: Vec<_> = it.mounts.iter().filter_map(volume).collect();
        if volumes.is_empty() { Value::Null } else { Value::Array(volumes) }
    }

    fn network(&self, spec: &TaskSpec, it: &ContainerSpec) -> Value {
        let mode = match spec.network_mode {
            NetworkMode::None => "none",
            NetworkMode::Bridge => "bridge",
            NetworkMode::Host => "host",
            NetworkMode::Awsvpc => "awsvpc",
        };
        let mut all = Map::new();
        all.insert("NetworkMode".into(), json!(mode));
        let own = prepare::attachment_name(spec, it);
        let mine = |id: &str| match spec.network_mode {
            NetworkMode::Bridge => id == own,
            _ => id == spec.arn.id(),
        };
        let attached = self.attached.iter().filter(|it| is_attachment_of(&it.id, spec.arn.id()));
        let address = attached.filter(|it| mine(it.id.as_str())).find_map(Attached::address);
        if let Some(address) = address {
            all.insert("IPv4Addresses".into(), json!([address.to_string()]));
        }
        if let Some(interface) = spec.interfaces.first() {
            let (gateway, prefix) = (interface.gateway, interface.prefix);
            let subnet = network::Ipv4Range::around(gateway, prefix);
            all.insert("AttachmentIndex".into(), json!(0));
            all.insert("MACAddress".into(), json!(interface.mac));
            all.insert("IPv4SubnetCIDRBlock".into(), json!(subnet.to_string()));
            all.insert("SubnetGatewayIpv4Address".into(), json!(format!("{gateway}/{prefix}")));
            all.insert("DomainNameServers".into(), json!(interface.name_servers));
            all.insert("PrivateDNSName".into(), json!(interface.private_dns_name));
        }
        Value::Object(all)
    }
}

/// The task's own limits: CPU in vCPUs, memory in MiB.
fn limits(spec: &TaskSpec) -> Value {
    if spec.cpu.is_none() && spec.memory.is_none() {
        return Value::Null;
    }
    let mut limits = Map::new();
    if let Some(cpu) = spec.cpu {
        limits.insert("CPU".into(), json!(f64::from(cpu.0) / 1024.0));
    }
    if let Some(memory) = spec.memory {
        limits.insert("Memory".into(), json!(memory.0));
    }
    Value::Object(limits)
}

fn labels(spec: &TaskSpec, it: &ContainerSpec) -> Value {
    let mut all = it.docker.labels.clone();
    for (name, value) in [
        ("cluster", spec.cluster.as_str()),
        ("container-name", it.name.as_str()),
        ("task-arn", spec.arn.as_str()),
        ("task-definition-family", spec.family.as_str()),
        ("task-definition-version", spec.revision.as_str()),
    ] {
        all.insert(format!("com.amazonaws.ecs.{name}"), value.to_owned());
    }
    json!(all)
}

fn desired(it: Desired) -> &'static str {
    match it {
        Desired::Running => "RUNNING",
        Desired::Stopped => "STOPPED",
    }
}

fn status(it: Status) -> &'static str {
    match it {
        Status::None => "NONE",
        Status::Pulled => "PULLED",
        Status::Created => "CREATED",
        Status::Running => "RUNNING",
        Status::Stopped => "STOPPED",
    }
}

fn health(it: Health) -> &'static str {
    match it {
        Health::Unknown => "UNKNOWN",
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
    }
}

/// RFC 3339 with milliseconds.
fn at(time: Option<Timestamp>) -> Value {
    let Some(time) = time else { return Value::Null };
    let seconds = time.rfc3339();
    let seconds = seconds.trim_end_matches('Z');
    json!(format!("{seconds}.{:03}Z", time.0.rem_euclid(1000)))
}
