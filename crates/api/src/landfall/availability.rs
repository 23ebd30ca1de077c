//! What is left of clusters if any one instance or zone fails, and whether the rest can take over.

use plan::availability::{
    Availability, Domain, Finding, Headroom, Loss, Part, Tasks, ZoneShare, availability, headroom,
};
use plan::mass_loss::{self, Brake};
use shapes::landfall as shape;
use state::{ClusterStatus, Context, Scheduling, State};
use types::{ClusterName, Group, Home, Timestamp};

use super::{Error, trail};
use crate::ecs::find;

/// Most clusters that are looked at together.
const CLUSTERS_MAX: usize = 100;
/// Most failures of instances that an answer tells of, the worst first; groups have theirs anyway.
const INSTANCES_MAX: usize = 100;
/// For how many zones the head room is worked out. Source: handbook 11.1.
const ZONES: core::ops::RangeInclusive<u32> = 2..=6;
/// The largest load that can be asked about, in instances.
const LOAD_MAX: i32 = 1_000_000;

/// A request with a copy of the state that it is answered on, away from the writer.
#[derive(Debug)]
pub struct AvailabilityQuestion {
    copy: State,
    clusters: Vec<ClusterName>,
    load: Option<u32>,
    now: Timestamp,
}

/// Takes in `ReportAvailability`: of one cluster, or of all that are ACTIVE.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks, [`Error::ClusterNotFound`],
/// [`Error::InvalidParameter`] for too many clusters or a load that is none.
pub fn availability_question(
    state: &State,
    ask: &shape::ReportAvailabilityRequest,
    context: &Context<'_>,
) -> Result<AvailabilityQuestion, Error> {
    trail::people_only(state, context)?;
    let clusters = match ask.cluster.as_deref() {
        Some(name) => vec![find::cluster(state, Some(name))?.name.clone()],
        None => active(state)?,
    };
    let load = ask.load.map(load).transpose()?;
    Ok(AvailabilityQuestion { copy: state.clone(), clusters, load, now: context.now })
}

fn active(state: &State) -> Result<Vec<ClusterName>, Error> {
    let all = state.clusters().values().filter(|it| it.status == ClusterStatus::Active);
    let names: Vec<_> = all.map(|it| it.name.clone()).take(CLUSTERS_MAX + 1).collect();
    if names.len() > CLUSTERS_MAX {
        let text = format!("The region has more than {CLUSTERS_MAX} clusters: name one.");
        return Err(Error::InvalidParameter(text));
    }
    Ok(names)
}

fn load(asked: i32) -> Result<u32, Error> {
    let fits = |it: &u32| *it >= 1 && *it <= LOAD_MAX.unsigned_abs();
    u32::try_from(asked).ok().filter(fits).ok_or_else(|| {
        Error::InvalidParameter(format!("load must be 1 to {LOAD_MAX} container instances."))
    })
}

impl AvailabilityQuestion {
    /// Works the answer out, which may take seconds where there are many tasks.
    pub fn answer(mut self) -> shape::ReportAvailabilityResponse {
        let mut reports = Vec::new();
        for cluster in &self.clusters {
            let all = availability(&mut self.copy, cluster);
            let mut told = report(self.copy.home(), &all, self.load.unwrap_or(all.load));
            if let Some(brake) = mass_loss::brake(&self.copy, cluster, self.now) {
                told.findings.get_or_insert_default().insert(0, slowed(&brake));
            }
            reports.push(told);
        }
        shape::ReportAvailabilityResponse { clusters: Some(reports) }
    }
}

fn report(home: &Home, all: &Availability, load: u32) -> shape::ClusterAvailability {
    let losses = |them: &[Loss]| them.iter().map(|it| loss(home, all, it)).collect::<Vec<_>>();
    let shown = all.instance_losses.len().min(INSTANCES_MAX);
    let headrooms = ZONES.filter_map(|zones| headroom(load, zones)).map(room);
    shape::ClusterAvailability {
        cluster_arn: Some(home.cluster(&all.cluster)),
        instances: Some(number(all.hosts())),
        load: Some(number(load)),
        zones: Some(all.zones.iter().map(zone).collect()),
        groups: Some(all.groups.iter().map(|(name, it)| group(all, name, it)).collect()),
        zone_losses: Some(losses(&all.zone_losses)),
        instance_losses: all.instance_losses.get(..shown).map(losses),
        headroom: Some(headrooms.collect()),
        findings: Some(all.findings.iter().map(finding).collect()),
    }
}

fn number(it: u32) -> i32 {
    i32::try_from(it).unwrap_or(i32::MAX)
}

fn zone(it: &ZoneShare) -> shape::ZoneAvailability {
    shape::ZoneAvailability {
        availability_zone: Some(it.zone.to_string()),
        instances: Some(number(it.hosts)),
        unavailable_instances: Some(number(it.resting)),
        tasks: Some(number(it.tasks)),
        cpu: Some(number(it.has.cpu.0)),
        memory: Some(number(it.has.memory.0)),
        free_cpu: Some(number(it.free.cpu.0)),
        free_memory: Some(number(it.free.memory.0)),
    }
}

fn group(all: &Availability, name: &Group, tasks: &Tasks) -> shape::GroupAvailability {
    let told = |(loss, it): (&Loss, &Part)| part(loss, name, tasks.count, *it);
    let zones = tasks.by_zone.iter().map(|(zone, count)| shape::ZoneTasks {
        availability_zone: Some(zone.to_string()),
        tasks: Some(number(*count)),
    });
    shape::GroupAvailability {
        group: Some(name.to_string()),
        scheduling: tasks.scheduling.map(|it| strategy(it).to_owned()),
        tasks: Some(number(tasks.count)),
        zones: Some(zones.collect()),
        worst_instance: all.worst_instance(name).map(told),
        worst_zone: all.worst_zone(name).map(told),
    }
}

