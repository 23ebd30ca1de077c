use http::{HeaderName, HeaderValue};
use shapes::ecs::RunTaskRequest;

use super::*;

/// A request that tests fill in.
struct Given {
    method: &'static str,
    target: &'static str,
    headers: HeaderMap,
    body: &'static str,
}

fn post(headers: &[(&'static str, &'static str)], body: &'static str) -> Given {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Given { method: "POST", target: "/", headers: headers.collect(), body }
}

impl Given {
    fn incoming(&self) -> Incoming<'_> {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let Self { method, headers, body, .. } = self;
        Incoming { method, path, query, headers, body: body.as_bytes() }
    }

    /// Service, operation and protocol, or code and status of the refusal.
    fn found(&self) -> Result<(&'static str, &'static str, Protocol), (String, u16)> {
        match route(&self.incoming()) {
            Ok(route) => Ok((route.service.name, route.operation.name, route.protocol)),
            Err(refusal) => Err((refusal.fault.code, refusal.fault.status)),
        }
    }
}

const TARGET: &str = "x-amz-target";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

/// An authorization header that claims a service.
fn scope(service: &'static str) -> (&'static str, &'static str) {
    let text = match service {
        "ec2" => "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/ec2/aws4_request, Signature=0",
        "lambda" => "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/lambda/aws4_request,x",
        _ => "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/elasticloadbalancing/aws4_request",
    };
    ("authorization", text)
}

#[test]
fn every_protocol_names_its_operation_in_its_own_way() {
    let json = post(&[(TARGET, "AmazonEC2ContainerServiceV20141113.RunTask")], "{}");
    assert_eq!(json.found(), Ok(("ecs", "RunTask", Protocol::Json)));
    let dotted = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";
    let dotted = post(&[(TARGET, dotted)], "{}");
    assert_eq!(dotted.found(), Ok(("cloudtrail", "LookupEvents", Protocol::Json)));
    let ec2 = post(&[FORM, scope("ec2")], "Action=DescribeVpcs&Version=2016-11-15");
    assert_eq!(ec2.found(), Ok(("ec2", "DescribeVpcs", Protocol::Ec2)));
    let mut cbor = post(&[("smithy-protocol", "rpc-v2-cbor")], "");
    cbor.target = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    assert_eq!(cbor.found(), Ok(("cloudwatch", "PutMetricData", Protocol::Cbor)));
    let mut rest = post(&[scope("lambda")], "");
    rest.target = "/2015-03-31/functions/f/invocations?Qualifier=1";
    assert_eq!(rest.found(), Ok(("lambda", "Invoke", Protocol::RestJson)));
    let get = Given {
        method: "GET",
        target: "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=A%2F20260101%2Fus-east-1%2Fsts%2Faws4_request",
        headers: HeaderMap::new(),
        body: "",
    };
    assert_eq!(get.found(), Ok(("sts", "GetCallerIdentity", Protocol::Query)));
}

#[test]
fn services_that_share_a_signing_name_are_told_apart_by_version() {
    let describe = |version| match version {
        "2012-06-01" => "Action=DescribeLoadBalancers&Version=2012-06-01",
        _ => "Action=DescribeLoadBalancers&Version=2015-12-01",
    };
    let found = |version| post(&[FORM, scope("elb")], describe(version)).found();
    assert_eq!(found("2012-06-01"), Ok(("elb", "DescribeLoadBalancers", Protocol::Query)));
    assert_eq!(found("2015-12-01"), Ok(("elbv2", "DescribeLoadBalancers", Protocol::Query)));
}

#[test]
fn operations_that_nobody_has_are_refused_in_the_words_of_their_protocol() {
    let refused = |code: &str, status| Err((code.to_owned(), status));
    let unknown = post(&[(TARGET, "AmazonEC2ContainerServiceV20141113.Fly")], "{}");
    assert_eq!(unknown.found(), refused("UnknownOperationException", 400));
    let nobody = post(&[(TARGET, "RunTask")], "{}");
    assert_eq!(nobody.found(), refused("UnknownOperationException", 400));
    let action = post(&[FORM, scope("ec2")], "Action=Fly&Version=2016-11-15");
    assert_eq!(action.found(), refused("InvalidAction", 400));
    assert_eq!(post(&[FORM], "Version=2016-11-15").found(), refused("MissingAction", 400));
    let bad_form = post(&[FORM], "Action=%ff");
    assert_eq!(bad_form.found(), refused("MalformedInput", 400));
    let mut path = post(&[scope("lambda")], "");
    path.target = "/no/such/path";
    assert_eq!(path.found(), refused("UnknownOperationException", 404));
    let refusal = route(&action.incoming()).map(drop).expect_err("there is no such action");
    let response = refusal.response("id");
    assert!(response.body().starts_with(b"<?xml"), "EC2 answers in its own form");
}

#[test]
fn a_version_that_nobody_has_is_refused_in_the_form_of_the_service_that_is_asked() {
    for body in ["Action=DescribeVpcs&Version=2014-10-01", "Action=%ff"] {
        let old = post(&[FORM, scope("ec2")], body);
        let refusal = route(&old.incoming()).map(drop).expect_err("it is not served");
        assert_eq!(refusal.protocol, Protocol::Ec2, "{body}");
    }
}

#[test]
fn a_form_is_one_in_letters_of_any_size() {
    let large = ("content-type", "Application/X-WWW-Form-URLencoded");
    let asked = post(&[large, scope("ec2")], "Action=DescribeVpcs&Version=2016-11-15");
    assert_eq!(asked.found(), Ok(("ec2", "DescribeVpcs", Protocol::Ec2)));
}

#[test]
fn a_body_that_cannot_be_read_is_told_as_aws_tells_it() {
    let run = (TARGET, "AmazonEC2ContainerServiceV20141113.RunTask");
    let read = |body| {
        let given = post(&[run], body);
        let route = route(&given.incoming()).expect("it is RunTask");
        route.decode::<RunTaskRequest>(&given.incoming())
    };
    let fault = read("{\"count\":\"two\"}").expect_err("two is no number");
    assert_eq!(fault.code, "SerializationException");
    assert_eq!(fault.message, "STRING_VALUE can not be converted to an Integer");
    assert_eq!(fault.status, 400);
    assert_eq!(read("").map(|it| it.count), Ok(None));
    assert_eq!(read("{\"count\":2,\"new\":[{}]}").map(|it| it.count), Ok(Some(2)));
}
