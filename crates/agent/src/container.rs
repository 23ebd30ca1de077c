//! From a container of a task to what its shim is told: image, environment, mounts and limits
//! merged as Docker merges them.

use std::collections::BTreeMap;

use images::{Image, ImageConfig};
use plan::agent::spec::{ContainerSpec, NamespaceMode, NetworkMode};
use plan::agent::{Docker, Failure, FailureClass, TaskSpec};
use shim::{
    Access, CapabilityChanges, Command, Content, Input, Limits, LogSink, Mount, Privilege,
    RefusalKind, Seccomp, Sharing,
};
use types::ContainerName;

use crate::machine::{Machine, blocking, short_id};
use crate::prepare::{MIB, network_of, volume_folder};
use crate::worker::Worker;
use crate::{etc, logs, pull};

/// A log file begins anew at this size, and so many are kept, unless the task definition says.
const LOG_BYTES: u64 = 50 * MIB;
const LOG_FILES: u32 = 4;

/// Security options that are acted on, in both of Docker's spellings.
const SECURITY_OPTIONS: [&str; 6] = [
    "no-new-privileges",
    "no-new-privileges:true",
    "no-new-privileges=true",
    "no-new-privileges:false",
    "seccomp=unconfined",
    "seccomp:unconfined",
];

/// Makes a container known to the task's shim. A later run goes on with the file system it had.
pub(crate) async fn create(
    worker: &mut Worker,
    spec: &TaskSpec,
    name: &ContainerName,
    run: u32,
) -> Result<(), Failure> {
    if run > 0 {
        return Ok(());
    }
    let failed = |text: String| Failure { class: FailureClass::CannotCreateContainer, text };
    let Some(container) = spec.container(name.as_str()) else {
        return Err(failed(format!("the task has no container {name}")));
    };
    if let Some(secret) = container.secrets.first() {
        let text = format!("{}: this agent cannot fetch secrets", secret.name);
        return Err(Failure { class: FailureClass::ResourceInitialization, text });
    }
    let image = pull::held(&worker.machine, spec, &container.image).await?;
    let machine = worker.machine.clone();
    let (spec, container) = (spec.clone(), container.clone());
    let told = blocking(move || told(&machine, &spec, &container, &image)).await?;
    match worker.call(Command::CreateContainer(Box::new(told))).await {
        Ok(_) => Ok(()),
        // Asked for again after a crash: it is there.
        Err(refusal)
            if refusal.kind == RefusalKind::WrongState && refusal.message.ends_with("exists") =>
        {
            Ok(())
        }
        Err(refusal) => Err(failed(refusal.message)),
    }
}

/// What must be true before a container may start: its log stream exists.
pub(crate) async fn before_start(
    worker: &Worker,
    spec: &TaskSpec,
    name: &ContainerName,
) -> Result<(), Failure> {
    match spec.container(name.as_str()) {
        Some(container) if container.docker.log.driver == "awslogs" => {
            logs::begin(&worker.machine, spec, container).await
        }
        _ => Ok(()),
    }
}

