//! Alarms that go off at random, and what deployments make of them, reckoned from the rows alone.

use core::time::Duration;

use state::{
    AlarmState, AlarmWatch, Change, Draft, Rollout, Service, ServiceDeployment,
    ServiceDeploymentStatus as Status, ServiceKey, State, Switch, Watching,
};
use types::Timestamp;

use crate::lot::Lot;
use crate::plant::Plant;
use crate::region::Decided;
use crate::tally::{Tally, Trial};
use crate::violation::{Checked, Invariant, broken};

/// Names of alarms, and how many periods of ten seconds each looks at.
const ALARMS: [(&str, u32); 2] = [("errors", 1), ("slow", 2)];

/// Most deployments have none, so that they end before the next one is asked for.
const OFF: &str = r#","alarms":{"alarmNames":[],"enable":false,"rollback":false}"#;

/// What deployments are told of alarms. The last one names one that nobody makes.
const CONFIGURED: [&str; 7] = [
    OFF,
    OFF,
    OFF,
    OFF,
    r#","alarms":{"alarmNames":["errors"],"enable":true,"rollback":true}"#,
    r#","alarms":{"alarmNames":["errors","slow"],"enable":true,"rollback":false}"#,
    r#","alarms":{"alarmNames":["slow","nobody"],"enable":true,"rollback":true}"#,
];

/// What the deployment configuration of a request says of alarms.
pub(super) fn configured(lot: &mut Lot) -> &'static str {
    lot.pick(&CONFIGURED).copied().unwrap_or_default()
}

/// Makes the alarms that there are; then lets some go off, or calms them, now and then.
pub(super) fn meddle(state: &State, lot: &mut Lot) -> Option<(&'static str, String)> {
    if let Some((name, periods)) = ALARMS.iter().find(|it| !state.alarms().contains_key(it.0)) {
        let body = format!(
            r#"{{"AlarmName":"{name}","Namespace":"Shop","MetricName":"{name}","Statistic":"Sum","Period":10,"EvaluationPeriods":{periods},"Threshold":1,"ComparisonOperator":"GreaterThanThreshold"}}"#
        );
        return Some(("PutMetricAlarm", body));
    }
    if lot.below(5) > 0 {
        return None;
    }
    let name = lot.pick(&ALARMS)?.0;
    let to = lot.pick(&["ALARM", "OK", "OK", "INSUFFICIENT_DATA"]).copied()?;
    let body = format!(r#"{{"AlarmName":"{name}","StateValue":"{to}","StateReason":"chance"}}"#);
    Some(("SetAlarmState", body))
}

/// Checks one transaction against the state it is applied to, before it is.
pub(crate) fn check(before: &State, it: &Decided, tally: &mut Tally) -> Checked {
    for change in &it.transaction.changes {
        match change {
            Change::ServiceDeployment(key, Some(is)) => {
                let was = before.service_deployments().get(key);
                if let (Some(was), Some(service)) = (was, before.services().get(&key.service)) {
                    check_watch(before, service, was, is, it.at)?;
                    let went_off = |it: &ServiceDeployment| status(it) == Some(Watching::Triggered);
                    tally.count(Trial::Sounded, usize::from(went_off(is) && !went_off(was)));
                    let is_baked = is_monitored(is) && is_completed(was, is);
                    tally.count(Trial::Baked, usize::from(is_baked));
                }
            }
            Change::Service(key, Some(is)) => check_end(before, key, is)?,
            _ => {}
        }
    }
    Ok(())
}

/// Once nothing is due: no monitored deployment goes on while one of its alarms is in ALARM.
pub(crate) fn check_heard(state: &State) -> Checked {
    for service in state.services().values() {
        let monitored = rollout(state, service)
            .is_some_and(|it| it.status == Status::InProgress && is_monitored(it));
        let goes_on =
            service.deployments.first().is_some_and(|it| it.rollout == Rollout::InProgress);
        if monitored && goes_on && is_sounding(state, service) {
            let detail = format!("{:?} goes on while its alarm is in ALARM", service.key);
            return broken(Invariant::Alarms, detail);
        }
    }
    Ok(())
}

fn rollout<'a>(state: &'a State, service: &Service) -> Option<&'a ServiceDeployment> {
    let id = service.deployments.first()?.service_deployment;
    let key = state::ServiceDeploymentKey { service: service.key.clone(), id };
    state.service_deployments().get(&key).map(AsRef::as_ref)
}

fn status(row: &ServiceDeployment) -> Option<Watching> {
    row.watch.as_ref().map(|it| it.status)
}

