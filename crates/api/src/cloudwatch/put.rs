//! `PutMetricAlarm`.

use shapes::stored;
use shapes::{Empty, cloudwatch as shape};
use state::{Alarm, AlarmState, Change, Context, Draft, Tag};

use super::{Error, tags, terms};

/// Alarms of a region. Source: Amazon CloudWatch User Guide, "CloudWatch service quotas".
const ALARMS_MAX: usize = 5_000;

/// `PutMetricAlarm`: makes an alarm, or gives one that is there other terms; its state and its tags
/// stay then.
///
/// # Errors
///
/// [`Error::LimitExceeded`]; those of [`terms::parse`]; of tags [`Error::InvalidParameterValue`].
///
/// Source: CloudWatch API Reference, `PutMetricAlarm`.
pub(super) fn put_metric_alarm(
    draft: &mut Draft<'_>,
    ask: shape::PutMetricAlarmInput,
    context: &mut Context<'_>,
) -> Result<Empty, Error> {
    let name = ask.alarm_name.clone().ok_or(Error::MissingParameter("AlarmName"))?;
    let terms = terms::parse(&ask)?;
    let tags: Vec<Tag> = tags::parse(ask.tags.as_deref())?;
    let spec = stored::to_vec(&shape::PutMetricAlarmInput {
        actions_enabled: ask.actions_enabled.or(Some(true)),
        tags: None,
        ..ask
    });
    let now = context.now;
    let alarm = match draft.state().alarms().get(&name) {
        Some(there) => Alarm { spec, terms, configured_at: now, ..there.as_ref().clone() },
        None if draft.state().alarms().len() >= ALARMS_MAX => {
            return Err(Error::LimitExceeded(ALARMS_MAX));
        }
        None => Alarm {
            name,
            spec,
            terms,
            state: AlarmState::InsufficientData,
            reason: "Unchecked: Initial alarm creation".into(),
            reason_data: None,
            state_updated_at: now,
            state_changed_at: now,
            configured_at: now,
            tags,
        },
    };
    draft.change(Change::from(alarm));
    Ok(Empty {})
}