/// What the shim is told.
fn told(
    machine: &Machine,
    spec: &TaskSpec,
    container: &ContainerSpec,
    image: &Image,
) -> Result<shim::ContainerSpec, Failure> {
    let docker = &container.docker;
    let (network, address) = network_of(&machine.host, spec, container)?;
    let argv = command_line(container, &image.config);
    if argv.is_empty() {
        let text = format!("no command specified for the image {}", image.name);
        return Err(Failure { class: FailureClass::CannotCreateContainer, text });
    }
    check_security(&docker.security_options)?;
    let hostname = hostname(spec, container);
    let names = etc::Names { hostname: hostname.as_deref(), address };
    let options = &docker.security_options;
    let set = |words: &[&str]| options.iter().any(|it| words.contains(&it.as_str()));
    Ok(shim::ContainerSpec {
        name: container.name.to_string(),
        layers: image.layers.clone(),
        argv,
        env: environment(machine, spec, container, &image.config),
        working_dir: docker
            .working_directory
            .clone()
            .unwrap_or_else(|| image.config.workdir.clone()),
        user: docker.user.clone().unwrap_or_else(|| image.config.user.clone()),
        groups: Vec::new(),
        root: access(docker.read_only_root),
        privilege: if docker.privileged { Privilege::Privileged } else { Privilege::Confined },
        capabilities: CapabilityChanges {
            add: docker.capabilities_added.clone(),
            drop: docker.capabilities_dropped.clone(),
        },
        seccomp: if set(&["seccomp=unconfined", "seccomp:unconfined"]) {
            Seccomp::Unconfined
        } else {
            Seccomp::Default
        },
        no_new_privileges: set(&[
            "no-new-privileges",
            "no-new-privileges:true",
            "no-new-privileges=true",
        ]),
        masked_paths: None,
        readonly_paths: None,
        mounts: mounts(machine, spec, container, &image.config)?,
        shm_bytes: docker.shm_size,
        init: docker.init,
        input: match (docker.terminal, docker.open_stdin) {
            (true, _) => Input::Terminal,
            (false, true) => Input::Open,
            (false, false) => Input::Closed,
        },
        ulimits: docker.ulimits.iter().map(ulimit).collect(),
        sysctls: docker.sysctls.clone(),
        devices: docker.devices.iter().map(device).collect(),
        hostname: hostname.clone(),
        network,
        pid: sharing(spec.pid_mode),
        ipc: sharing(spec.ipc_mode),
        hosts_file: Some(etc::hosts(machine, spec, container, &names)),
        resolv_file: Some(etc::resolv(machine, spec, docker)),
        hostname_file: names.hostname.map(|it| format!("{it}\n")),
        limits: limits(container),
        log: sink(machine, spec, container)?,
        stop_signal: docker.stop_signal.clone().or_else(|| image.config.stop_signal.clone()),
    })
}

/// Refuses options that would otherwise be passed over; placement has seen to those that need
/// SELinux or AppArmor.
fn check_security(options: &[String]) -> Result<(), Failure> {
    match options.iter().find(|it| !SECURITY_OPTIONS.contains(&it.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let text = format!("invalid --security-opt: \"{unknown}\" is not known here");
            Err(Failure { class: FailureClass::CannotCreateContainer, text })
        }
    }
}

fn access(read_only: bool) -> Access {
    if read_only { Access::ReadOnly } else { Access::Writable }
}

fn sharing(mode: NamespaceMode) -> Sharing {
    match mode {
        NamespaceMode::Private => Sharing::Private,
        NamespaceMode::Task => Sharing::Task,
        NamespaceMode::Host => Sharing::Host,
    }
}

fn ulimit(it: &plan::agent::Ulimit) -> shim::Ulimit {
    shim::Ulimit { name: it.name.clone(), soft: it.soft, hard: it.hard }
}

fn device(it: &plan::agent::Device) -> shim::Device {
    shim::Device {
        host: it.host_path.clone().into(),
        container: it.container_path.clone(),
        permissions: it.permissions.clone(),
    }
}

/// Entry point and command; an entry point of one's own takes the image's command away, as in
/// Docker.
fn command_line(container: &ContainerSpec, image: &ImageConfig) -> Vec<String> {
    let (entry, usual) = match &container.entry_point {
        Some(own) => (own.clone(), &Vec::new()),
        None => (image.entrypoint.clone(), &image.cmd),
    };
    let command = container.command.as_ref().unwrap_or(usual);
    entry.into_iter().chain(command.iter().cloned()).collect()
}

/// The image's environment, over it the task definition's, over that ours.
fn environment(
    machine: &Machine,
    spec: &TaskSpec,
    container: &ContainerSpec,
    image: &ImageConfig,
) -> Vec<String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for line in image.env.iter().chain(&container.docker.environment) {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        all.insert(name.to_owned(), value.to_owned());
    }
    all.extend(container.environment.clone());
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        all.entry(name.to_owned()).or_insert_with(|| machine.config.region.clone());
    }
    let id = machine.metadata_id(&spec.arn, &container.name);
    let base = format!("http://{}", network::TASK_ENDPOINT);
    all.insert("ECS_CONTAINER_METADATA_URI".into(), format!("{base}/v3/{id}"));
    all.insert("ECS_CONTAINER_METADATA_URI_V4".into(), format!("{base}/v4/{id}"));
    all.insert("ECS_AGENT_URI".into(), format!("{base}/api/{id}"));
    if let Some(role) = &spec.role_credentials {
        let uri = format!("/v2/credentials/{role}");
        all.insert("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI".into(), uri);
    }
    all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// The host name inside; `None` where the instance's own is seen.
