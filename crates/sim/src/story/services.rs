//! What stories look at of services.

use state::{Desired, Service, ServiceEventKey, ServiceKey, ServiceStatus, Status, Task};
use types::{ClusterName, ServiceName};

use super::Stage;
use super::facts::differs;

impl Stage {
    /// Whether something is so of a service.
    pub(super) fn service_fact(&self, name: &str, fact: &[&str]) -> Result<Option<String>, String> {
        let wrong = |_| format!("'{name}' is no service");
        let key = ServiceKey {
            cluster: ClusterName::parse("default").map_err(wrong)?,
            name: ServiceName::parse(name).map_err(wrong)?,
        };
        let state = self.state()?;
        let Some(service) = state.services().get(&key) else {
            return Ok(Some("there is none".into()));
        };
        let tasks = state.indexes().open_tasks(&key).iter().filter_map(|it| state.task(*it));
        let tasks: Vec<&Task> = tasks.map(AsRef::as_ref).filter(|it| !it.is_over()).collect();
        let runs = |it: &&&Task| it.last == Status::Running && it.desired == Desired::Running;
        Ok(match fact {
            ["runs", count, "tasks"] => {
                differs(count, &tasks.iter().filter(runs).count().to_string())
            }
            ["has", count, "tasks"] => differs(count, &tasks.len().to_string()),
            ["is", "of", family] => {
                let other = tasks.iter().find(|it| it.revision.family.as_str() != *family);
                other.map(|it| format!("one is of {}", it.revision.family))
            }
            ["is", "steady"] => (!is_steady(service)).then(|| format!("{:?}", service.deployments)),
            ["is", status] => differs(status, status_of(service)),
            ["says", text @ ..] => {
                let text = text.join(" ");
                let of = |number| ServiceEventKey { service: key.clone(), number };
                let said = state.service_events().range(of(0)..=of(u64::MAX));
                let said: Vec<_> = said.map(|it| it.1.message.clone()).collect();
                (!said.iter().any(|it| it.contains(&text))).then(|| said.join("\n"))
            }
            _ => return Err("nobody understands this of a service".into()),
        })
    }
}

fn is_steady(service: &Service) -> bool {
    service.steady_at.is_some() && service.deployments.len() == 1
}

fn status_of(service: &Service) -> &'static str {
    match service.status {
        ServiceStatus::Active => "ACTIVE",
        ServiceStatus::Draining => "DRAINING",
        ServiceStatus::Inactive => "INACTIVE",
    }
}
