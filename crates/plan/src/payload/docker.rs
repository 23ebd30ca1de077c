//! The two strings of a container in which the protocol speaks Docker's API.

use serde_json::{Map, Value, json};
use shapes::ecs;
use state::{NetworkMode, Task};

use super::network_word;
use crate::connect;

/// Names with dots too are names of the namespace first, as those of aliases may have some; it is the
/// most that resolvers know. Source: resolv.conf(5), `ndots`.
const SEARCHED_FIRST: &str = "ndots:15";

const MEBIBYTE: i64 = 1024 * 1024;
const NANOSECONDS: i64 = 1_000_000_000;

/// Docker's `Config`: what concerns the container itself.
pub(super) fn config(spec: &ecs::ContainerDefinition) -> String {
    let mut all = Map::new();
    put(&mut all, "User", spec.user.clone());
    put(&mut all, "WorkingDir", spec.working_directory.clone());
    put(&mut all, "Hostname", spec.hostname.clone());
    put(&mut all, "NetworkDisabled", spec.disable_networking);
    put(&mut all, "OpenStdin", spec.interactive);
    put(&mut all, "Tty", spec.pseudo_terminal);
    put(&mut all, "Healthcheck", spec.health_check.as_ref().map(health_check));
    let labels = spec.docker_labels.clone().unwrap_or_default();
    if !labels.is_empty() {
        put(&mut all, "Labels", Some(json!(labels)));
    }
    Value::Object(all).to_string()
}

/// Docker's `HostConfig`: what concerns the machine.
pub(super) fn host_config(
    row: &Task,
    network: NetworkMode,
    spec: &ecs::ContainerDefinition,
) -> String {
    let mut all = Map::new();
    put(&mut all, "NetworkMode", Some(network_word(network)));
    put(&mut all, "Privileged", spec.privileged);
    put(&mut all, "ReadonlyRootfs", spec.readonly_root_filesystem);
    put(&mut all, "MemoryReservation", spec.memory_reservation.map(bytes));
    put(&mut all, "Dns", list(spec.dns_servers.as_deref()));
    let namespace = row.service.as_ref().and_then(|it| it.namespace.as_deref());
    let given = spec.dns_search_domains.iter().flatten().cloned();
    let search: Vec<_> = namespace.map(connect::search_domain).into_iter().chain(given).collect();
    put(&mut all, "DnsSearch", list(Some(&search)));
    put(&mut all, "DnsOptions", namespace.map(|_| json!([SEARCHED_FIRST])));
    put(&mut all, "SecurityOpt", list(spec.docker_security_options.as_deref()));
    put(&mut all, "ExtraHosts", spec.extra_hosts.as_deref().map(extra_hosts));
    put(&mut all, "Ulimits", spec.ulimits.as_deref().map(ulimits));
    put(&mut all, "Sysctls", spec.system_controls.as_deref().map(sysctls));
    put(&mut all, "LogConfig", spec.log_configuration.as_ref().map(|it| log(row, spec, it)));
    if let Some(linux) = &spec.linux_parameters {
        linux_parameters(&mut all, spec, linux);
    }
    Value::Object(all).to_string()
}

fn linux_parameters(
    all: &mut Map<String, Value>,
    spec: &ecs::ContainerDefinition,
    linux: &ecs::LinuxParameters,
) {
    put(all, "Init", linux.init_process_enabled);
    put(all, "ShmSize", linux.shared_memory_size.map(bytes));
    put(all, "MemorySwappiness", linux.swappiness);
    // Docker's MemorySwap is memory and swap together.
    let swap = linux.max_swap.zip(spec.memory).map(|(swap, memory)| bytes(swap) + bytes(memory));
    put(all, "MemorySwap", swap);
    if let Some(capabilities) = &linux.capabilities {
        put(all, "CapAdd", list(capabilities.add.as_deref()));
        put(all, "CapDrop", list(capabilities.drop.as_deref()));
    }
    put(all, "Devices", linux.devices.as_deref().map(devices));
    put(all, "Tmpfs", linux.tmpfs.as_deref().map(tmpfs));
}

fn put(all: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        all.insert(name.into(), value.into());
    }
}

fn list(items: Option<&[String]>) -> Option<Value> {
    items.filter(|it| !it.is_empty()).map(|it| json!(it))
}

fn bytes(mebibytes: i32) -> i64 {
    i64::from(mebibytes) * MEBIBYTE
}

/// Docker counts in nanoseconds. What was not given takes ECS's defaults (handbook 2.7).
fn health_check(it: &ecs::HealthCheck) -> Value {
    let seconds = |given: Option<i32>, usual: i32| i64::from(given.unwrap_or(usual)) * NANOSECONDS;
    json!({
        "Test": it.command.clone().unwrap_or_default(),
        "Interval": seconds(it.interval, 30),
        "Timeout": seconds(it.timeout, 5),
        "Retries": it.retries.unwrap_or(3),
        "StartPeriod": seconds(it.start_period, 0),
    })
}

fn extra_hosts(entries: &[ecs::HostEntry]) -> Value {
    let one = |it: &ecs::HostEntry| {
        Some(format!("{}:{}", it.hostname.as_ref()?, it.ip_address.as_ref()?))
    };
    json!(entries.iter().filter_map(one).collect::<Vec<_>>())
}

fn ulimits(limits: &[ecs::Ulimit]) -> Value {
    let one = |it: &ecs::Ulimit| {
        json!({
            "Name": it.name.as_ref().map(ecs::UlimitName::as_str),
            "Soft": it.soft_limit,
            "Hard": it.hard_limit,
        })
    };
    Value::Array(limits.iter().map(one).collect())
}

fn sysctls(controls: &[ecs::SystemControl]) -> Value {
    let one = |it: &ecs::SystemControl| Some((it.namespace.clone()?, json!(it.value.clone()?)));
    Value::Object(controls.iter().filter_map(one).collect())
}

fn devices(devices: &[ecs::Device]) -> Value {
    let letters = |it: &ecs::Device| match it.permissions.as_deref() {
        None | Some([]) => "rwm".to_owned(),
        Some(given) => given
            .iter()
            .map(|it| match it.as_str() {
                "read" => "r",
                "write" => "w",
                _ => "m",
            })
            .collect(),
    };
    let one = |it: &ecs::Device| {
        json!({
            "PathOnHost": it.host_path,
            "PathInContainer": it.container_path.as_ref().or(it.host_path.as_ref()),
            "CgroupPermissions": letters(it),
        })
    };
    Value::Array(devices.iter().map(one).collect())
}

fn tmpfs(mounts: &[ecs::Tmpfs]) -> Value {
    let one = |it: &ecs::Tmpfs| {
        let mut options = it.mount_options.clone().unwrap_or_default();
        options.extend(it.size.map(|size| format!("size={size}m")));
        Some((it.container_path.clone()?, json!(options.join(","))))
    };
    Value::Object(mounts.iter().filter_map(one).collect())
}

/// `awslogs` streams are named here: prefix, container, task; Docker's driver knows no prefix.
fn log(row: &Task, spec: &ecs::ContainerDefinition, it: &ecs::LogConfiguration) -> Value {
    let driver = it.log_driver.as_ref().map_or("json-file", |it| it.as_str());
    let mut options = it.options.clone().unwrap_or_default();
    if driver == "awslogs"
        && let Some(prefix) = options.remove("awslogs-stream-prefix")
    {
        let name = spec.name.as_deref().unwrap_or_default();
        options.insert("awslogs-stream".into(), format!("{prefix}/{name}/{}", row.id));
    }
    json!({ "Type": driver, "Config": options })
}
