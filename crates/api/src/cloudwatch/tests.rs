//! Alarms as clients put, list, set and delete them.

use serde_json::{Value, json};

use crate::fixture::{Fixture, region};

/// A request; the answer, or `CODE: message`.
fn ask(region: &mut Fixture, operation: &str, input: Value) -> Result<Value, String> {
    let service = &shapes::cloudwatch::SERVICE;
    let answer = region.ask(&super::registry(), service, operation, &input.to_string());
    answer.map_err(|fault| format!("{}: {}", fault.code, fault.message))
}

fn alarm(name: &str, more: &Value) -> Value {
    let mut input = json!({
        "AlarmName": name, "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum",
        "Period": 60, "EvaluationPeriods": 3, "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
    });
    for (key, value) in more.as_object().expect("members") {
        if value.is_null() {
            input.as_object_mut().expect("members").remove(key);
        } else {
            input[key] = value.clone();
        }
    }
    input
}

fn put(region: &mut Fixture, name: &str, more: &Value) {
    ask(region, "PutMetricAlarm", alarm(name, more)).expect("is put");
}

fn names(found: &Value) -> Vec<&str> {
    let rows = found["MetricAlarms"].as_array().expect("a list").iter();
    rows.map(|it| it["AlarmName"].as_str().expect("a name")).collect()
}

