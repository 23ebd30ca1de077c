//! `DeleteAlarms`, `SetAlarmState`, `EnableAlarmActions`, `DisableAlarmActions`.

use plan::alarms::turned;
use shapes::stored;
use shapes::{Empty, cloudwatch as shape};
use state::{Alarm, AlarmState, Change, Context, Draft};

use super::Error;
use crate::ecs::view::spec;

/// `DeleteAlarms`: all of them, or none if one does not exist.
///
/// # Errors
///
/// [`Error::ResourceNotFound`].
pub(super) fn delete_alarms(
    draft: &mut Draft<'_>,
    ask: shape::DeleteAlarmsInput,
    _: &mut Context<'_>,
) -> Result<Empty, Error> {
    let names = ask.alarm_names.unwrap_or_default();
    let is_unknown = |it: &&String| !draft.state().alarms().contains_key(*it);
    let unknown: Vec<&str> = names.iter().filter(is_unknown).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(Error::ResourceNotFound(unknown.join(", ")));
    }
    for name in names {
        draft.change(Change::Alarm(name, None));
    }
    Ok(Empty {})
}

/// `SetAlarmState`: until the alarm is next evaluated.
///
/// # Errors
///
/// [`Error::ResourceNotFound`]; [`Error::InvalidParameterValue`] for an unknown state;
/// [`Error::InvalidFormat`] if the reason's data are no JSON object.
pub(super) fn set_alarm_state(
    draft: &mut Draft<'_>,
    ask: shape::SetAlarmStateInput,
    context: &mut Context<'_>,
) -> Result<Empty, Error> {
    let state = state(ask.state_value.as_ref())?;
    let is_object = |it: &String| {
        let it = it.trim();
        it.starts_with('{') && it.ends_with('}')
    };
    if ask.state_reason_data.as_ref().is_some_and(|it| !is_object(it)) {
        return Err(Error::InvalidFormat("Data was not syntactically valid JSON.".into()));
    }
    let name = ask.alarm_name.unwrap_or_default();
    let found = draft.state().alarms().get(&name).ok_or(Error::ResourceNotFound(name))?;
    let reason = ask.state_reason.unwrap_or_default();
    let alarm = turned(found.as_ref().clone(), state, reason, ask.state_reason_data, context.now);
    draft.change(Change::from(alarm));
    Ok(Empty {})
}

/// What a state is called.
///
/// # Errors
///
/// [`Error::InvalidParameterValue`] for what is none.
pub(super) fn state(asked: Option<&shape::StateValue>) -> Result<AlarmState, Error> {
    match asked {
        None => Err(Error::MissingParameter("StateValue")),
        Some(shape::StateValue::Ok) => Ok(AlarmState::Ok),
        Some(shape::StateValue::Alarm) => Ok(AlarmState::Alarm),
        Some(shape::StateValue::InsufficientData) => Ok(AlarmState::InsufficientData),
        Some(shape::StateValue::Other(it)) => {
            Err(Error::value(format!("The value {it} for parameter StateValue is invalid.")))
        }
    }
}

/// `EnableAlarmActions`. Alarms that do not exist are passed over, as AWS does.
///
/// # Errors
///
/// None.
#[expect(clippy::unnecessary_wraps, reason = "the form that every operation has")]
pub(super) fn enable_alarm_actions(
    draft: &mut Draft<'_>,
    ask: shape::EnableAlarmActionsInput,
    _: &mut Context<'_>,
) -> Result<Empty, Error> {
    switch(draft, ask.alarm_names, true);
    Ok(Empty {})
}

/// `DisableAlarmActions`. Alarms that do not exist are passed over, as AWS does.
///
/// # Errors
///
/// None.
#[expect(clippy::unnecessary_wraps, reason = "the form that every operation has")]
pub(super) fn disable_alarm_actions(
    draft: &mut Draft<'_>,
    ask: shape::DisableAlarmActionsInput,
    _: &mut Context<'_>,
) -> Result<Empty, Error> {
    switch(draft, ask.alarm_names, false);
    Ok(Empty {})
}

fn switch(draft: &mut Draft<'_>, names: Option<Vec<String>>, enabled: bool) {
    for name in names.unwrap_or_default() {
        let Some(alarm) = draft.state().alarms().get(&name) else { continue };
        let before: shape::PutMetricAlarmInput = spec(&alarm.spec);
        let after = shape::PutMetricAlarmInput { actions_enabled: Some(enabled), ..before };
        let alarm = Alarm { spec: stored::to_vec(&after), ..alarm.as_ref().clone() };
        draft.change(Change::from(alarm));
    }
}