fn hostname(spec: &TaskSpec, container: &ContainerSpec) -> Option<String> {
    if let Some(own) = &container.docker.hostname {
        return Some(own.clone());
    }
    match spec.network_mode {
        NetworkMode::Host => None,
        NetworkMode::Awsvpc => Some(spec.interfaces.first().map_or_else(
            || short_id(&spec.arn, container.name.as_str()),
            |it| match &it.private_dns_name {
                Some(name) => name.split('.').next().unwrap_or(name).to_owned(),
                None => format!("ip-{}", it.address.to_string().replace('.', "-")),
            },
        )),
        NetworkMode::None | NetworkMode::Bridge => {
            Some(short_id(&spec.arn, container.name.as_str()))
        }
    }
}

/// Mount points, those of other containers, temporary file systems, and volumes that the image
/// itself asks for.
fn mounts(
    machine: &Machine,
    spec: &TaskSpec,
    container: &ContainerSpec,
    image: &ImageConfig,
) -> Result<Vec<Mount>, Failure> {
    let mut all: BTreeMap<String, Mount> = BTreeMap::new();
    for path in &image.volumes {
        let name = path.replace('/', "_");
        let own = machine.task_folder(&spec.arn).join("volumes");
        let source = own.join(format!("{}{name}", container.name));
        let made = std::fs::create_dir_all(&source);
        made.map_err(|it| crate::prepare::failure(FailureClass::CannotCreateVolume, &it))?;
        let (target, access) = (path.clone(), Access::Writable);
        let mount =
            Mount::Bind { source, target: target.clone(), access, content: Content::CopyFromImage };
        all.insert(target, mount);
    }
    for from in &container.volumes_from {
        let other = spec.container(&from.container);
        for it in other.iter().flat_map(|it| &it.mounts) {
            let read_only = it.read_only || from.read_only;
            all.insert(it.path.clone(), bind(machine, spec, it, access(read_only))?);
        }
    }
    for it in &container.mounts {
        all.insert(it.path.clone(), bind(machine, spec, it, access(it.read_only))?);
    }
    for (target, options) in &container.docker.tmpfs {
        let words = options.split(',').filter(|it| !it.is_empty()).map(str::to_owned);
        let mount = Mount::Tmpfs { target: target.clone(), options: words.collect() };
        all.insert(target.clone(), mount);
    }
    Ok(all.into_values().collect())
}

fn bind(
    machine: &Machine,
    spec: &TaskSpec,
    mount: &plan::agent::spec::Mount,
    access: Access,
) -> Result<Mount, Failure> {
    let Some(source) = volume_folder(machine, spec, &mount.volume) else {
        let text = format!("the task has no volume {}", mount.volume);
        return Err(Failure { class: FailureClass::InvalidVolume, text });
    };
    // What a volume of Docker's begins with; a folder of the instance stays as it is.
    let own = source.starts_with(&machine.config.data);
    let content = if own { Content::CopyFromImage } else { Content::AsIs };
    Ok(Mount::Bind { source, target: mount.path.clone(), access, content })
}

/// Limits of one container (handbook 3.3).
fn limits(container: &ContainerSpec) -> Limits {
    let docker = &container.docker;
    let memory = container.memory.map(|it| u64::from(it.0) * MIB).or(docker.memory);
    // Docker counts memory and swap together.
    let swap = docker.memory_swap.and_then(|it| u64::try_from(it).ok());
    let swap = swap.zip(memory).map(|(both, memory)| both.saturating_sub(memory));
    Limits {
        cpu_shares: Some(u64::from(container.cpu.0).clamp(2, 262_144)),
        cpu_quota: None,
        memory_bytes: memory,
        memory_reservation_bytes: docker.memory_reservation,
        swap_bytes: swap,
        swappiness: docker.memory_swappiness.and_then(|it| u8::try_from(it).ok()),
        pids: docker.pids_limit.and_then(|it| u64::try_from(it).ok()),
    }
}

