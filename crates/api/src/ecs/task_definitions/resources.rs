//! CPU, memory and GPUs of containers, and what a task takes from its instance.
//!
//! Source: handbook 3.3.

use shapes::ecs as shape;
use state::{Demand, NetworkMode};
use types::{Cpu, MemoryMib};

use super::asked::{self, Asked};
use super::ports;
use crate::ecs::Error;

/// The least memory a container can have, in MiB: what Docker takes since 20.10.
const MEMORY_MIN: i32 = 6;

/// Checks each container's sizes, alone and against the task's.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    let mut cpu_sum: i64 = 0;
    for container in asked.containers {
        let name = asked::name(container);
        cpu(name, container.cpu)?;
        cpu_sum += i64::from(container.cpu.unwrap_or(0));
        memory(asked, container)?;
        gpus(container)?;
    }
    match asked.cpu {
        Some(task) if cpu_sum > i64::from(task) => Err(Error::client(
            "The sum of the 'cpu' settings of the containers is greater than that of the task.",
        )),
        _ => Ok(()),
    }
}

/// What one task takes: the task's own sizes where it has them, else the sum over its containers,
/// of each the reservation where it has one, else the limit.
pub(super) fn demand(asked: &Asked<'_>) -> Result<Demand, Error> {
    let mut cpu: u32 = 0;
    let mut memory: u32 = 0;
    let mut gpu_count: u16 = 0;
    for container in asked.containers {
        cpu = cpu.saturating_add(positive(container.cpu));
        let takes = container.memory_reservation.or(container.memory);
        memory = memory.saturating_add(positive(takes));
        gpu_count = gpu_count.saturating_add(gpus(container)?);
    }
    Ok(Demand {
        cpu: Cpu(asked.cpu.unwrap_or(cpu)),
        memory: MemoryMib(asked.memory.unwrap_or(memory)),
        ports: ports::held(asked),
        gpus: gpu_count,
        interface: asked.network == NetworkMode::Awsvpc,
    })
}

/// Whole GPUs that a container asks for.
///
/// # Errors
///
/// [`Error::Client`] for a number that is none, [`Error::UnsupportedFeature`] for other devices.
pub(super) fn gpus(container: &shape::ContainerDefinition) -> Result<u16, Error> {
    let mut count: u16 = 0;
    for requirement in container.resource_requirements.as_deref().unwrap_or_default() {
        match &requirement.r#type {
            Some(shape::ResourceType::Gpu) => {}
            _ => return Err(Error::unsupported("Resource requirements other than GPU")),
        }
        let text = requirement.value.as_deref().unwrap_or_default();
        let number: u16 = text.parse().ok().filter(|it| *it > 0).ok_or_else(|| {
            Error::client(format!(
                "Invalid 'resourceRequirements' setting for container '{}'.",
                asked::name(container)
            ))
        })?;
        count = count.saturating_add(number);
    }
    Ok(count)
}

fn cpu(name: &str, cpu: Option<i32>) -> Result<(), Error> {
    match cpu {
        Some(..0) => Err(Error::client(format!("Invalid 'cpu' setting for container '{name}'."))),
        _ => Ok(()),
    }
}

fn memory(asked: &Asked<'_>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    let name = asked::name(container);
    let (limit, reservation) = (container.memory, container.memory_reservation);
    if asked.memory.is_none() && limit.is_none() && reservation.is_none() {
        return Err(Error::client(format!(
            "Invalid setting for container '{name}'. At least one of 'memory' or \
             'memoryReservation' must be specified."
        )));
    }
    for (field, value) in [("memory", limit), ("memoryReservation", reservation)] {
        let Some(value) = value else { continue };
        if value < MEMORY_MIN {
            return Err(Error::client(format!(
                "Invalid setting for container '{name}'. '{field}' must be at least {MEMORY_MIN}."
            )));
        }
        if asked.memory.is_some_and(|task| positive(Some(value)) > task) {
            return Err(Error::client(format!(
                "The '{field}' setting for container '{name}' is greater than for the task."
            )));
        }
    }
    // AWS says so and takes equal ones all the same: dask-cloudprovider registers nothing else.
    match (limit, reservation) {
        (Some(limit), Some(reservation)) if limit < reservation => Err(Error::client(format!(
            "Invalid setting for container '{name}'. 'memory' must be greater than \
             'memoryReservation'."
        ))),
        _ => Ok(()),
    }
}

fn positive(value: Option<i32>) -> u32 {
    value.and_then(|it| u32::try_from(it).ok()).unwrap_or(0)
}
