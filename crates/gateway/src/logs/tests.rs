use shapes::logs as shape;
use telemetry::logs::LogStore;
use types::{AccountId, Home, Region, Timestamp};

use super::*;

struct World {
    home: Home,
    store: LogStore,
    _folder: tempfile::TempDir,
}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        };
        let world =
            Self { home, store: LogStore::open(folder.path()).expect("opens"), _folder: folder };
        let group = shape::CreateLogGroupRequest {
            log_group_name: Some("/app".into()),
            ..Default::default()
        };
        groups::create(&world.desk(), group).expect("made");
        let stream = shape::CreateLogStreamRequest {
            log_group_name: Some("/app".into()),
            log_stream_name: Some("one".into()),
        };
        streams::create(&world.desk(), stream).expect("made");
        world
    }

    fn desk(&self) -> Desk<'_> {
        Desk { home: &self.home, store: &self.store, now: NOW }
    }

    fn put(&self, times: &[i64]) -> Result<shape::PutLogEventsResponse, Fault> {
        let one = |at: &i64| shape::InputLogEvent {
            message: Some(format!("at {at}")),
            timestamp: Some(NOW.0 + at),
        };
        let ask = shape::PutLogEventsRequest {
            log_group_name: Some("/app".into()),
            log_stream_name: Some("one".into()),
            log_events: Some(times.iter().map(one).collect()),
            ..Default::default()
        };
        events::put(&self.desk(), ask)
    }

    fn get(&self, token: Option<String>) -> (Vec<String>, String) {
        let ask = shape::GetLogEventsRequest {
            log_group_name: Some("/app".into()),
            log_stream_name: Some("one".into()),
            start_from_head: Some(true),
            limit: Some(2),
            next_token: token,
            ..Default::default()
        };
        let page = events::get(&self.desk(), ask).expect("reads");
        let messages = page.events.into_iter().flatten().filter_map(|it| it.message);
        (messages.collect(), page.next_forward_token.expect("a token"))
    }
}

#[test]
fn a_reader_that_follows_tokens_sees_everything_once_and_an_end() {
    let world = World::new();
    world.put(&[1, 2, 3]).expect("put");
    let (first, token) = world.get(None);
    let (second, token) = world.get(Some(token));
    let (third, same) = world.get(Some(token.clone()));
    assert_eq!((first.len(), second, third.len()), (2, vec!["at 3".to_owned()], 0));
    assert_eq!(same, token, "the same token again is the end");
}

#[test]
fn batches_are_in_order_and_of_our_time() {
    let world = World::new();
    assert_eq!(world.put(&[2, 1]).expect_err("refused").code, "InvalidParameterException");
    let old = -15 * 24 * 60 * 60 * 1000;
    let answer = world.put(&[old]).expect("put");
    let rejected = answer.rejected_log_events_info.expect("something was rejected");
    assert_eq!(rejected.too_old_log_event_end_index, Some(1));
    let answer = world.put(&[0, 3 * 60 * 60 * 1000]).expect("put");
    let rejected = answer.rejected_log_events_info.expect("something was rejected");
    assert_eq!(rejected.too_new_log_event_start_index, Some(1));
    assert_eq!(world.get(None).0, ["at 0"]);
}

#[test]
fn what_is_missing_is_told_in_awss_words() {
    let world = World::new();
    let ask = shape::DescribeLogStreamsRequest {
        log_group_name: Some("/none".into()),
        ..Default::default()
    };
    let refused = streams::describe(&world.desk(), ask).expect_err("refused");
    assert_eq!(refused.code, "ResourceNotFoundException");
    assert_eq!(refused.message, "The specified log group does not exist.");
}

#[test]
fn groups_are_listed_in_pages() {
    let world = World::new();
    for name in ["/a", "/b", "/c"] {
        let ask = shape::CreateLogGroupRequest {
            log_group_name: Some(name.into()),
            ..Default::default()
        };
        groups::create(&world.desk(), ask).expect("made");
    }
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let ask = shape::DescribeLogGroupsRequest {
            limit: Some(3),
            next_token: token,
            ..Default::default()
        };
        let page = groups::describe(&world.desk(), ask).expect("lists");
        names.extend(page.log_groups.into_iter().flatten().filter_map(|it| it.log_group_name));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["/a", "/app", "/b", "/c"]);
}

#[test]
fn a_page_token_stays_good_when_what_it_names_is_gone() {
    for order in [shape::OrderBy::LogStreamName, shape::OrderBy::LastEventTime] {
        let world = World::new();
        for name in ["a", "b", "c", "d"] {
            let ask = shape::CreateLogStreamRequest {
                log_group_name: Some("/app".into()),
                log_stream_name: Some(name.into()),
            };
            streams::create(&world.desk(), ask).expect("made");
        }
        let list = |token: Option<String>| {
            let ask = shape::DescribeLogStreamsRequest {
                log_group_name: Some("/app".into()),
                order_by: Some(order.clone()),
                limit: Some(if token.is_none() { 2 } else { 50 }),
                next_token: token,
                ..Default::default()
            };
            let page = streams::describe(&world.desk(), ask).expect("lists");
            let names = page.log_streams.into_iter().flatten().filter_map(|it| it.log_stream_name);
            (names.collect::<Vec<_>>(), page.next_token)
        };
        let (first, token) = list(None);
        assert_eq!(first, ["a", "b"]);
        let ask = shape::DeleteLogStreamRequest {
            log_group_name: Some("/app".into()),
            log_stream_name: Some("b".into()),
        };
        streams::delete(&world.desk(), ask).expect("deleted");
        assert_eq!(list(token).0, ["c", "d", "one"], "{order:?}");
    }
}
