//! Container output to the region's log store (`awslogs`).

use plan::agent::spec::ContainerSpec;
use plan::agent::{Failure, FailureClass, TaskSpec};
use shapes::logs as shape;

use crate::api::CallError;
use crate::machine::Machine;

/// Where the output of a container goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    group: String,
    stream: String,
}

impl Target {
    fn of(spec: &TaskSpec, container: &ContainerSpec) -> Option<Self> {
        let options = &container.docker.log.options;
        let group = options.get("awslogs-group").filter(|it| !it.is_empty())?.clone();
        let stream = options.get("awslogs-stream").cloned();
        let stream = stream
            .unwrap_or_else(|| crate::machine::runtime_id(&spec.arn, container.name.as_str()));
        Some(Self { group, stream })
    }
}

/// Makes the log stream of a container, and its group if the task definition wants that.
pub(crate) async fn begin(
    machine: &Machine,
    spec: &TaskSpec,
    container: &ContainerSpec,
) -> Result<(), Failure> {
    let failed = |text: String| Failure { class: FailureClass::ResourceInitialization, text };
    let Some(target) = Target::of(spec, container) else {
        return Err(failed("failed to validate logger args: awslogs-group is missing".into()));
    };
    let wants_group = container.docker.log.options.get("awslogs-create-group");
    if wants_group.is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        let ask = shape::CreateLogGroupRequest {
            log_group_name: Some(target.group.clone()),
            ..shape::CreateLogGroupRequest::default()
        };
        existing(machine.api.call::<shape::CreateLogGroup>(&ask).await.map(drop))
            .map_err(|it| failed(format!("failed to create Cloudwatch log group: {it}")))?;
    }
    let ask = shape::CreateLogStreamRequest {
        log_group_name: Some(target.group.clone()),
        log_stream_name: Some(target.stream.clone()),
    };
    let made = machine.api.call::<shape::CreateLogStream>(&ask).await.map(drop);
    existing(made).map_err(|it| {
        failed(format!(
            "failed to create Cloudwatch log stream {} in {}: {it}",
            target.stream, target.group
        ))
    })
}

/// What exists already is as good as made.
fn existing(made: Result<(), CallError>) -> Result<(), CallError> {
    match made {
        Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(()),
        other => other,
    }
}
