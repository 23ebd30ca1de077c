//! The attributes that an instance must have to run a task: `requiresAttributes`.
//!
//! Source: handbook 3.11; capability names of amazon-ecs-agent.

use std::collections::BTreeSet;

use shapes::ecs as shape;
use state::NetworkMode;

use super::asked::{self, Asked};

/// The two families of capability names.
const OLD: &str = "com.amazonaws.ecs.capability.";
const NEW: &str = "ecs.capability.";

/// What no agent of this region has yet: a task that needs one of these is refused by placement,
/// which names it, instead of running without a part of what was asked. Not shown in answers.
const UNBUILT: &str = "landfall.capability.";

/// CPU units above which an agent must know of more than ten vCPU a task.
const MANY_CPUS: u32 = 10 * 1024;

/// Names of the capabilities that this definition needs, sorted.
pub(super) fn required(asked: &Asked<'_>) -> Vec<String> {
    let mut names = BTreeSet::new();
    task(asked, &mut names);
    volumes(asked, &mut names);
    for container in asked.containers {
        self::container(asked, container, &mut names);
        log(asked, container, &mut names);
        unbuilt(container, &mut names);
    }
    names.into_iter().collect()
}

/// Those of the names that AWS knows too.
pub(super) fn shown(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().filter(|it| !it.starts_with(UNBUILT))
}

/// What a container asks for and an agent is not told yet.
fn unbuilt(container: &shape::ContainerDefinition, names: &mut Names) {
    let log = container.log_configuration.as_ref();
    let parts = [
        ("secrets", listed(container.secrets.as_deref())),
        ("secrets", log.is_some_and(|it| listed(it.secret_options.as_deref()))),
        ("environment-files", listed(container.environment_files.as_deref())),
        ("repository-credentials", container.repository_credentials.is_some()),
        ("firelens", container.firelens_configuration.is_some()),
        ("credential-specs", listed(container.credential_specs.as_deref())),
    ];
    for (name, _) in parts.into_iter().filter(|(_, asked)| *asked) {
        names.insert(format!("{UNBUILT}{name}"));
    }
}

type Names = BTreeSet<String>;

fn old(names: &mut Names, name: &str) {
    names.insert(format!("{OLD}{name}"));
}

fn new(names: &mut Names, name: &str) {
    names.insert(format!("{NEW}{name}"));
}

/// The Docker remote API that a feature came with.
fn docker(names: &mut Names, minor: u8) {
    names.insert(format!("{OLD}docker-remote-api.1.{minor}"));
}

fn given(text: Option<&str>) -> bool {
    text.is_some_and(|it| !it.is_empty())
}

fn listed<T>(list: Option<&[T]>) -> bool {
    list.is_some_and(|it| !it.is_empty())
}

fn task(asked: &Asked<'_>, names: &mut Names) {
    let ask = asked.ask;
    if asked.network == NetworkMode::Awsvpc {
        new(names, "task-eni");
        docker(names, 18);
    }
    if given(ask.task_role_arn.as_deref()) {
        let role = match asked.network {
            NetworkMode::Host => "task-iam-role-network-host",
            _ => "task-iam-role",
        };
        old(names, role);
    }
    if ask.pid_mode.is_some() || ask.ipc_mode.is_some() {
        new(names, "pid-ipc-namespace-sharing");
    }
    if ask.proxy_configuration.is_some() {
        names.insert(format!("{UNBUILT}proxy"));
        new(names, "aws-appmesh");
    }
    if ask.enable_fault_injection == Some(true) {
        names.insert(format!("{UNBUILT}fault-injection"));
        new(names, "fault-injection");
    }
    if asked.cpu.is_some_and(|it| it > MANY_CPUS) {
        new(names, "increased-task-cpu-limit");
    }
}