fn is_monitored(row: &ServiceDeployment) -> bool {
    status(row) == Some(Watching::Monitoring)
}

fn is_sounding(state: &State, service: &Service) -> bool {
    let named = service.alarms.iter().flat_map(|it| &it.names);
    named.filter_map(|it| state.alarms().get(it)).any(|it| it.state == AlarmState::Alarm)
}

/// How long the slowest alarm of a service takes to notice something.
fn span(state: &State, service: &Service) -> Duration {
    let named = service.alarms.iter().flat_map(|it| &it.names);
    let spans = named.filter_map(|it| state.alarms().get(it));
    spans.map(|it| it.terms.period * it.terms.periods).max().unwrap_or_default()
}

fn check_watch(
    before: &State,
    service: &Service,
    was: &ServiceDeployment,
    is: &ServiceDeployment,
    at: Timestamp,
) -> Checked {
    let sounding = is_sounding(before, service);
    let key = &service.key;
    let wrong = |what: &str| broken(Invariant::Alarms, format!("a deployment of {key:?} {what}"));
    match (status(was), status(is)) {
        (None, Some(Watching::Monitoring)) if sounding => {
            wrong("is monitored by an alarm that went off before")?;
        }
        (None, Some(Watching::Disabled)) if !sounding => wrong("is not monitored for no reason")?,
        (Some(Watching::Disabled), Some(Watching::Monitoring | Watching::Triggered)) => {
            wrong("is monitored again")?;
        }
        (before, Some(Watching::Triggered)) if before != Some(Watching::Triggered) => {
            if before != Some(Watching::Monitoring) || !sounding {
                wrong("is ended by an alarm that does not sound, or does not count")?;
            }
            let goes_back = service.alarms.as_ref().is_some_and(|it| it.rollback == Switch::On);
            let ended = match is.status {
                // Of no tasks all are as they should be at once.
                Status::RollbackInProgress
                | Status::RollbackSuccessful
                | Status::RollbackFailed => goes_back,
                Status::Stopped => !goes_back,
                _ => false,
            };
            if !ended {
                wrong(&format!("ends {:?}, not as its alarm asks for", is.status))?;
            }
        }
        _ => {}
    }
    let (old, new) = (baked_at(was), baked_at(is));
    if old != new && (old.is_some() || new != Some(at.after(span(before, service)))) {
        wrong("has another bake time than its alarms")?;
    }
    if is_completed(was, is) && is_monitored(is) && new.is_none_or(|it| it > at) {
        wrong("is complete before its bake time is over")?;
    }
    Ok(())
}

fn is_completed(was: &ServiceDeployment, is: &ServiceDeployment) -> bool {
    was.status == Status::InProgress && is.status == Status::Successful
}

fn baked_at(row: &ServiceDeployment) -> Option<Timestamp> {
    row.watch.as_ref().and_then(|it| it.baked_at)
}

/// No alarm fails a deployment that is not monitored.
fn check_end(before: &State, key: &ServiceKey, is: &Service) -> Checked {
    let Some(was) = before.services().get(key) else { return Ok(()) };
    let Some(old) = was.deployments.first().filter(|it| it.rollout == Rollout::InProgress) else {
        return Ok(());
    };
    let now = is.deployments.iter().find(|it| it.id == old.id);
    let failed =
        now.is_some_and(|it| it.rollout == Rollout::Failed && it.reason.contains("alarm detected"));
    if failed && !rollout(before, was).is_some_and(is_monitored) {
        let detail = format!("an alarm fails a deployment of {key:?} that is not monitored");
        return broken(Invariant::Alarms, detail);
    }
    Ok(())
}

/// Spoils what was decided of deployments under alarms.
pub(super) fn spoil(plant: Plant, draft: &mut Draft<'_>, now: Timestamp) {
    let rows = draft.changes().iter().filter_map(|it| match it {
        Change::ServiceDeployment(_, Some(it)) if it.status == Status::InProgress => {
            Some(it.as_ref().clone())
        }
        _ => None,
    });
    let rows: Vec<ServiceDeployment> = rows.collect();
    for mut row in rows {
        match (plant, &mut row.watch) {
            (Plant::SkipsBakeTime, Some(AlarmWatch { baked_at: Some(at), .. })) if *at > now => {
                *at = now;
            }
            (Plant::FailsUnmonitored, Some(watch)) if watch.status == Watching::Disabled => {
                watch.status = Watching::Triggered;
                row.status = Status::Stopped;
            }
            _ => continue,
        }
        draft.change(Change::from(row));
    }
}
