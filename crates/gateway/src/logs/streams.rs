//! Log streams.

use shapes::{Empty, logs as shape};
use telemetry::logs::StreamFacts;
use wire::Fault;

use super::{Desk, fault, group_arn, group_name, invalid, page};

pub(super) fn create(desk: &Desk<'_>, ask: shape::CreateLogStreamRequest) -> Result<Empty, Fault> {
    let group = group_name(ask.log_group_name, None)?;
    let name = ask.log_stream_name.unwrap_or_default();
    desk.store.create_stream(&group, &name, desk.now.0).map_err(fault)?;
    Ok(Empty)
}

pub(super) fn delete(desk: &Desk<'_>, ask: shape::DeleteLogStreamRequest) -> Result<Empty, Fault> {
    let group = group_name(ask.log_group_name, None)?;
    desk.store.delete_stream(&group, &ask.log_stream_name.unwrap_or_default()).map_err(fault)?;
    Ok(Empty)
}

pub(super) fn describe(
    desk: &Desk<'_>,
    ask: shape::DescribeLogStreamsRequest,
) -> Result<shape::DescribeLogStreamsResponse, Fault> {
    let group = group_name(ask.log_group_name, ask.log_group_identifier)?;
    let prefix = ask.log_stream_name_prefix.unwrap_or_default();
    let by_time = ask.order_by == Some(shape::OrderBy::LastEventTime);
    if by_time && !prefix.is_empty() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let mut streams = desk.store.streams(&group, &prefix).map_err(fault)?;
    if by_time {
        streams.sort_by(|a, b| (a.last, &a.name).cmp(&(b.last, &b.name)));
    }
    if ask.descending.unwrap_or(false) {
        streams.reverse();
    }
    let limit = ask.limit.and_then(|it| usize::try_from(it).ok()).unwrap_or(50);
    let (streams, next_token) = page(streams, |it| &it.name, ask.next_token.as_deref(), limit)?;
    Ok(shape::DescribeLogStreamsResponse {
        log_streams: Some(streams.into_iter().map(|it| view(desk, &group, it)).collect()),
        next_token,
    })
}

fn view(desk: &Desk<'_>, group: &str, it: StreamFacts) -> shape::LogStream {
    let StreamFacts { name, created, first, last, ingested, bytes: _ } = it;
    shape::LogStream {
        arn: Some(format!("{}:log-stream:{name}", group_arn(desk.home, group))),
        creation_time: Some(created),
        first_event_timestamp: first,
        last_event_timestamp: last,
        last_ingestion_time: ingested,
        log_stream_name: Some(name),
        // AWS has answered zero since 2019.
        stored_bytes: Some(0),
        ..shape::LogStream::default()
    }
}
