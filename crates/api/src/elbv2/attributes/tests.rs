//! What attributes may say, and what is said of them.

use super::*;
use crate::fixture::target_group;

/// The guide that says of each attribute who acts on it, or why nobody does.
const GUIDE: &str = include_str!("../../../../../docs/guides/load-balancers.md");

/// What comes of setting these, one after the other.
fn set(protocol: TargetProtocol, pairs: &[(&str, &str)]) -> Result<(), Error> {
    let mut group = target_group("arn", protocol);
    let known = known_to_group(&group);
    let asked = pairs.iter().map(|(key, value)| (Some((*key).into()), Some((*value).into())));
    let asked: Vec<Asked> = asked.collect();
    check_stickiness(&asked, protocol)?;
    put(&mut group.attributes, asked.into_iter(), ("Target group", &known))?;
    check_group(&group)
}

#[track_caller]
fn refused(protocol: TargetProtocol, pairs: &[(&str, &str)], why: &str) {
    let error = set(protocol, pairs).expect_err("is refused");
    assert!(matches!(error, Error::InvalidConfigurationRequest(_)), "{error:?}");
    assert_eq!(error.to_string(), why);
}

fn says(protocol: TargetProtocol, name: &str) -> Option<String> {
    let all = of_group(&target_group("arn", protocol));
    let found = all.into_iter().find(|it| it.key.as_deref() == Some(name))?;
    found.value
}

#[test]
fn mitigation_goes_with_chance_only() {
    let mitigation = ("load_balancing.algorithm.anomaly_mitigation", "on");
    let chance = ("load_balancing.algorithm.type", "weighted_random");
    set(TargetProtocol::Http, &[mitigation, chance]).expect("is fine");
    let why = "Anomaly mitigation needs the load balancing algorithm 'weighted_random'";
    refused(TargetProtocol::Http, &[mitigation], why);
    let least = ("load_balancing.algorithm.type", "least_outstanding_requests");
    refused(TargetProtocol::Https, &[mitigation, least], why);
}

#[test]
fn network_load_balancers_know_clients_by_their_address_and_by_nothing_else() {
    set(TargetProtocol::Tcp, &[("stickiness.type", "source_ip")]).expect("is fine");
    for other in ["source_ip_dest_ip", "source_ip_dest_ip_proto"] {
        let why = "'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]";
        refused(TargetProtocol::Tcp, &[("stickiness.type", other)], why);
    }
    let why =
        "Stickiness type 'lb_cookie' is not supported for target groups with the TCP protocol";
    refused(TargetProtocol::Tcp, &[("stickiness.type", "lb_cookie")], why);
    let sticky = [("stickiness.enabled", "true")];
    set(TargetProtocol::Udp, &sticky).expect("is fine");
    let why = "You cannot enable stickiness on target groups with the TLS protocol";
    refused(TargetProtocol::Tls, &sticky, why);
}

#[test]
fn whether_the_delay_ends_connections_is_by_default_as_the_protocol_has_it() {
    for protocol in [TargetProtocol::Tcp, TargetProtocol::Tls] {
        assert_eq!(says(protocol, ENDS_WITH_DELAY).as_deref(), Some("false"));
    }
    for protocol in [TargetProtocol::Udp, TargetProtocol::TcpUdp] {
        assert_eq!(says(protocol, ENDS_WITH_DELAY).as_deref(), Some("true"));
    }
    assert_eq!(says(TargetProtocol::Http, ENDS_WITH_DELAY), None);
    // What is shown is what balancers do.
    for protocol in [TargetProtocol::Tcp, TargetProtocol::Udp] {
        let does = plan::routing::attributes::ends_with_delay_by_default(protocol);
        assert_eq!(says(protocol, ENDS_WITH_DELAY), Some(does.to_string()));
    }
}

#[test]
fn whether_targets_see_clients_is_by_default_as_the_group_has_it_and_fixed_for_datagrams() {
    let group =
        |protocol, target_type| TargetGroup { target_type, ..target_group("arn", protocol) };
    for targets in [TargetType::Instance, TargetType::Ip] {
        for protocol in
            [TargetProtocol::Tcp, TargetProtocol::Tls, TargetProtocol::Udp, TargetProtocol::TcpUdp]
        {
            let all = of_group(&group(protocol, targets));
            let found = all.into_iter().find(|it| it.key.as_deref() == Some(PRESERVE));
            let does = plan::routing::attributes::preserves_client_ip_by_default(targets, protocol);
            assert_eq!(found.and_then(|it| it.value), Some(does.to_string()), "{protocol:?}");
        }
    }
    for value in ["true", "false"] {
        set(TargetProtocol::Tcp, &[(PRESERVE, value)]).expect("is fine");
    }
    let why = "Value 'false' is not valid for the attribute 'preserve_client_ip.enabled'";
    refused(TargetProtocol::Udp, &[(PRESERVE, "false")], why);
    refused(TargetProtocol::TcpUdp, &[(PRESERVE, "false")], why);
    assert_eq!(says(TargetProtocol::Http, PRESERVE), None);
}

#[test]
fn what_nothing_would_act_on_is_refused() {
    let interval = ("target_health_state.unhealthy.draining_interval_seconds", "5");
    let why = "Value '5' is not valid for the attribute \
               'target_health_state.unhealthy.draining_interval_seconds'";
    refused(TargetProtocol::Tls, &[interval], why);
    let refuses = |known: &[Known], name: &str| {
        let asked = [(Some(name.to_owned()), Some("true".to_owned()))].into_iter();
        put(&mut BTreeMap::new(), asked, ("Load balancer", known)).is_err()
    };
    assert!(refuses(&OF_APPLICATION, "waf.fail_open.enabled"));
    assert!(refuses(&OF_NETWORK, "access_logs.s3.enabled"));
    assert!(!refuses(&OF_APPLICATION, "access_logs.s3.enabled"));
}

#[test]
fn the_guide_says_of_every_attribute_who_acts_on_it() {
    let tables: [&[Known]; 11] = [
        &OF_BOTH,
        &OF_APPLICATION,
        &OF_NETWORK,
        &OF_HTTP_GROUPS,
        &OF_FLOW_GROUPS,
        &OF_STREAM_GROUPS,
        &OF_DATAGRAM_GROUPS,
        &OF_HTTP_LISTENERS,
        &OF_HTTP_LISTENERS_LISTS,
        &OF_HTTPS_LISTENERS,
        &OF_TCP_LISTENERS,
    ];
    let names: BTreeSet<&str> = tables.iter().flat_map(|it| it.iter()).map(|it| it.0).collect();
    let missing: Vec<&str> =
        names.into_iter().filter(|it| !GUIDE.contains(&format!("`{it}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
