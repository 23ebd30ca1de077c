//! Rules, groups and cookies, as far as the data plane carries them out.

use core::time::Duration;

use state::{Action, Condition, Redirect};

use super::lab::{GROUP, LOAD_BALANCER, Lab, attributes, forward, group, rule, status, target};
use super::origin::Origin;

const OTHER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/other/01";

fn cookies(answer: &str) -> Vec<(String, String)> {
    let lines = answer.lines().filter_map(|it| it.strip_prefix("Set-Cookie: "));
    let pair = |it: &str| {
        let (name, rest) = it.split_once('=').expect("a cookie");
        (name.to_owned(), rest.split(';').next().unwrap_or_default().to_owned())
    };
    lines.map(pair).collect()
}

#[test]
fn rules_answer_redirect_and_forward() {
    let lab = Lab::with(|table| {
        let path = |it: &str| vec![Condition::Path(vec![it.to_owned()])];
        let fixed = Action::Fixed {
            status: 418,
            content_type: Some("text/plain".into()),
            body: "teapot".into(),
        };
        let redirect = Action::Redirect(Redirect {
            protocol: "HTTPS".into(),
            host: "#{host}".into(),
            port: "443".into(),
            path: "/#{path}".into(),
            query: "#{query}".into(),
            status: 301,
        });
        let rules = &mut table.load_balancers[0].listeners[0].rules;
        rules.insert(0, rule(Some(1), path("/tea"), fixed));
        rules.insert(1, rule(Some(2), path("/old*"), redirect));
    });
    let fixed = lab.get("/tea");
    assert_eq!(status(&fixed), 418);
    assert!(fixed.contains("Content-Type: text/plain\r\n") && fixed.ends_with("teapot"), "{fixed}");
    let redirect = lab.get("/old?x");
    assert!(redirect.contains("Location: https://lab/old?x\r\n"), "{redirect}");
    assert_eq!(status(&lab.get("/echo")), 200);

    let counters = lab.balancer.counters();
    let count = |metric| -> u64 {
        let of_balancer = counters.iter().filter(|it| it.0.load_balancer == LOAD_BALANCER);
        of_balancer.map(|it| it.1.of(metric)).sum()
    };
    assert_eq!(count(balancer::Metric::Redirects), 1);
    assert_eq!(count(balancer::Metric::FixedResponses), 1);
    assert_eq!(count(balancer::Metric::Requests), 1);
    assert_eq!(count(balancer::Metric::Target2xx), 1);
}

#[test]
fn a_group_without_targets_is_unavailable() {
    let lab = Lab::with(|table| table.groups[0].targets.clear());
    assert_eq!(status(&lab.get("/")), 503);
}

#[test]
fn a_group_that_wants_another_version_is_a_mismatch() {
    let lab = Lab::with(|table| table.groups[0].version = Some(state::ProtocolVersion::Grpc));
    assert_eq!(status(&lab.get("/")), 464);
}

#[test]
fn a_request_that_reached_nobody_is_tried_with_another_target() {
    let lab = Lab::with(|table| {
        let mut dead = target(([127, 0, 0, 1], 1).into());
        dead.id = "dead".into();
        table.groups[0].targets.push(dead);
    });
    for _ in 0..10 {
        assert_eq!(status(&lab.get("/echo")), 200);
    }
    let alone = Lab::with(|table| table.groups[0].targets[0].port = 1);
    assert_eq!(status(&alone.get("/echo")), 502);
}

#[test]
fn only_healthy_targets_are_chosen_unless_there_are_none() {
    let mut lab = Lab::start();
    let second = Origin::start(lab.address.ip());
    let address = second.address;
    lab.apply(|table| {
        table.groups[0].targets.push(target(address));
        table.groups[0].targets.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
    });
    let snapshot = lab.balancer.snapshot();
    let number = |port: u16| {
        let place = snapshot.groups[0].targets.iter().position(|it| it.key.port == port);
        u32::try_from(place.expect("it is there")).expect("few")
    };
    snapshot.groups[0].set_health(number(address.port()), true);
    for _ in 0..6 {
        assert_eq!(status(&lab.get("/echo")), 200);
    }
    assert_eq!((lab.origin.seen().len(), second.seen().len()), (0, 6));
    snapshot.groups[0].set_health(number(address.port()), false);
    for _ in 0..6 {
        assert_eq!(status(&lab.get("/echo")), 200);
    }
    assert_eq!((lab.origin.seen().len(), second.seen().len()), (3, 9));
}

#[test]
fn a_cookie_keeps_a_client_with_its_target() {
    let mut lab = Lab::start();
    let second = Origin::start(lab.address.ip());
    lab.apply(|table| {
        table.groups[0].targets.push(target(second.address));
        table.groups[0].targets.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
        table.groups[0].attributes = attributes(&[("stickiness.enabled", "true")]);
    });
    let first = lab.get("/echo");
    let set = cookies(&first);
    let names: Vec<_> = set.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["AWSALB", "AWSALBCORS"]);
    assert!(first.contains("; Path=/; SameSite=None; Secure"), "{first}");
    let before = (lab.origin.seen().len(), second.seen().len());
    for _ in 0..6 {
        let cookie = format!("a=b; AWSALB={}", set[0].1);
        let request = format!(
            "GET /echo HTTP/1.1\r\nHost: lab\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(status(&lab.talk(request)), 200);
    }
    let after = (lab.origin.seen().len(), second.seen().len());
    assert_eq!((after.0 - before.0).min(after.1 - before.1), 0, "{before:?} {after:?}");
}

#[test]
fn an_applications_cookie_binds_too() {
    let lab = Lab::with(|table| {
        table.groups[0].attributes = attributes(&[
            ("stickiness.enabled", "true"),
            ("stickiness.type", "app_cookie"),
            ("stickiness.app_cookie.cookie_name", "SESSION"),
        ]);
    });
    assert_eq!(cookies(&lab.get("/echo")), []);
    let names: Vec<_> = cookies(&lab.get("/cookie")).into_iter().map(|it| it.0).collect();
    assert_eq!(names, ["SESSION", "AWSALBAPP-0"]);
}

#[test]
fn weighted_groups_share_and_a_cookie_keeps_a_client_with_its_group() {
    let mut lab = Lab::start();
    let other = Origin::start(lab.address.ip());
    lab.apply(|table| {
        table.groups.push(group(OTHER, vec![target(other.address)]));
        table.groups.sort_by(|a, b| a.arn.cmp(&b.arn));
        let action = forward(&[(GROUP, 0), (OTHER, 1)], Some(Duration::from_mins(1)));
        table.load_balancers[0].listeners[0].rules = vec![rule(None, Vec::new(), action)];
    });
    let first = lab.get("/echo");
    assert_eq!((lab.origin.seen().len(), other.seen().len()), (0, 1));
    let set = cookies(&first);
    assert_eq!(set[0].0, "AWSALBTG");
    lab.apply(|table| {
        let action = forward(&[(GROUP, 1), (OTHER, 0)], Some(Duration::from_mins(1)));
        table.load_balancers[0].listeners[0].rules = vec![rule(None, Vec::new(), action)];
    });
    let kept = format!(
        "GET /echo HTTP/1.1\r\nHost: lab\r\nCookie: AWSALBTG={}\r\nConnection: close\r\n\r\n",
        set[0].1
    );
    lab.talk(kept);
    lab.get("/echo");
    assert_eq!((lab.origin.seen().len(), other.seen().len()), (1, 2));
}
