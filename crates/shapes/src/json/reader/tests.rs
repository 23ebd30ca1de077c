use crate::ecs::{ContainerOverride, RunTaskRequest, TaskOverride};

use super::*;

fn read(body: &str) -> Result<RunTaskRequest, DecodeError> {
    let mut request = RunTaskRequest::default();
    decode(body.as_bytes(), &mut request)?;
    Ok(request)
}

#[test]
fn a_request_is_read_whatever_the_order_of_its_members() {
    let request = read(
        r#" {"taskDefinition" : "web:3", "cluster":"default","count":2.0,
            "overrides":{"containerOverrides":[{"name":"a\u00e9\ud83d\ude00\n","command":[]}]},
            "unknown":{"a":[1,-2.5e3,{"b":null}],"c":"\""},"group":null} "#,
    );
    let overrides = ContainerOverride {
        name: Some("aé😀\n".into()),
        command: Some(vec![]),
        ..Default::default()
    };
    let expected = RunTaskRequest {
        cluster: Some("default".into()),
        count: Some(2),
        task_definition: Some("web:3".into()),
        overrides: Some(TaskOverride {
            container_overrides: Some(vec![overrides]),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(request, Ok(expected));
}

#[test]
fn values_of_the_wrong_kind_are_told_as_aws_tells_them() {
    let text = |body| read(body).map_err(|error| error.to_string()).expect_err("it is wrong");
    assert_eq!(text(r#"{"cluster":5}"#), "NUMBER_VALUE can not be converted to a String");
    assert_eq!(text(r#"{"count":"5"}"#), "STRING_VALUE can not be converted to an Integer");
    assert_eq!(text(r#"{"count":1.5}"#), "1.5 can not be converted to an Integer");
    assert_eq!(text(r#"{"cluster":[]}"#), "Start of list found where not expected.");
    assert_eq!(text(r#"{"tags":{}}"#), "Expected list or null");
    assert_eq!(text(r#"{"overrides":[]}"#), "Expected structure or null");
    assert_eq!(text(r#"{"tags":[null]}"#), "Expected structure or null");
}

#[test]
fn what_is_not_json_is_refused() {
    for body in [
        "{",
        "[]",
        "\"a\"",
        "{}{}",
        "{\"a\":01}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":+1}",
        "nul",
        "5",
        "{\"cluster\":\"\\x\"}",
        "{\"cluster\":\"\\ud800\"}",
        "{\"cluster\":\"\u{1}\"}",
        "{\"cluster\":\"\\ud800\\u0041\\",
        "{\"cluster\"",
        "{\"cluster\":tru}",
        "{\"a\":.5}",
    ] {
        assert!(read(body).is_err(), "{body}");
    }
    assert!(decode(b"{\"a\":\"\xff\"}", &mut RunTaskRequest::default()).is_err());
}

#[test]
fn nesting_that_nobody_needs_is_refused_early() {
    let deep = |open: &str| format!("{{\"unknown\":{}", open.repeat(100_000));
    assert_eq!(read(&deep("[")), Err(DecodeError::TooDeep));
    assert_eq!(read(&deep("{\"a\":")), Err(DecodeError::TooDeep));
}
