//! Kernel parameters of a container's own namespaces.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::Root;
use crate::spec::{ContainerSpec, Network, Sharing};

/// Parameters of an ipc namespace.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Sets them through the container's fresh `/proc`.
pub(crate) fn apply(root: &Root, spec: &ContainerSpec) -> Result<(), Refusal> {
    for (name, value) in &spec.sysctls {
        check(name, spec)?;
        write(root, name, value).refuse(RefusalKind::InvalidSpec, format!("sysctl {name}"))?;
    }
    Ok(())
}

/// Refuses what would change the host (handbook 3.6).
pub(crate) fn check(name: &str, spec: &ContainerSpec) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::spec(format!("sysctl {name} {why}")));
    if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        return match spec.ipc {
            Sharing::Host => refuse("would change the host's ipc namespace"),
            Sharing::Private | Sharing::Task => Ok(()),
        };
    }
    if name.starts_with("net.") {
        return match spec.network {
            Network::Host => refuse("would change the host's network"),
            Network::None | Network::Join(_) => Ok(()),
        };
    }
    refuse("is not one of a namespace")
}

fn write(root: &Root, name: &str, value: &str) -> io::Result<()> {
    let proc = root.plain_directory("/proc")?;
    let path = format!("sys/{}", name.replace('.', "/"));
    // Below this `/proc` and nowhere else, whatever is written into the name.
    let rules = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(proc, path, flags, Mode::empty(), rules)?;
    File::from(file).write_all(value.as_bytes())
}
