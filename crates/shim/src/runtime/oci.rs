//! A container's specification in the words of the OCI runtime specification.

use serde_json::{Value, json};

use crate::capability::Capabilities;
use crate::cgroup::{DeviceKind, DeviceRule};
use crate::process::{Command, environment, namespaces, working_directory};
use crate::protocol::Refusal;
use crate::rlimit;
use crate::root::Node;
use crate::rootfs::{self, MASKED, READ_ONLY};
use crate::seccomp;
use crate::shared::SharedNamespaces;
use crate::spec::{Access, ContainerSpec, Input, Mount, Network, Privilege, Seccomp, Sharing};
use crate::user::Identity;

/// What a configuration is made of beside the specification.
pub(super) struct Surroundings<'a> {
    pub(super) identity: &'a Identity,
    pub(super) capabilities: Capabilities,
    /// Path below the roots of the hierarchies.
    pub(super) cgroup: &'a str,
    pub(super) shared: Option<&'a SharedNamespaces>,
    /// Where the task's shared memory is mounted, if it is shared.
    pub(super) shared_memory: Option<String>,
    /// The container's folder on the host.
    pub(super) folder: &'a rootfs::Folder,
}

/// The whole configuration of a container (`config.json`).
pub(super) fn config(spec: &ContainerSpec, around: &Surroundings<'_>) -> Result<Value, Refusal> {
    let devices = rootfs::host_devices(spec)?;
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    rules.extend(rootfs::device_rules(spec)?.into_iter().map(rule));
    let confined = spec.privilege == Privilege::Confined;
    let paths = |own: &Option<Vec<String>>, default: &[&str]| match (confined, own) {
        (false, _) => json!([]),
        (true, Some(own)) => json!(own),
        (true, None) => json!(default),
    };
    let mut linux = json!({
        "cgroupsPath": format!("/{}", around.cgroup),
        "namespaces": namespace_list(spec, around.shared),
        "resources": {"devices": rules},
        "devices": devices.iter().map(|(path, node)| device(path, *node)).collect::<Vec<_>>(),
        "maskedPaths": paths(&spec.masked_paths, &MASKED),
        "readonlyPaths": paths(&spec.readonly_paths, &READ_ONLY),
        "sysctl": spec.sysctls,
    });
    if let (true, Seccomp::Default, Some(linux)) = (confined, spec.seccomp, linux.as_object_mut()) {
        linux.insert("seccomp".to_owned(), seccomp::oci(around.capabilities));
    }
    let command = Command { spec, argv: &spec.argv, env: &[] };
    let mut first = process(&command, around.identity, around.capabilities);
    if let Some(first) = first.as_object_mut() {
        first.insert("terminal".to_owned(), json!(spec.input == Input::Terminal));
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": first,
        "root": {"path": "root", "readonly": spec.root == Access::ReadOnly},
        "hostname": spec.hostname,
        "mounts": mounts(spec, around),
        "linux": linux,
    }))
}

/// A process in a container, its first one or another.
pub(super) fn process(
    command: &Command<'_>,
    identity: &Identity,
    capabilities: Capabilities,
) -> Value {
    let spec = command.spec;
    let names = capabilities.names();
    // As for Docker: another user than root only keeps what programs can give back to it.
    let effective = if identity.uid == 0 { names.clone() } else { vec![] };
    let limit = |name: &str| format!("RLIMIT_{}", name.to_ascii_uppercase());
    let limits = spec.ulimits.iter().map(|it| {
        json!({
            "type": limit(&it.name), "soft": rlimit::value(it.soft), "hard": rlimit::value(it.hard),
        })
    });
    json!({
        "terminal": false,
        "user": {"uid": identity.uid, "gid": identity.gid, "additionalGids": identity.groups,
                 "umask": 0o022},
        "args": command.argv,
        "env": environment(command, &identity.home),
        "cwd": working_directory(&spec.working_dir),
        "capabilities": {"bounding": names, "effective": effective, "permitted": effective,
                         "inheritable": [], "ambient": []},
        "rlimits": limits.collect::<Vec<_>>(),
        "noNewPrivileges": spec.no_new_privileges,
        "oomScoreAdj": 0,
    })
}

