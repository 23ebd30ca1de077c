//! Log groups.

use shapes::{Empty, logs as shape};
use telemetry::logs::GroupFacts;
use wire::Fault;

use super::{Desk, Order, fault, from_arn, group_arn, group_name, invalid, page};

/// Days that events may be kept. Source: CloudWatch Logs API Reference, `PutRetentionPolicy`.
const RETENTIONS: &[i32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub(super) fn create(desk: &Desk<'_>, ask: shape::CreateLogGroupRequest) -> Result<Empty, Fault> {
    if ask.kms_key_id.is_some() {
        return Err(unsupported("Encryption with KMS keys"));
    }
    let facts = GroupFacts {
        name: ask.log_group_name.unwrap_or_default(),
        created: desk.now.0,
        retention_days: None,
        tags: ask.tags.unwrap_or_default(),
    };
    desk.store.create_group(facts).map_err(fault)?;
    Ok(Empty)
}

pub(super) fn delete(desk: &Desk<'_>, ask: shape::DeleteLogGroupRequest) -> Result<Empty, Fault> {
    desk.store.delete_group(&ask.log_group_name.unwrap_or_default()).map_err(fault)?;
    Ok(Empty)
}

pub(super) fn describe(
    desk: &Desk<'_>,
    ask: shape::DescribeLogGroupsRequest,
) -> Result<shape::DescribeLogGroupsResponse, Fault> {
    if ask.log_group_name_prefix.is_some() && ask.log_group_name_pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let mut groups = desk.store.groups(ask.log_group_name_prefix.as_deref().unwrap_or_default());
    if let Some(pattern) = &ask.log_group_name_pattern {
        groups.retain(|(it, _)| it.name.contains(pattern.as_str()));
    }
    if let Some(wanted) = ask.log_group_identifiers.filter(|it| !it.is_empty()) {
        let names: Vec<_> = wanted.iter().map(|it| from_arn(it).unwrap_or(it)).collect();
        groups.retain(|(it, _)| names.contains(&it.name.as_str()));
    }
    let limit = ask.limit.and_then(|it| usize::try_from(it).ok()).unwrap_or(50);
    let token = ask.next_token.as_deref();
    let (groups, next_token) =
        page(groups, Order::Ascending, |(it, _)| (0, &it.name), token, limit)?;
    Ok(shape::DescribeLogGroupsResponse {
        log_groups: Some(groups.into_iter().map(|(it, bytes)| view(desk, it, bytes)).collect()),
        next_token,
    })
}

fn view(desk: &Desk<'_>, it: GroupFacts, bytes: u64) -> shape::LogGroup {
    let arn = group_arn(desk.home, &it.name);
    shape::LogGroup {
        arn: Some(format!("{arn}:*")),
        log_group_arn: Some(arn),
        creation_time: Some(it.created),
        log_group_name: Some(it.name),
        retention_in_days: it.retention_days.and_then(|it| i32::try_from(it).ok()),
        stored_bytes: i64::try_from(bytes).ok(),
        metric_filter_count: Some(0),
        log_group_class: Some("STANDARD".into()),
        ..shape::LogGroup::default()
    }
}

pub(super) fn put_retention(
    desk: &Desk<'_>,
    ask: shape::PutRetentionPolicyRequest,
) -> Result<Empty, Fault> {
    let days = ask.retention_in_days.filter(|it| RETENTIONS.contains(it));
    let days = days.and_then(|it| u32::try_from(it).ok()).ok_or_else(|| {
        invalid(format!("Invalid retentionInDays: it must be one of {RETENTIONS:?}."))
    })?;
    let name = group_name(ask.log_group_name, None)?;
    desk.store.change_group(&name, |it| it.retention_days = Some(days)).map_err(fault)?;
    Ok(Empty)
}

pub(super) fn delete_retention(
    desk: &Desk<'_>,
    ask: shape::DeleteRetentionPolicyRequest,
) -> Result<Empty, Fault> {
    let name = group_name(ask.log_group_name, None)?;
    desk.store.change_group(&name, |it| it.retention_days = None).map_err(fault)?;
    Ok(Empty)
}

fn unsupported(what: &str) -> Fault {
    Fault::new(
        "UnsupportedOperationException",
        format!("{what} are not supported by this region yet."),
    )
}
