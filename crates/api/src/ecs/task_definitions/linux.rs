//! Kernel matters: capabilities, limits, sysctls, devices, tmpfs.
//!
//! Source: handbook 3.6; API Reference, `LinuxParameters`, `Ulimit`, `SystemControl`.

use std::collections::BTreeSet;

use shapes::ecs as shape;
use state::NetworkMode;

use super::asked::{self, Asked};
use crate::ecs::Error;

/// Capabilities of Linux, without their prefix, and the word for all of them.
const CAPABILITIES: [&str; 39] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
];

/// More of them, newer or rarer.
const MORE_CAPABILITIES: [&str; 3] = ["CHECKPOINT_RESTORE", "SYSLOG", "WAKE_ALARM"];

/// Sysctls of an IPC namespace that containers can set.
const IPC_CONTROLS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// No limit.
const UNLIMITED: i32 = -1;

/// Checks every container.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    for container in asked.containers {
        parameters(container)?;
        limits(container)?;
        controls(asked, container)?;
    }
    Ok(())
}

fn parameters(container: &shape::ContainerDefinition) -> Result<(), Error> {
    let Some(linux) = &container.linux_parameters else { return Ok(()) };
    let name = asked::name(container);
    let invalid =
        |field: &str| Error::client(format!("Invalid '{field}' setting for container '{name}'."));
    if linux.swappiness.is_some_and(|it| !(0..=100).contains(&it)) {
        return Err(invalid("swappiness"));
    }
    if linux.max_swap.is_some_and(|it| it < 0) {
        return Err(invalid("maxSwap"));
    }
    if linux.shared_memory_size.is_some_and(|it| it <= 0) {
        return Err(invalid("sharedMemorySize"));
    }
    let changes = linux.capabilities.as_ref();
    let added = changes.and_then(|it| it.add.as_deref()).unwrap_or_default();
    let dropped = changes.and_then(|it| it.drop.as_deref()).unwrap_or_default();
    if let Some(unknown) = added.iter().chain(dropped).find(|it| !is_capability(it)) {
        return Err(Error::client(format!(
            "Invalid capability '{unknown}' for container '{name}'."
        )));
    }
    let tmpfs = linux.tmpfs.as_deref().unwrap_or_default();
    let absolute = |it: Option<&str>| it.is_some_and(|it| it.starts_with('/'));
    let sound = |it: &shape::Tmpfs| {
        it.size.is_some_and(|it| it > 0) && absolute(it.container_path.as_deref())
    };
    if !tmpfs.iter().all(sound) {
        return Err(invalid("tmpfs"));
    }
    let devices = linux.devices.as_deref().unwrap_or_default();
    if devices.iter().all(|it| absolute(it.host_path.as_deref())) {
        Ok(())
    } else {
        Err(invalid("devices"))
    }
}

fn is_capability(name: &str) -> bool {
    CAPABILITIES.contains(&name) || MORE_CAPABILITIES.contains(&name)
}

fn limits(container: &shape::ContainerDefinition) -> Result<(), Error> {
    let name = asked::name(container);
    let mut seen = BTreeSet::new();
    for limit in container.ulimits.as_deref().unwrap_or_default() {
        let of = limit.name.as_ref().map_or("", |it| it.as_str());
        let soft = limit.soft_limit.unwrap_or(0);
        let hard = limit.hard_limit.unwrap_or(0);
        let above = hard != UNLIMITED && (soft == UNLIMITED || soft > hard);
        if above || soft < UNLIMITED || hard < UNLIMITED {
            return Err(Error::client(format!(
                "Invalid ulimit '{of}' for container '{name}': the soft limit must not be above \
                 the hard limit."
            )));
        }
        if !seen.insert(of) {
            return Err(Error::client(format!(
                "Ulimit '{of}' is set more than once for container '{name}'."
            )));
        }
    }
    Ok(())
}

fn controls(asked: &Asked<'_>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    let name = asked::name(container);
    for control in container.system_controls.as_deref().unwrap_or_default() {
        let key = control.namespace.as_deref().unwrap_or_default();
        let invalid = |why: &str| {
            Error::client(format!("Invalid system control '{key}' for container '{name}': {why}"))
        };
        if key.starts_with("net.") {
            if asked.network == NetworkMode::Host {
                return Err(invalid("it is not supported when networkMode=host."));
            }
        } else if IPC_CONTROLS.contains(&key) || key.starts_with("fs.mqueue.") {
            if asked.ask.ipc_mode == Some(shape::IpcMode::Host) {
                return Err(invalid("it is not supported when ipcMode=host."));
            }
        } else {
            return Err(invalid("it is not a control of a network or IPC namespace."));
        }
    }
    Ok(())
}