fn namespace_list(spec: &ContainerSpec, shared: Option<&SharedNamespaces>) -> Vec<Value> {
    let own = namespaces(spec);
    let kinds = [
        ("mount", libc::CLONE_NEWNS),
        ("uts", libc::CLONE_NEWUTS),
        ("network", libc::CLONE_NEWNET),
        ("pid", libc::CLONE_NEWPID),
        ("ipc", libc::CLONE_NEWIPC),
    ];
    let new = kinds.iter().filter(|(_, flag)| own & flag != 0);
    let mut list: Vec<Value> = new.map(|(kind, _)| json!({"type": kind})).collect();
    list.push(json!({"type": "cgroup"}));
    if let Network::Join(path) = &spec.network {
        list.push(json!({"type": "network", "path": path}));
    }
    let share = [("pid", spec.pid), ("ipc", spec.ipc)];
    for (kind, _) in share.iter().filter(|(_, it)| *it == Sharing::Task) {
        if let Some(shared) = shared {
            let path = format!("/proc/{}/ns/{kind}", shared.holder());
            list.push(json!({"type": kind, "path": path}));
        }
    }
    list
}

fn mounts(spec: &ContainerSpec, around: &Surroundings<'_>) -> Vec<Value> {
    let kernel = |kind: &str, at: &str, options: &[&str]| json!({"destination": at, "type": kind, "source": kind, "options": options});
    let harmless = ["nosuid", "noexec", "nodev"];
    let protected: &[&str] = match spec.privilege {
        Privilege::Confined => &["nosuid", "noexec", "nodev", "ro"],
        Privilege::Privileged => &harmless,
    };
    let terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let mut list = vec![
        kernel("proc", "/proc", &harmless),
        kernel("tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=64k"]),
        kernel("devpts", "/dev/pts", &terminals),
        kernel("mqueue", "/dev/mqueue", &harmless),
        kernel("sysfs", "/sys", protected),
        kernel("cgroup", "/sys/fs/cgroup", protected),
        shared_memory(spec, around),
    ];
    for (name, _) in rootfs::generated_files(spec) {
        let source = around.folder.etc(name);
        list.push(bind(&source.display().to_string(), &format!("/etc/{name}"), Access::Writable));
    }
    let mut asked: Vec<&Mount> = spec.mounts.iter().collect();
    asked.sort_by_key(|it| match it {
        Mount::Bind { target, .. } | Mount::Tmpfs { target, .. } => target.matches('/').count(),
    });
    list.extend(asked.into_iter().map(|it| match it {
        Mount::Bind { source, target, access, .. } => {
            bind(&source.display().to_string(), target, *access)
        }
        Mount::Tmpfs { target, options } => {
            let words = options.iter().flat_map(|it| it.split(',')).filter(|it| !it.is_empty());
            let options: Vec<&str> = harmless.into_iter().chain(words).collect();
            kernel("tmpfs", target, &options)
        }
    }));
    list
}

fn shared_memory(spec: &ContainerSpec, around: &Surroundings<'_>) -> Value {
    let at = "/dev/shm";
    match (&around.shared_memory, spec.ipc) {
        (Some(path), _) => bind(path, at, Access::Writable),
        (None, Sharing::Host) => bind(at, at, Access::Writable),
        (None, _) => {
            let size = format!("size={}", rootfs::shared_memory_bytes(spec.shm_bytes));
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
            json!({"destination": at, "type": "tmpfs", "source": "shm", "options": options})
        }
    }
}

fn bind(source: &str, target: &str, access: Access) -> Value {
    let write = if access == Access::ReadOnly { "ro" } else { "rw" };
    json!({
        "destination": target, "type": "bind", "source": source,
        "options": ["rbind", "rprivate", write],
    })
}

fn rule(rule: DeviceRule) -> Value {
    json!({
        "allow": true, "type": rule.kind.letter(), "major": rule.major, "minor": rule.minor,
        "access": rule.access.letters(),
    })
}

fn device(path: &str, node: Node) -> Value {
    let kind = if node.is_block() { DeviceKind::Block } else { DeviceKind::Character };
    json!({
        "path": path, "type": kind.letter(), "uid": node.uid, "gid": node.gid,
        "major": rustix::fs::major(node.number), "minor": rustix::fs::minor(node.number),
        "fileMode": node.mode & 0o7777,
    })
}