/// Where output goes. `awslogs` is shipped from a file, so that it survives the agent.
fn sink(machine: &Machine, spec: &TaskSpec, container: &ContainerSpec) -> Result<LogSink, Failure> {
    let Docker { log, .. } = &container.docker;
    if log.driver == "none" {
        return Ok(LogSink::None);
    }
    let Rotation { bytes, files } = match log.driver.as_str() {
        "json-file" => rotation(&log.options).map_err(|it| Failure {
            class: FailureClass::CannotCreateContainer,
            text: format!("failed to validate logger args: {it}"),
        })?,
        _ => Rotation { bytes: LOG_BYTES, files: LOG_FILES },
    };
    let path = machine.log(&spec.arn, &container.name);
    Ok(LogSink::JsonFile { path, max_bytes: Some(bytes), max_files: Some(files) })
}

/// How a log file begins anew.
#[derive(Debug, PartialEq, Eq)]
struct Rotation {
    bytes: u64,
    files: u32,
}

/// Options of `json-file`. Labels, tags and the like would go into attributes of each line, which
/// nothing reads here.
fn rotation(options: &BTreeMap<String, String>) -> Result<Rotation, String> {
    let known = [
        "max-size",
        "max-file",
        "mode",
        "max-buffer-size",
        "labels",
        "labels-regex",
        "env",
        "env-regex",
        "tag",
        "compress",
    ];
    if let Some(unknown) = options.keys().find(|it| !known.contains(&it.as_str())) {
        return Err(format!("unknown log opt '{unknown}' for json-file log driver"));
    }
    let wrong = |name: &str, it: &String| format!("invalid value for {name}: {it}");
    let size = options.get("max-size").filter(|it| *it != "-1");
    let size = size.map(|it| bytes(it).ok_or_else(|| wrong("max-size", it))).transpose()?;
    let files = options.get("max-file");
    let files = files
        .map(|it| it.parse().ok().filter(|it| *it > 0).ok_or_else(|| wrong("max-file", it)))
        .transpose()?;
    Ok(Rotation {
        bytes: size.unwrap_or(LOG_BYTES),
        files: files.unwrap_or(if size.is_some() { 1 } else { LOG_FILES }),
    })
}

/// A size as Docker spells it: `10m`, `512k`, `1g`, or bytes.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (number, unit) = match text.strip_suffix(['k', 'm', 'g']) {
        Some(number) => (number, text.chars().last()),
        None => (text, None),
    };
    let factor = match unit {
        Some('k') => 1024,
        Some('m') => MIB,
        Some('g') => 1024 * MIB,
        _ => 1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|it| *it > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_log_file_are_read_or_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let all = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            rotation(&all.collect())
        };
        assert_eq!(read(&[]), Ok(Rotation { bytes: LOG_BYTES, files: LOG_FILES }));
        assert_eq!(read(&[("max-size", "1k")]), Ok(Rotation { bytes: 1024, files: 1 }));
        let three = read(&[("max-size", "1k"), ("max-file", "3")]);
        assert_eq!(three, Ok(Rotation { bytes: 1024, files: 3 }));
        for wrong in [[("max-size", "many")], [("max-file", "0")], [("colour", "red")]] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn security_options_that_nothing_acts_on_are_refused() {
        let check = |it: &str| check_security(&[it.to_owned()]).map_err(|it| it.text);
        assert_eq!(check("no-new-privileges"), Ok(()));
        assert_eq!(check("seccomp=unconfined"), Ok(()));
        let refused = check("seccomp=/etc/profile.json").expect_err("refused");
        assert!(refused.contains("/etc/profile.json"), "{refused}");
    }

    #[test]
    fn sizes_are_read_as_docker_writes_them() {
        for (text, size) in [
            ("10m", Some(10 * 1024 * 1024)),
            ("512K", Some(512 * 1024)),
            ("1gb", Some(1024 * 1024 * 1024)),
            ("77", Some(77)),
            ("0", None),
            ("", None),
            ("m", None),
            ("99999999999g", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }
}
