//! Services that are found by name: in Cloud Map and at the aliases of Service Connect, and what
//! must hold of that.
//!
//! What should be is reckoned here once more from the rows of tasks, and in the end from what really
//! runs on the machines.

use std::collections::BTreeSet;

use plan::names::{Outcome, is_about_names, resolve};
use state::{
    Change, ConnectEndpoint, ContainerInstance, Desired, DiscoveryHealth, DiscoveryInstanceKey,
    DiscoveryService, Health, Service, ServiceRevisionKey, ServiceStatus, State, Status, TargetKey,
    Task,
};
use types::{Home, TaskId};

use crate::lot::Lot;
use crate::plant::Plant;
use crate::tally::{Tally, Trial};
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

/// A private namespace: its services are found by DNS.
const NAMESPACE: &str = "corp.local";
/// Services of Cloud Map, each with its records and how its health is known.
const LISTS: [(&str, &str); 2] = [("list", ""), ("well", r#","HealthCheckCustomConfig":{}"#)];
/// The port of tasks that has a name.
const INSIDE: u16 = 80;
/// Instances in one answer.
const ANSWERED_MAX: usize = 8;

/// A request: the operation and its body.
type Ask = (&'static str, String);

/// A definition's containers, with a port that has a name.
pub(super) fn with_port(containers: &str) -> String {
    match containers.contains("portMappings") {
        true => containers.replace(r#""containerPort""#, r#""name":"http","containerPort""#),
        false => containers.replace(
            r#""cpu":32"#,
            &format!(r#""cpu":32,"portMappings":[{{"name":"http","containerPort":{INSIDE}}}]"#),
        ),
    }
}

/// What is missing before a service can be found by name.
pub(super) fn prepare(state: &State) -> Option<Ask> {
    let Some(namespace) = state.namespaces().values().find(|it| it.name == NAMESPACE) else {
        let vpc = &state.region().get(&())?.vpc;
        let body = format!(r#"{{"Name":"{NAMESPACE}","Vpc":"{vpc}"}}"#);
        return Some(("servicediscovery:CreatePrivateDnsNamespace", body));
    };
    let is_there = |name: &str| state.discovery_services().values().any(|it| it.name == name);
    let (name, health) = LISTS.iter().find(|it| !is_there(it.0))?;
    let id = &namespace.id;
    let body = format!(
        r#"{{"Name":"{name}","NamespaceId":"{id}","DnsConfig":{{"DnsRecords":[{{"Type":"SRV","TTL":10}}]}}{health}}}"#
    );
    Some(("servicediscovery:CreateService", body))
}

/// Where a service is found, as members of a request that begin with a comma: mostly somewhere.
pub(super) fn found_at(state: &State, name: &str, lot: &mut Lot) -> String {
    let mut members = String::new();
    let list = lot.pick(&LISTS).map_or("", |it| it.0);
    let row = state.discovery_services().values().find(|it| it.name == list);
    if let Some(row) = row.filter(|_| lot.below(3) > 0) {
        let arn = format!("arn:aws:servicediscovery:us-east-1:123456789012:service/{}", row.id);
        members = format!(
            r#","serviceRegistries":[{{"registryArn":"{arn}","containerName":"app","containerPort":{INSIDE}}}]"#
        );
    }
    members + &connected(name, lot)
}

/// A service's configuration of Service Connect: mostly with a name of its own, which another
/// service may want too.
pub(super) fn connected(name: &str, lot: &mut Lot) -> String {
    let services = match lot.below(6) {
        0 => return r#","serviceConnectConfiguration":{"enabled":false}"#.to_owned(),
        1 => String::new(),
        2 => alias(name, "shared.internal"),
        _ => alias(name, name),
    };
    format!(
        r#","serviceConnectConfiguration":{{"enabled":true,"namespace":"{NAMESPACE}","services":[{services}]}}"#
    )
}

fn alias(name: &str, dns_name: &str) -> String {
    format!(
        r#"{{"portName":"http","discoveryName":"{name}","clientAliases":[{{"port":80,"dnsName":"{dns_name}"}}]}}"#
    )
}

/// Somebody changes what is not theirs.
pub(super) fn meddle(state: &State, lot: &mut Lot) -> Option<Ask> {
    let keys: Vec<&DiscoveryInstanceKey> = state.discovery_instances().keys().collect();
    let DiscoveryInstanceKey { service, id } = lot.pick(&keys)?;
    let body = format!(r#"{{"ServiceId":"{service}","InstanceId":"{id}"}}"#);
    Some(("servicediscovery:DeregisterInstance", body))
}

/// What answers questions: it hears of durable changes, of those that are about names.
#[derive(Debug)]
pub(crate) struct Desk(State);

impl Desk {
    pub(super) fn new(home: &Home) -> Self {
        Self(State::new(home.clone()))
    }

    pub(crate) fn hear(&mut self, change: &Change, plant: Option<Plant>) {
        let is_lost = plant == Some(Plant::ForgetsNames)
            && matches!(
                change,
                Change::ConnectEndpoint(_, None) | Change::DiscoveryInstance(_, None)
            );
        if is_about_names(change) && !is_lost {
            self.0.apply(change.clone());
        }
    }
}

/// Where no review is due: everything is found exactly where it runs.
pub(crate) fn check_found(state: &State, tally: &mut Tally) -> Checked {
    for task in state.tasks().values() {
        let wanted = wanted_in_lists(state, task);
        for list in state.discovery_services().values() {
            let id = task.id.to_string();
            let key = DiscoveryInstanceKey { service: list.id.clone(), id };
            let found = state.discovery_instances().get(&key);
            let port = found.and_then(|it| it.attributes.get("AWS_INSTANCE_PORT")).cloned();
            let is = found.map(|it| (port, it.health));
            let should = wanted.as_ref().filter(|it| it.0 == list.id).map(|it| {
                let well = if it.2 { DiscoveryHealth::Healthy } else { DiscoveryHealth::Unhealthy };
                (Some(it.1.to_string()), list.custom_health.then_some(well))
            });
            if is != should {
                let detail = format!("task {} is found as {is:?}, not as {should:?}", task.id);
                return broken(Invariant::Found, detail);
            }
        }
    }
    for key in state.discovery_instances().keys() {
        let task = TaskId::parse(&key.id).ok().and_then(|it| state.task(it));
        if task.is_none() {
            return broken(Invariant::Found, format!("{} is found, and there is none", key.id));
        }
    }
    state.connect_endpoints().values().try_for_each(|it| check_endpoint(state, it, tally))
}

/// The service of Cloud Map that a task should be found in, its port, and whether it is well.
fn wanted_in_lists(state: &State, task: &Task) -> Option<(String, u16, bool)> {
    let key =
        ServiceRevisionKey { service: task.service_key()?, id: task.service.as_ref()?.revision };
    let registry = state.service_revisions().get(&key)?.registries.first()?;
    let list = registry.arn.rsplit('/').next()?;
    state.container_instance(task.instance)?;
    let port = port(task).filter(|_| runs(task))?;
    Some((list.to_owned(), port, is_well(task)))
}

/// An endpoint is of a service that is there, and its targets are the tasks of it that run and are
/// well.
fn check_endpoint(state: &State, it: &ConnectEndpoint, tally: &mut Tally) -> Checked {
    let service = state.services().get(&it.service);
    if service.is_none_or(|it| it.status == ServiceStatus::Inactive) {
        return broken(Invariant::Connected, format!("{} is of no service", it.arn));
    }
    let place = |task: &Task| {
        let instance: &ContainerInstance = state.container_instance(task.instance)?;
        let id = instance.ec2_instance_id.clone();
        Some(TargetKey { group: it.arn.clone(), id, port: port(task)? })
    };
    let tasks =
        state.tasks().values().filter(|task| task.service_key().as_ref() == Some(&it.service));
    let (well, ill): (Vec<_>, Vec<_>) = tasks.filter(|it| runs(it)).partition(|it| is_well(it));
    let wanted: BTreeSet<TargetKey> = well.iter().filter_map(|it| place(it)).collect();
    tally.count(Trial::Connected, usize::from(!wanted.is_empty()));
    tally.count(Trial::ConnectedIll, usize::from(!ill.is_empty()));
    let targets = state.targets().values().filter(|target| target.key.group == it.arn);
    let open: BTreeSet<TargetKey> =
        targets.clone().filter(|it| it.draining.is_none()).map(|it| it.key.clone()).collect();
    // What drains comes back once that is over.
    let drains = |key: &TargetKey| state.targets().get(key).is_some_and(|it| it.draining.is_some());
    let missing = wanted.difference(&open).find(|it| !drains(it));
    match open.difference(&wanted).next().or(missing) {
        Some(key) => {
            let what = if wanted.contains(key) { "not behind" } else { "behind" };
            let detail = format!("{}:{} is {what} {}", key.id, key.port, it.arn);
            broken(Invariant::Connected, detail)
        }
        None => Ok(()),
    }
}

fn runs(task: &Task) -> bool {
    task.last == Status::Running && task.desired == Desired::Running
}

/// Only definitions of that family have a check.
fn is_well(task: &Task) -> bool {
    task.revision.family.as_str() != "svc-check"
        || task.containers.iter().all(|it| it.health == Health::Healthy)
}

fn port(task: &Task) -> Option<u16> {
    let mut bindings = task.containers.iter().flat_map(|it| &it.bindings);
    bindings.find(|it| it.container == INSIDE).map(|it| it.host.number)
}

impl World {
    /// Answers are what the durable rows say: all names that there are or may have been.
    pub(crate) fn check_names(&self) -> Checked {
        let (shadow, desk) = (&self.region.shadow, &self.services.desk.0);
        let mut addresses: BTreeSet<_> = BTreeSet::new();
        for namespace in shadow.namespaces().values() {
            let within = plan::connect::search_domain(&namespace.id);
            for short in ["s0", "s1", "s2", "shared.internal"] {
                let of = |it: &&std::sync::Arc<ConnectEndpoint>| {
                    it.namespace == namespace.id && it.dns_name == short
                };
                let row = shadow.connect_endpoints().values().find(of);
                let said = resolve(desk, &format!("{short}.{within}"), "A", 0);
                let address = row.map(|it| it.node.address.to_string());
                let answered = said.records.first().map(|it| it.value.clone());
                let missed = row.is_none() && said.outcome != Outcome::NoSuchName;
                if answered != address || missed {
                    let detail = format!("{short} is answered as {answered:?}, and is {address:?}");
                    return broken(Invariant::Named, detail);
                }
                if address.is_some_and(|it| !addresses.insert(it)) {
                    return broken(Invariant::Named, format!("{short} has another name's address"));
                }
            }
        }
        let lists = shadow.discovery_services().values();
        lists.into_iter().try_for_each(|list| check_list(shadow, desk, list))
    }

    /// What is not yet found as it really is, in the end.
    pub(crate) fn unsettled_names(&self, state: &State) -> Option<String> {
        let mut really = BTreeSet::new();
        for machine in self.machines.values() {
            // Nothing tells a machine from its copy: where both ran a task, the report that came last
            // counts, also when the copy has gone.
            if !machine.exists {
                really.extend(machine.bound.iter().cloned());
            }
            for (arn, held) in machine.runtime.tasks.iter().filter(|it| it.1.runs()) {
                let id = arn.rsplit('/').next().unwrap_or_default().to_owned();
                really.extend(held.ports().into_iter().map(|it| (id.clone(), it.number)));
            }
        }
        for it in state.discovery_instances().values() {
            let port = it.attributes.get("AWS_INSTANCE_PORT").and_then(|it| it.parse().ok());
            if !port.is_some_and(|port| really.contains(&(it.key.id.clone(), port))) {
                return Some(format!("{} is found at {port:?}, and does not run there", it.key.id));
            }
        }
        let inactive = |it: &&std::sync::Arc<Service>| it.status == ServiceStatus::Inactive;
        let gone = state
            .services()
            .values()
            .find(|it| inactive(it) && plan::connect::of_service(state, &it.key).next().is_some());
        gone.map(|it| format!("an endpoint of {} is left", it.key.name))
    }
}

/// A service of Cloud Map is answered as its healthy instances, or all where none is.
fn check_list(shadow: &State, desk: &State, list: &DiscoveryService) -> Checked {
    let all = shadow.discovery_instances().values().filter(|it| it.key.service == list.id);
    let (well, ill): (Vec<_>, Vec<_>) =
        all.partition(|it| it.health != Some(DiscoveryHealth::Unhealthy));
    let chosen = if well.is_empty() { ill } else { well };
    let name = format!("{}.{NAMESPACE}", list.name);
    let said = resolve(desk, &name, "SRV", 0).records;
    let known = |value: &str| {
        chosen.iter().any(|it| {
            let port = it.attributes.get("AWS_INSTANCE_PORT").map_or("", String::as_str);
            value == format!("1 1 {port} {}.{name}.", it.key.id)
        })
    };
    let stranger = said.iter().find(|it| !known(&it.value)).map(|it| it.value.clone());
    if said.len() != chosen.len().min(ANSWERED_MAX) || stranger.is_some() {
        let detail = format!("{name}: {} answers of {}, {stranger:?}", said.len(), chosen.len());
        return broken(Invariant::Named, detail);
    }
    Ok(())
}