fn volumes(asked: &Asked<'_>, names: &mut Names) {
    for volume in asked.ask.volumes.as_deref().unwrap_or_default() {
        if let Some(docker) = &volume.docker_volume_configuration {
            new(names, &format!("docker-plugin.{}", docker.driver.as_deref().unwrap_or("local")));
        }
        let remote = volume.efs_volume_configuration.is_some()
            || volume.fsx_windows_file_server_volume_configuration.is_some()
            || volume.s3files_volume_configuration.is_some()
            || volume.configured_at_launch == Some(true);
        if remote {
            names.insert(format!("{UNBUILT}remote-volumes"));
        }
        if let Some(efs) = &volume.efs_volume_configuration {
            new(names, "efs");
            if efs.authorization_config.is_some() {
                new(names, "efsAuth");
            }
        }
        if volume.fsx_windows_file_server_volume_configuration.is_some() {
            new(names, "fsxWindowsFileServer");
        }
        if volume.s3files_volume_configuration.is_some() {
            new(names, "storage.s3-files");
        }
        if volume.configured_at_launch == Some(true) {
            new(names, "storage.ebs-task-volume-attach");
        }
    }
}

fn container(asked: &Asked<'_>, container: &shape::ContainerDefinition, names: &mut Names) {
    if container.privileged == Some(true) {
        old(names, "privileged-container");
    }
    if container.memory_reservation.is_some() {
        docker(names, 21);
    }
    if listed(container.ulimits.as_deref()) {
        docker(names, 18);
    }
    if listed(container.system_controls.as_deref()) {
        docker(names, 24);
    }
    if container.health_check.is_some() {
        new(names, "container-health-check");
        docker(names, 29);
    }
    if listed(container.depends_on.as_deref()) {
        new(names, "container-ordering");
    }
    if container.restart_policy.as_ref().is_some_and(|it| it.enabled == Some(true)) {
        new(names, "container-restart-policy");
    }
    if listed(container.environment_files.as_deref()) {
        new(names, "env-files.s3");
    }
    if listed(container.credential_specs.as_deref()) {
        new(names, "gmsa");
    }
    let mappings = container.port_mappings.as_deref().unwrap_or_default();
    if mappings.iter().any(|it| it.container_port_range.is_some()) {
        new(names, "network.container-port-range");
    }
    if let Some(linux) = &container.linux_parameters {
        if listed(linux.tmpfs.as_deref()) || linux.shared_memory_size.is_some() {
            docker(names, 22);
        }
        if linux.init_process_enabled == Some(true) {
            docker(names, 25);
        }
    }
    for option in container.docker_security_options.as_deref().unwrap_or_default() {
        match option.split([':', '=']).next() {
            Some("label") => old(names, "selinux"),
            Some("apparmor") => old(names, "apparmor"),
            _ => {}
        }
    }
    image(asked, container, names);
    secrets(container.secrets.as_deref(), "environment-variables", names);
}

fn image(asked: &Asked<'_>, container: &shape::ContainerDefinition, names: &mut Names) {
    if container.repository_credentials.is_some() {
        new(names, "private-registry-authentication.secretsmanager");
    }
    if container.image.as_deref().is_some_and(asked::is_ecr) {
        old(names, "ecr-auth");
        if given(asked.ask.execution_role_arn.as_deref()) {
            new(names, "execution-role-ecr-pull");
        }
    }
}

fn log(asked: &Asked<'_>, container: &shape::ContainerDefinition, names: &mut Names) {
    if let Some(firelens) = &container.firelens_configuration
        && let Some(router) = &firelens.r#type
    {
        new(names, &format!("firelens.{router}"));
    }
    let Some(log) = &container.log_configuration else { return };
    let Some(driver) = &log.log_driver else { return };
    old(names, &format!("logging-driver.{driver}"));
    docker(names, 18);
    match driver {
        shape::LogDriver::Awslogs => {
            docker(names, 19);
            if given(asked.ask.execution_role_arn.as_deref()) {
                new(names, "execution-role-awslogs");
            }
        }
        shape::LogDriver::Awsfirelens => new(names, "logging-driver.awsfirelens"),
        shape::LogDriver::Gelf => docker(names, 20),
        shape::LogDriver::Splunk => docker(names, 22),
        _ => {}
    }
    secrets(log.secret_options.as_deref(), "bootstrap.log-driver", names);
}

/// Secrets come from Secrets Manager if their ARN says so, else from the parameter store.
fn secrets(secrets: Option<&[shape::Secret]>, purpose: &str, names: &mut Names) {
    for secret in secrets.unwrap_or_default() {
        let from = types::Arn::parse(secret.value_from.as_deref().unwrap_or_default());
        let store = match from {
            Some(arn) if arn.service == "secretsmanager" => "asm",
            _ => "ssm",
        };
        new(names, &format!("secrets.{store}.{purpose}"));
    }
}
