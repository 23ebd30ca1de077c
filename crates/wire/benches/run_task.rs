//! What the wire costs a `RunTask`: route, signature, decoding, and the answer.
//!
//! Goal: the whole at far more than 10,000 a second on one core, so that it never is the limit.
#![expect(clippy::print_stdout, reason = "a bench prints its numbers")]

use std::hint::black_box;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use shapes::ecs::{
    Container, ContainerOverride, KeyValuePair, RunTaskRequest, RunTaskResponse, Tag, Task,
    TaskOverride,
};
use shapes::{Timestamp, json};
use types::Timestamp as Now;
use wire::sigv4::{Credential, Expected, Signing, Verifier, sign};
use wire::{Incoming, route};

const ROUNDS: u32 = 100_000;
const NOW: Now = Now(1_769_903_999_000);
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[expect(clippy::unnecessary_wraps, reason = "every member is optional")]
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn request() -> RunTaskRequest {
    let environment = KeyValuePair { name: text("MODE"), value: text("nightly") };
    RunTaskRequest {
        cluster: text("default"),
        task_definition: text("web:17"),
        count: Some(1),
        client_token: text("6f1c2a34-77aa-4c1d-9b7e-3c5d8a0f9e21"),
        started_by: text("scheduler"),
        overrides: Some(TaskOverride {
            container_overrides: Some(vec![ContainerOverride {
                name: text("app"),
                command: Some(vec!["run".to_owned(), "--fast".to_owned()]),
                environment: Some(vec![environment]),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        tags: Some(vec![Tag { key: text("team"), value: text("red") }]),
        ..Default::default()
    }
}

fn response() -> RunTaskResponse {
    let arn = "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef";
    let container = Container {
        container_arn: text(arn),
        task_arn: text(arn),
        name: text("app"),
        image: text("landfall/demo"),
        last_status: text("PENDING"),
        ..Default::default()
    };
    let task = Task {
        task_arn: text(arn),
        cluster_arn: text(arn),
        task_definition_arn: text(arn),
        last_status: text("PENDING"),
        desired_status: text("RUNNING"),
        created_at: Some(Timestamp(NOW.0)),
        containers: Some(vec![container]),
        cpu: text("256"),
        memory: text("512"),
        ..Default::default()
    };
    RunTaskResponse { tasks: Some(vec![task]), failures: Some(vec![]) }
}

fn measure(name: &str, mut round: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        round();
    }
    let each = start.elapsed() / ROUNDS;
    let rate = 1_000_000_000 / each.as_nanos().max(1);
    println!("{name:<28} {each:>10.2?} each {rate:>10} a second");
}

fn main() {
    let body = json::encode(&request());
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("127.0.0.1:4566"));
    headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
    let target = "AmazonEC2ContainerServiceV20141113.RunTask";
    headers.insert("x-amz-target", HeaderValue::from_static(target));
    let unsigned =
        Incoming { method: "POST", path: "/", query: "", headers: &headers, body: &body };
    let signing = Signing {
        access_key_id: "AKIDEXAMPLE",
        secret: SECRET,
        session_token: None,
        region: "us-east-1",
        service: "ecs",
        now: NOW,
    };
    let mut signed_headers = headers.clone();
    signed_headers.extend(sign(&unsigned, &signing));
    let request = Incoming { headers: &signed_headers, ..unsigned };

    let verifier = Verifier::default();
    let expected = Expected { service: "ecs", region: None };
    let lookup = |_: &str| Some(Credential { secret: SECRET.to_owned(), session: None });
    let found = route(&request).expect("it is RunTask");
    let answer = response();
    let whole = || {
        let found = route(&request).expect("it is RunTask");
        verifier.verify(&request, expected, NOW, &lookup).expect("it is signed");
        let input: RunTaskRequest = found.decode(&request).expect("it can be read");
        black_box(input);
        black_box(found.success(&answer, "0b1c2d3e-0000-4000-8000-00000000000f"));
    };

    println!("a request of {} bytes", body.len());
    measure("route", || drop(black_box(route(&request))));
    measure("verify", || {
        drop(black_box(verifier.verify(&request, expected, NOW, &lookup)));
    });
    measure("decode", || drop(black_box(found.decode::<RunTaskRequest>(&request))));
    measure("encode", || drop(black_box(found.success(&answer, "0b1c2d3e"))));
    measure("sign", || drop(black_box(sign(&unsigned, &signing))));
    measure("route, verify, decode, encode", whole);
}