/// As `schedulingStrategy` of a service.
fn strategy(it: Scheduling) -> &'static str {
    match it {
        Scheduling::Replica => "REPLICA",
        Scheduling::Daemon => "DAEMON",
    }
}

fn part(loss: &Loss, group: &Group, tasks: u32, it: Part) -> shape::GroupLoss {
    shape::GroupLoss {
        failure: Some(loss.domain.to_string()),
        group: Some(group.to_string()),
        tasks: Some(number(tasks)),
        lost: Some(number(it.lost)),
        left: Some(number(tasks.saturating_sub(it.lost))),
        placed: Some(number(it.placed)),
        daemons: Some(number(it.daemons)),
    }
}

fn loss(home: &Home, all: &Availability, it: &Loss) -> shape::AvailabilityLoss {
    let (arn, zone) = match &it.domain {
        Domain::Instance { id, zone, .. } => (Some(home.instance(&all.cluster, *id)), zone),
        Domain::Zone(zone) => (None, zone),
    };
    let tasks = |name: &Group| all.groups.get(name).map_or(0, |it| it.count);
    let parts = it.parts.iter().map(|(name, lost)| part(it, name, tasks(name), *lost));
    shape::AvailabilityLoss {
        failure: Some(it.domain.to_string()),
        container_instance_arn: arn,
        availability_zone: Some(zone.to_string()),
        instances: Some(number(it.hosts)),
        cpu: Some(number(it.has.cpu.0)),
        memory: Some(number(it.has.memory.0)),
        lost: Some(number(it.lost())),
        placed: Some(number(it.placed())),
        daemons: Some(number(it.daemons())),
        groups: Some(parts.collect()),
    }
}

fn room(it: Headroom) -> shape::Headroom {
    shape::Headroom {
        zones: Some(number(it.zones)),
        instances_per_zone: Some(number(it.per_zone)),
        instances: Some(number(it.hosts)),
        utilization_percent: Some(f64::from(it.utilisation) / 10.0),
        overhead_percent: Some(f64::from(it.overhead) / 10.0),
    }
}

fn finding(it: &Finding) -> shape::AvailabilityFinding {
    shape::AvailabilityFinding { code: Some(it.code().to_owned()), detail: Some(it.to_string()) }
}

fn slowed(brake: &Brake) -> shape::AvailabilityFinding {
    let code = Some("REPLACEMENT_SLOWED".to_owned());
    shape::AvailabilityFinding { code, detail: Some(brake.to_string()) }
}

#[cfg(test)]
mod tests {
    use types::InstanceId;

    use super::*;
    use crate::fixture::{self, Fixture};

    fn ask(
        region: &Fixture,
        ask: &shape::ReportAvailabilityRequest,
    ) -> Result<shape::ReportAvailabilityResponse, Error> {
        region
            .look(|state, it| availability_question(state, ask, it))
            .map(AvailabilityQuestion::answer)
    }

    #[test]
    fn the_head_room_of_the_source_is_answered_for_a_load_that_is_given() {
        let mut region = fixture::region();
        region.instance(1);
        let of = |load| shape::ReportAvailabilityRequest { load: Some(load), cluster: None };
        let answer = ask(&region, &of(60)).expect("answers");
        let cluster = &answer.clusters.expect("clusters")[0];
        let rooms = cluster.headroom.iter().flatten();
        let hosts: Vec<_> = rooms.filter_map(|it| it.instances).collect();
        assert_eq!(hosts, [120, 90, 80, 75, 72]);
        for bad in [0, -1, LOAD_MAX + 1] {
            assert!(matches!(ask(&region, &of(bad)), Err(Error::InvalidParameter(_))), "{bad}");
        }
    }

    #[test]
    fn a_cluster_that_is_not_there_is_refused() {
        let region = fixture::region();
        let named = shape::ReportAvailabilityRequest { cluster: Some("x".into()), load: None };
        assert_eq!(ask(&region, &named).err(), Some(Error::ClusterNotFound));
    }

    #[test]
    fn an_instance_that_fails_is_named_and_counted() {
        let mut region = fixture::region();
        region.instance(1);
        region.instance(2);
        let answer = ask(&region, &shape::ReportAvailabilityRequest::default()).expect("answers");
        let cluster = &answer.clusters.expect("clusters")[0];
        assert_eq!(cluster.instances, Some(2));
        let loss = &cluster.instance_losses.as_ref().expect("losses")[0];
        assert!(loss.container_instance_arn.as_ref().is_some_and(|it| it.contains("/default/")));
        assert_eq!((loss.instances, loss.cpu, loss.lost), (Some(1), Some(1024), Some(0)));
        let codes: Vec<_> =
            cluster.findings.iter().flatten().filter_map(|it| it.code.as_deref()).collect();
        assert_eq!(codes, ["ONE_ZONE"]);
    }

    #[test]
    fn it_is_told_first_that_replacement_is_slowed() {
        let mut region = fixture::region();
        for number in 1..=5 {
            region.instance(number);
        }
        let found = |region: &Fixture| {
            let answer =
                ask(region, &shape::ReportAvailabilityRequest::default()).expect("answers");
            let cluster = answer.clusters.expect("clusters").remove(0);
            let first = cluster.findings.unwrap_or_default().into_iter().next();
            first.and_then(|it| it.code).unwrap_or_default()
        };
        for number in 1..=3 {
            assert_ne!(found(&region), "REPLACEMENT_SLOWED");
            region.step(|draft, it| {
                plan::instances::disconnect(draft, InstanceId::new(number), it.now);
            });
        }
        assert_eq!(found(&region), "REPLACEMENT_SLOWED");
    }
}
