use shapes::{ecs, sts};

use super::*;

const ID: &str = "8c7f0d2e-0000-4000-8000-000000000001";

fn body(response: &Response<Vec<u8>>) -> &str {
    std::str::from_utf8(response.body()).expect("text")
}

fn header<'a>(response: &'a Response<Vec<u8>>, name: &str) -> &'a str {
    response.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
}

fn run_task() -> Route {
    let operation = ecs::SERVICE.operation("RunTask").expect("it is in the model");
    Route { service: &ecs::SERVICE, operation, protocol: Protocol::Json }
}

#[test]
fn an_ecs_answer_looks_as_aws_sends_it() {
    let output = ecs::RunTaskResponse {
        tasks: Some(vec![ecs::Task {
            cpu: Some("256".into()),
            created_at: Some(shapes::Timestamp(1_700_000_000_120)),
            ..Default::default()
        }]),
        failures: Some(vec![]),
    };
    let response = run_task().success(&output, ID);
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/x-amz-json-1.1");
    assert_eq!(header(&response, "x-amzn-requestid"), ID);
    let text = r#"{"failures":[],"tasks":[{"cpu":"256","createdAt":1700000000.12}]}"#;
    assert_eq!(body(&response), text);
}

#[test]
fn an_ecs_fault_carries_its_type_and_members() {
    let fault = Fault::new("ConflictException", "no").with_texts("resourceIds", ["a".to_owned()]);
    let response = run_task().failure(&fault, ID);
    assert_eq!(response.status(), 400);
    assert_eq!(
        body(&response),
        r#"{"__type":"ConflictException","message":"no","resourceIds":["a"]}"#
    );
}

#[test]
fn a_query_fault_uses_the_short_code_of_the_model() {
    let operation = sts::SERVICE.operation("AssumeRoleWithSAML").expect("it is in the model");
    let route = Route { service: &sts::SERVICE, operation, protocol: Protocol::Query };
    let fault = Fault::new("IDPRejectedClaimException", "<no>").with_status(403);
    let response = route.failure(&fault, ID);
    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "content-type"), "text/xml");
    assert_eq!(
        body(&response),
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender\
             </Type><Code>IDPRejectedClaim</Code><Message>&lt;no&gt;</Message></Error><RequestId>\
             {ID}</RequestId></ErrorResponse>"
        )
    );
}

#[test]
fn an_operation_that_is_not_built_is_refused_by_name() {
    let fault = run_task().unsupported();
    assert_eq!((fault.code.as_str(), fault.status), ("UnsupportedFeatureException", 400));
    assert!(fault.message.contains("RunTask"));
    let operation = sts::SERVICE.operation("GetFederationToken").expect("it is in the model");
    assert_eq!(Fault::unsupported(&sts::SERVICE, operation).code, "UnsupportedOperationException");
}
