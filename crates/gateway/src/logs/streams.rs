//! Log streams.

use shapes::{Empty, logs as shape};
use telemetry::logs::StreamFacts;
use wire::Fault;

use super::{Desk, Order, fault, group_arn, group_name, invalid, page};

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
    // Streams without events come first.
    let time = |it: &StreamFacts| if by_time { it.last.unwrap_or(i64::MIN) } else { 0 };
    streams.sort_by(|a, b| (time(a), &a.name).cmp(&(time(b), &b.name)));
    let order = if ask.descending.unwrap_or(false) { Order::Descending } else { Order::Ascending };
    if order == Order::Descending {
        streams.reverse();
    }
    let limit = ask.limit.and_then(|it| usize::try_from(it).ok()).unwrap_or(50);
    let token = ask.next_token.as_deref();
    let (streams, next_token) = page(streams, order, |it| (time(it), &it.name), token, limit)?;
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