#[test]
fn an_alarm_is_new_once_and_keeps_its_state_when_its_terms_change() {
    let mut region = region();
    put(&mut region, "errors", &json!({"Tags": [{"Key": "team", "Value": "chat"}]}));
    let found = ask(&mut region, "DescribeAlarms", json!({})).expect("answers");
    let row = &found["MetricAlarms"][0];
    for (key, expected) in [
        ("AlarmArn", json!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors")),
        ("StateValue", json!("INSUFFICIENT_DATA")),
        ("StateReason", json!("Unchecked: Initial alarm creation")),
        ("ActionsEnabled", json!(true)),
        ("AlarmActions", json!([])),
        ("Dimensions", json!([])),
        ("Threshold", json!(5.0)),
        ("TreatMissingData", Value::Null),
    ] {
        assert_eq!(row[key], expected, "{key}");
    }

    let set = json!({"AlarmName": "errors", "StateValue": "ALARM", "StateReason": "trying"});
    ask(&mut region, "SetAlarmState", set).expect("is set");
    put(&mut region, "errors", &json!({"Threshold": 7.0, "Tags": [{"Key": "a", "Value": "b"}]}));
    ask(&mut region, "DisableAlarmActions", json!({"AlarmNames": ["errors", "nobody"]}))
        .expect("ok");
    let found = ask(&mut region, "DescribeAlarms", json!({})).expect("answers");
    let row = &found["MetricAlarms"][0];
    assert_eq!((&row["StateValue"], &row["Threshold"]), (&json!("ALARM"), &json!(7.0)));
    assert_eq!((&row["StateReason"], &row["ActionsEnabled"]), (&json!("trying"), &json!(false)));
    let arn = json!({"ResourceARN": row["AlarmArn"]});
    let tags = ask(&mut region, "ListTagsForResource", arn.clone()).expect("answers");
    assert_eq!(tags, json!({"Tags": [{"Key": "team", "Value": "chat"}]}));

    ask(&mut region, "DeleteAlarms", json!({"AlarmNames": ["errors"]})).expect("is deleted");
    let gone = ask(&mut region, "ListTagsForResource", arn).expect_err("is gone");
    assert!(gone.starts_with("ResourceNotFoundException"), "{gone}");
}

#[test]
fn alarms_are_listed_by_names_beginnings_states_and_pages() {
    let mut region = region();
    for name in ["web-slow", "api-errors", "web-errors"] {
        put(&mut region, name, &json!({}));
    }
    let set = json!({"AlarmName": "web-slow", "StateValue": "OK", "StateReason": ""});
    ask(&mut region, "SetAlarmState", set).expect("is set");
    for (filter, expected) in [
        (json!({}), "api-errors web-errors web-slow"),
        (json!({"AlarmNamePrefix": "web-"}), "web-errors web-slow"),
        (json!({"AlarmNames": ["web-slow", "nobody"]}), "web-slow"),
        (json!({"StateValue": "OK"}), "web-slow"),
        (json!({"StateValue": "ALARM"}), ""),
        (json!({"AlarmTypes": ["CompositeAlarm"]}), ""),
        (
            json!({"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}),
            "api-errors web-errors web-slow",
        ),
    ] {
        let found = ask(&mut region, "DescribeAlarms", filter.clone()).expect("answers");
        assert_eq!(names(&found).join(" "), expected, "{filter}");
    }
    let page =
        |token: &Value| json!({"AlarmNamePrefix": "web", "MaxRecords": 1, "NextToken": token});
    let first = ask(&mut region, "DescribeAlarms", page(&Value::Null)).expect("answers");
    let second = ask(&mut region, "DescribeAlarms", page(&first["NextToken"])).expect("answers");
    assert_eq!((names(&first), names(&second)), (vec!["web-errors"], vec!["web-slow"]));
    assert_eq!(second["NextToken"], Value::Null);
}

#[test]
fn alarms_are_found_by_exactly_their_metric() {
    let mut region = region();
    let of = |name: &str| json!({"Dimensions": [{"Name": "Service", "Value": name}]});
    put(&mut region, "all", &json!({}));
    put(&mut region, "web", &of("web"));
    put(&mut region, "web-hourly", &json!({"Dimensions": of("web")["Dimensions"], "Period": 3600}));
    put(&mut region, "other", &json!({"MetricName": "Requests"}));
    let mut found = |more: Value| {
        let mut filter = json!({"Namespace": "Shop", "MetricName": "Errors"});
        for (key, value) in more.as_object().expect("members") {
            filter[key] = value.clone();
        }
        let found = ask(&mut region, "DescribeAlarmsForMetric", filter).expect("answers");
        names(&found).join(" ")
    };
    assert_eq!(found(json!({})), "all");
    assert_eq!(found(of("web")), "web web-hourly");
    assert_eq!(found(json!({"Dimensions": of("web")["Dimensions"], "Period": 60})), "web");
    assert_eq!(found(of("api")), "");
}

#[test]
fn what_cannot_be_an_alarm_is_refused() {
    let mut region = region();
    for (more, expected) in [
        (json!({"Period": 45}), "InvalidParameterValue: The parameter Period must be"),
        (json!({"Period": 600, "EvaluationPeriods": 145}), "InvalidParameterValue: Metrics cannot"),
        (json!({"DatapointsToAlarm": 4}), "InvalidParameterValue: The parameter DatapointsToAlarm"),
        (json!({"TreatMissingData": "guess"}), "InvalidParameterValue: The value guess"),
        (json!({"Statistic": "p99"}), "ValidationError: 1 validation error"),
        (json!({"Statistic": null}), "MissingParameter: The parameter Statistic is required."),
        (json!({"Threshold": null}), "MissingParameter: The parameter Threshold is required."),
        (
            json!({"AlarmActions": ["arn:aws:sns:us-east-1:123456789012:ops"]}),
            "UnsupportedOperationException: Actions of alarms are not",
        ),
        (
            json!({"Metrics": [{"Id": "e", "Expression": "a * 2"}]}),
            "UnsupportedOperationException: Alarms of metric math expressions are not",
        ),
        (
            json!({"ExtendedStatistic": "p99"}),
            "UnsupportedOperationException: Percentile statistics of alarms are not",
        ),
        (
            json!({"ComparisonOperator": "GreaterThanUpperThreshold", "ThresholdMetricId": "a"}),
            "UnsupportedOperationException: Alarms of anomaly detection models are not",
        ),
    ] {
        let refused = ask(&mut region, "PutMetricAlarm", alarm("errors", &more));
        let refused = refused.expect_err("is refused");
        assert!(refused.starts_with(expected), "{more}: {refused}");
    }
    assert!(region.state.alarms().is_empty());

    put(&mut region, "errors", &json!({"AlarmActions": [], "OKActions": []}));
    for (operation, input, expected) in [
        ("DeleteAlarms", json!({"AlarmNames": ["errors", "nobody"]}), "ResourceNotFound: "),
        (
            "SetAlarmState",
            json!({"AlarmName": "nobody", "StateValue": "OK", "StateReason": ""}),
            "ResourceNotFound: ",
        ),
        (
            "SetAlarmState",
            json!({"AlarmName": "errors", "StateValue": "FINE", "StateReason": ""}),
            "ValidationError: 1 validation error",
        ),
        (
            "SetAlarmState",
            json!({"AlarmName": "errors", "StateValue": "OK", "StateReason": "",
                   "StateReasonData": "x"}),
            "InvalidFormat: ",
        ),
        (
            "DescribeAlarms",
            json!({"AlarmNames": ["a"], "AlarmNamePrefix": "b"}),
            "InvalidParameterCombination: ",
        ),
        ("DescribeAlarms", json!({"NextToken": "x"}), "InvalidNextToken: "),
    ] {
        let refused = ask(&mut region, operation, input).expect_err("is refused");
        assert!(refused.starts_with(expected), "{operation}: {refused}");
    }
    assert_eq!(region.state.alarms().len(), 1);
}
