//! What a task definition must keep to run on Fargate.
//!
//! Source: handbook 3.2, 3.6.

use shapes::ecs as shape;
use state::NetworkMode;

use super::asked::{self, Asked};
use super::resources;
use crate::ecs::Error;

/// CPU units, and the memory that goes with them: least, most, step, in MiB.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// Seconds that a container can have to stop.
const STOP_TIMEOUT: core::ops::RangeInclusive<i32> = 2..=120;

/// Log drivers there are.
const DRIVERS: [shape::LogDriver; 3] =
    [shape::LogDriver::Awslogs, shape::LogDriver::Splunk, shape::LogDriver::Awsfirelens];

/// Checks all of it; the first rule that is broken is told.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    if asked.network != NetworkMode::Awsvpc {
        return Err(Error::client("Fargate only supports network mode \u{2018}awsvpc\u{2019}."));
    }
    size(asked)?;
    task(asked)?;
    for container in asked.containers {
        self::container(asked, container)?;
    }
    Ok(())
}

fn size(asked: &Asked<'_>) -> Result<(), Error> {
    let missing = |field| {
        Error::client(format!("Fargate requires that '{field}' be defined at the task level."))
    };
    let cpu = asked.cpu.ok_or_else(|| missing("cpu"))?;
    let memory = asked.memory.ok_or_else(|| missing("memory"))?;
    let fits = |(units, least, most, step): &(u32, u32, u32, u32)| {
        *units == cpu && (least..=most).contains(&&memory) && memory % step == 0
    };
    // 0.25 vCPU goes with 512, 1,024 and 2,048 MiB only.
    if SIZES.iter().any(fits) && (cpu, memory) != (256, 1536) {
        return Ok(());
    }
    Err(Error::client(format!(
        "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the \
         Amazon ECS documentation for the valid values."
    )))
}

fn task(asked: &Asked<'_>) -> Result<(), Error> {
    let ask = asked.ask;
    let forbidden = [
        (
            "placement constraints",
            ask.placement_constraints.as_ref().is_some_and(|it| !it.is_empty()),
        ),
        ("'ipcMode'", ask.ipc_mode.is_some()),
    ];
    if ask.pid_mode == Some(shape::PidMode::Host) {
        return Err(Error::client(
            "Tasks using the Fargate launch type do not support pidMode 'host'. The supported \
             value for pidMode is 'task'.",
        ));
    }
    if let Some((what, _)) = forbidden.iter().find(|(_, given)| *given) {
        return Err(unsupported(what));
    }
    for volume in ask.volumes.as_deref().unwrap_or_default() {
        if volume.docker_volume_configuration.is_some() {
            return Err(unsupported("Docker volumes"));
        }
        if volume.host.as_ref().is_some_and(|it| it.source_path.is_some()) {
            return Err(unsupported("host 'sourcePath'"));
        }
    }
    Ok(())
}

fn container(asked: &Asked<'_>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    let linux = container.linux_parameters.as_ref();
    let some = |it: Option<&[String]>| it.is_some_and(|it| !it.is_empty());
    let ptrace_only = |it: &[String]| it.iter().all(|it| it == "SYS_PTRACE");
    let added = linux.and_then(|it| it.capabilities.as_ref()).and_then(|it| it.add.as_deref());
    let forbidden = [
        ("'privileged'", container.privileged == Some(true)),
        ("'dockerSecurityOptions'", some(container.docker_security_options.as_deref())),
        ("'devices'", linux.and_then(|it| it.devices.as_ref()).is_some_and(|it| !it.is_empty())),
        ("'sharedMemorySize'", linux.is_some_and(|it| it.shared_memory_size.is_some())),
        ("'maxSwap'", linux.is_some_and(|it| it.max_swap.is_some())),
        ("'swappiness'", linux.is_some_and(|it| it.swappiness.is_some())),
        ("'capabilities.add' other than SYS_PTRACE", added.is_some_and(|it| !ptrace_only(it))),
        ("GPUs", resources::gpus(container)? > 0),
    ];
    if let Some((what, _)) = forbidden.iter().find(|(_, given)| *given) {
        return Err(unsupported(what));
    }
    if container.stop_timeout.is_some_and(|it| !STOP_TIMEOUT.contains(&it)) {
        let name = asked::name(container);
        return Err(Error::client(format!(
            "Invalid 'stopTimeout' setting for container '{name}': Fargate allows {} to {}.",
            STOP_TIMEOUT.start(),
            STOP_TIMEOUT.end()
        )));
    }
    execution_role(asked, container)?;
    log(container)
}

/// Without a machine of its own, a task pulls and logs in the name of its execution role.
fn execution_role(asked: &Asked<'_>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    if asked.ask.execution_role_arn.as_ref().is_some_and(|it| !it.is_empty()) {
        return Ok(());
    }
    let needed = |what: &str| {
        Err(Error::client(format!(
            "Fargate requires task definition to have execution role ARN to support {what}."
        )))
    };
    let driver = container.log_configuration.as_ref().and_then(|it| it.log_driver.as_ref());
    if driver == Some(&shape::LogDriver::Awslogs) {
        return needed("log driver awslogs");
    }
    match &container.image {
        Some(image) if asked::is_ecr(image) => needed("ECR images"),
        _ => Ok(()),
    }
}

fn log(container: &shape::ContainerDefinition) -> Result<(), Error> {
    let Some(log) = &container.log_configuration else { return Ok(()) };
    let Some(driver) = &log.log_driver else { return Ok(()) };
    if !DRIVERS.contains(driver) {
        return Err(unsupported(&format!("log driver {driver}")));
    }
    let prefixed = log.options.as_ref().is_some_and(|it| it.contains_key("awslogs-stream-prefix"));
    if *driver == shape::LogDriver::Awslogs && !prefixed {
        return Err(Error::client("Log driver awslogs requires options: awslogs-stream-prefix."));
    }
    Ok(())
}

fn unsupported(what: &str) -> Error {
    Error::client(format!("Fargate does not support {what}."))
}
