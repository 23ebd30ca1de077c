//! Who changes services all the time: everything there is to change, by the API.

use state::{
    InstanceStatus, Scheduling, Service, ServiceDeploymentKey, ServiceDeploymentStatus,
    ServiceRevision, ServiceRevisionKey, ServiceStatus, State, Task,
};

use super::{ServiceEvent, alarms, bounds, classics, names};
use crate::event::{Event, Party};
use crate::lot::Lot;
use crate::world::World;

/// Task definitions of services, by family: the last one is a version that ends at once.
pub(super) const DEFINITIONS: [(&str, &str); 4] = [
    ("svc", r#"[{"name":"app","image":"web","memory":32,"cpu":32}]"#),
    (
        "svc-port",
        r#"[{"name":"app","image":"web","memory":32,"cpu":32,"portMappings":[{"containerPort":80,"hostPort":8088}]}]"#,
    ),
    (
        "svc-check",
        r#"[{"name":"app","image":"web","memory":32,"cpu":32,"healthCheck":{"command":["CMD","ok"],"interval":5,"timeout":2,"retries":2}}]"#,
    ),
    ("svc-job", r#"[{"name":"app","image":"job","memory":32,"cpu":32}]"#),
];

/// The request that registers a family of services.
pub(crate) fn definition(family: &str) -> Option<String> {
    let (family, containers) = DEFINITIONS.iter().find(|it| it.0 == family)?;
    Some(registration(family, containers))
}

fn registration(family: &str, containers: &str) -> String {
    format!(r#"{{"family":"{family}","containerDefinitions":{containers}}}"#)
}

/// How long the operator waits before looking again, in milliseconds.
const MENDS_EVERY: u64 = 5_000;

/// A request: the operation and its body.
type Ask = (&'static str, String);

impl World {
    /// The operator does something about what it sees.
    pub(super) fn manage_services(&mut self) {
        let (mut lot, mut alarm_lot) = (self.services.lot.clone(), self.services.alarms.clone());
        let meddling = alarms::meddle(&self.region.shadow, &mut alarm_lot);
        // Names and alarms have worlds of their own.
        let told = match self.services.named {
            true => "",
            false => alarms::configured(&mut alarm_lot),
        };
        let ask = self.service_operation(&mut lot, told);
        self.services.lot = lot;
        self.services.alarms = alarm_lot;
        for (operation, body) in meddling.into_iter().chain(ask) {
            self.call(Party::Operator, operation, &body, 0);
        }
    }

    fn service_operation(&self, lot: &mut Lot, alarms: &str) -> Option<Ask> {
        let state = &self.region.shadow;
        let known = |family: &str| state.families().keys().any(|it| it.as_str() == family);
        let is_named = self.services.named;
        if let Some((family, containers)) = DEFINITIONS.iter().find(|it| !known(it.0)) {
            let named = is_named.then(|| names::with_port(containers));
            let body = registration(family, named.as_deref().unwrap_or(containers));
            return Some(("RegisterTaskDefinition", body));
        }
        if is_named {
            if let Some(ask) = names::prepare(state) {
                return Some(ask);
            }
            if lot.below(12) == 0 {
                return names::meddle(state, lot);
            }
        }
        if self.services.has_classics
            && let Some(ask) = classics::manage(state, lot)
        {
            return Some(ask);
        }
        let active = |it: &&Service| it.status == ServiceStatus::Active;
        let all: Vec<&Service> =
            state.services().values().map(AsRef::as_ref).filter(active).collect();
        if all.len() < self.services.most as usize && lot.below(2) == 0 {
            let found = |name: &str, family: &str, lot: &mut Lot| match is_named {
                true => names::found_at(state, name, lot),
                false => classics::behind(state, family),
            };
            let usual = self.services.has_classics.then_some(classics::FAMILY);
            return Some(create(lot, u64::from(self.services.most), alarms, usual, found));
        }
        let service = *lot.pick(&all)?;
        let name = service.key.name.as_str();
        let update = |rest: String| {
            ("UpdateService", format!(r#"{{"cluster":"default","service":"{name}",{rest}}}"#))
        };
        if is_named && lot.below(8) == 0 {
            let members = names::connected(name, lot);
            return Some(update(members.trim_start_matches(',').to_owned()));
        }
        Some(match lot.below(100) {
            0..25 if service.scheduling == Scheduling::Replica => {
                update(format!(r#""desiredCount":{}"#, lot.below(6)))
            }
            0..42 => update(format!(r#""taskDefinition":"{}""#, family(lot))),
            42..50 => update(r#""forceNewDeployment":true"#.into()),
            50..66 => update(format!(
                r#""deploymentConfiguration":{}"#,
                configuration(lot, service.scheduling, alarms)
            )),
            66..76 => return self.stop_service_task(service, lot),
            76..84 => return self.protect(service, lot),
            84..88 => return self.stop_rollout(service, lot),
            88..92 => {
                let body = format!(r#"{{"cluster":"default","service":"{name}","force":true}}"#);
                ("DeleteService", body)
            }
            92..97 => return self.drain_some(lot),
            _ => {
                let zones = ["ENABLED", "DISABLED"];
                let to = lot.pick(&zones).copied()?;
                update(format!(r#""availabilityZoneRebalancing":"{to}""#))
            }
        })
    }

    fn task_of(&self, service: &Service, lot: &mut Lot) -> Option<String> {
        let tasks = self.region.shadow.indexes().open_tasks(&service.key);
        let tasks: Vec<_> = tasks.iter().copied().collect();
        let task: &Task = self.region.shadow.task(*lot.pick(&tasks)?)?;
        Some(task.id.to_string())
    }

    fn stop_service_task(&self, service: &Service, lot: &mut Lot) -> Option<Ask> {
        let task = self.task_of(service, lot)?;
        Some(("StopTask", format!(r#"{{"cluster":"default","task":"{task}"}}"#)))
    }

    fn protect(&self, service: &Service, lot: &mut Lot) -> Option<Ask> {
        let (task, enabled) = (self.task_of(service, lot)?, lot.below(3) > 0);
        let expires = if enabled { r#","expiresInMinutes":1"# } else { "" };
        let body = format!(
            r#"{{"cluster":"default","tasks":["{task}"],"protectionEnabled":{enabled}{expires}}}"#
        );
        Some(("UpdateTaskProtection", body))
    }

    fn stop_rollout(&self, service: &Service, lot: &mut Lot) -> Option<Ask> {
        let state = &self.region.shadow;
        let id = service.service_deployment;
        let key = ServiceDeploymentKey { service: service.key.clone(), id };
        let open = |it: &ServiceDeploymentStatus| *it == ServiceDeploymentStatus::InProgress;
        state.service_deployments().get(&key).map(|it| it.status).filter(open)?;
        let (cluster, name) = (&service.key.cluster, &service.key.name);
        let arn = state.home().service_deployment(cluster, name, id);
        let kind = lot.pick(&["ROLLBACK", "ABORT"]).copied()?;
        let body = format!(r#"{{"serviceDeploymentArn":"{arn}","stopType":"{kind}"}}"#);
        Some(("StopServiceDeployment", body))
    }

    fn drain_some(&self, lot: &mut Lot) -> Option<Ask> {
        let rows = self.region.shadow.container_instances().values();
        let rows: Vec<_> = rows.filter(|it| it.status != InstanceStatus::Inactive).collect();
        let row = lot.pick(&rows)?;
        Some(set_status(&row.id.to_string(), lot.pick(&["DRAINING", "ACTIVE"]).copied()?))
    }

    /// Puts right what does not come to rest by itself, and looks again later.
    pub(super) fn mend_services(&mut self) {
        let asks = self.mending();
        for (operation, body) in asks {
            self.call(Party::Operator, operation, &body, 0);
        }
        self.agenda.after(MENDS_EVERY, Event::Service(ServiceEvent::Mend));
    }

    fn mending(&self) -> Vec<Ask> {
        let state = &self.region.shadow;
        let mut asks = Vec::new();
        let drains =
            |it: &&std::sync::Arc<state::ContainerInstance>| it.status == InstanceStatus::Draining;
        for row in state.container_instances().values().filter(drains) {
            asks.push(set_status(&row.id.to_string(), "ACTIVE"));
        }
        for service in state.services().values() {
            if service.status != ServiceStatus::Active || is_mended(state, service) {
                continue;
            }
            let name = service.key.name.as_str();
            let count = match service.scheduling {
                Scheduling::Replica => {
                    r#","desiredCount":2,"deploymentConfiguration":{"minimumHealthyPercent":0,"maximumPercent":200}"#
                }
                Scheduling::Daemon => {
                    r#","deploymentConfiguration":{"minimumHealthyPercent":0,"maximumPercent":100}"#
                }
            };
            let definition = match needed(state, service) {
                Some(family) => format!(r#","taskDefinition":"{family}""#),
                None => String::new(),
            };
            asks.push((
                "UpdateService",
                format!(
                    r#"{{"cluster":"default","service":"{name}","forceNewDeployment":true{definition}{count}}}"#
                ),
            ));
        }
        asks
    }
}

/// The good version that a service with one of the operator's is given. One that clients made stays:
/// another would not do in its network.
fn needed(state: &State, service: &Service) -> Option<&'static str> {
    let revision = revision(state, service)?;
    let family = revision.definition.family.as_str();
    let is_ours = DEFINITIONS.iter().any(|it| it.0 == family);
    is_ours.then_some(if revision.targets.is_empty() { "svc" } else { "svc-port" })
}

fn revision<'a>(state: &'a State, service: &Service) -> Option<&'a ServiceRevision> {
    let id = service.deployments.first()?.revision;
    let key = ServiceRevisionKey { service: service.key.clone(), id };
    state.service_revisions().get(&key).map(AsRef::as_ref)
}

/// Whether a service comes to rest by itself: it has a good version, and its percentages let it replace
/// what it has.
fn is_mended(state: &State, service: &Service) -> bool {
    let Some(primary) = service.deployments.first() else { return false };
    let is_bad =
        revision(state, service).is_none_or(|it| it.definition.family.as_str() == "svc-job");
    let desired = u64::from(service.desired);
    let most = desired * u64::from(service.maximum_percent) / 100;
    let is_free = match service.scheduling {
        Scheduling::Replica => desired == 0 || least(service, desired) < desired || most > desired,
        Scheduling::Daemon => is_daemon_free(state, service, primary.id),
    };
    !is_bad && is_free && primary.rollout != state::Rollout::Failed
}

/// Whether a daemon may lose a task, or has none of an older deployment in the way of a newer one.
fn is_daemon_free(state: &State, service: &Service, primary: u64) -> bool {
    let places = bounds::places(state, service);
    let tasks = state.indexes().open_tasks(&service.key).iter().filter_map(|it| state.task(*it));
    let mut old = tasks.filter(|it| it.service.as_ref().is_some_and(|it| it.deployment != primary));
    let all = places.len() as u64;
    least(service, all) < all || !old.any(|it| places.contains(&it.instance))
}

/// How many healthy tasks of so many have to stay.
fn least(service: &Service, desired: u64) -> u64 {
    (desired * u64::from(service.minimum_percent)).div_ceil(100)
}

fn set_status(instance: &str, status: &str) -> Ask {
    let body = format!(
        r#"{{"cluster":"default","containerInstances":["{instance}"],"status":"{status}"}}"#
    );
    ("UpdateContainerInstancesState", body)
}

/// Mostly a good version.
fn family(lot: &mut Lot) -> &'static str {
    let at = usize::try_from(lot.below(DEFINITIONS.len() as u64)).unwrap_or(0);
    DEFINITIONS.get(at).map_or("svc", |it| it.0)
}

fn create(
    lot: &mut Lot,
    names: u64,
    alarms: &str,
    usual: Option<&'static str>,
    found: impl Fn(&str, &str, &mut Lot) -> String,
) -> Ask {
    let name = lot.below(names);
    let daemon = name == 2;
    let kind = match daemon {
        true => r#","schedulingStrategy":"DAEMON""#.to_owned(),
        false => format!(r#","desiredCount":{}"#, lot.below(6)),
    };
    let scheduling = if daemon { Scheduling::Daemon } else { Scheduling::Replica };
    let (family, configuration) = (family(lot), configuration(lot, scheduling, alarms));
    let family = usual.filter(|_| lot.below(3) > 0).unwrap_or(family);
    let found = found(&format!("s{name}"), family, lot);
    let body = format!(
        r#"{{"cluster":"default","serviceName":"s{name}","taskDefinition":"{family}"{kind},"deploymentConfiguration":{configuration}{found}}}"#
    );
    ("CreateService", body)
}

fn configuration(lot: &mut Lot, scheduling: Scheduling, alarms: &str) -> String {
    let percents = match scheduling {
        Scheduling::Daemon => [(0, 100), (50, 100), (0, 100), (34, 100)],
        Scheduling::Replica => [(100, 200), (50, 100), (0, 100), (50, 150)],
    };
    let (minimum, maximum) = lot.pick(&percents).copied().unwrap_or((0, 100));
    let thresholds =
        [("COUNT", 2), ("COUNT", 4), ("BOUNDED_PERCENT", 50), ("UNBOUNDED_PERCENT", 60)];
    let (kind, value) = lot.pick(&thresholds).copied().unwrap_or(("COUNT", 2));
    let (enable, rollback, reset) = (lot.below(4) > 0, lot.below(3) > 0, lot.below(2) == 0);
    let rollback = enable && rollback;
    format!(
        r#"{{"minimumHealthyPercent":{minimum},"maximumPercent":{maximum},"deploymentCircuitBreaker":{{"enable":{enable},"rollback":{rollback},"resetOnHealthyTask":{reset},"thresholdConfiguration":{{"type":"{kind}","value":{value}}}}}{alarms}}}"#
    )
}
