//! Zones and their record sets as clients change and list them.

use shapes::route53 as shape;

use super::{Error, batch, change_id, record_sets, tags, zones};
use crate::fixture::{Fixture, region};

fn create(region: &mut Fixture, name: &str, reference: &str) -> Result<String, Error> {
    let ask = shape::CreateHostedZoneRequest {
        name: Some(name.to_owned()),
        caller_reference: Some(reference.to_owned()),
        ..Default::default()
    };
    let answer = region.write(zones::create_hosted_zone, ask)?;
    let zone = answer.hosted_zone.expect("a zone");
    assert_eq!(answer.delegation_set.and_then(|it| it.name_servers).map(|it| it.len()), Some(4));
    Ok(zone.id.expect("an id").trim_start_matches("/hostedzone/").to_owned())
}

/// A change out of words: action, name, type, then `alias`, zone and name, or a TTL and values. An
/// underscore in a value stands for a space.
fn change(line: &str) -> shape::Change {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [action, name, kind, rest @ ..] = words.as_slice() else { unreachable!("{line}") };
    let mut set = shape::ResourceRecordSet {
        name: Some((*name).to_owned()),
        r#type: Some((*kind).into()),
        ..Default::default()
    };
    match rest {
        ["alias", zone, target] => {
            set.alias_target = Some(shape::AliasTarget {
                dns_name: Some((*target).to_owned()),
                hosted_zone_id: Some((*zone).to_owned()),
                evaluate_target_health: Some(false),
            });
        }
        [ttl, values @ ..] => {
            set.ttl = ttl.parse().ok();
            let record = |it: &&str| shape::ResourceRecord { value: Some(it.replace('_', " ")) };
            set.resource_records = Some(values.iter().map(record).collect());
        }
        [] => {}
    }
    shape::Change { action: Some((*action).into()), resource_record_set: Some(set) }
}

fn apply(region: &mut Fixture, zone: &str, lines: &[&str]) -> Result<shape::ChangeInfo, Error> {
    let ask = shape::ChangeResourceRecordSetsRequest {
        hosted_zone_id: Some(zone.to_owned()),
        change_batch: Some(shape::ChangeBatch {
            changes: Some(lines.iter().map(|it| change(it)).collect()),
            comment: None,
        }),
    };
    let answer = region.write(batch::change_resource_record_sets, ask)?;
    Ok(answer.change_info.expect("a change"))
}

fn list(region: &Fixture, ask: shape::ListResourceRecordSetsRequest) -> (String, Option<String>) {
    let answer = region.read(record_sets::list_resource_record_sets, ask).expect("listed");
    let shown: Vec<String> = answer
        .resource_record_sets
        .unwrap_or_default()
        .into_iter()
        .map(|it| {
            format!("{} {}", it.name.unwrap_or_default(), it.r#type.expect("a type").as_str())
        })
        .collect();
    (shown.join(", "), answer.next_record_name)
}

fn all(region: &Fixture, zone: &str) -> String {
    let hosted_zone_id = Some(zone.to_owned());
    list(region, shape::ListResourceRecordSetsRequest { hosted_zone_id, ..Default::default() }).0
}

#[test]
fn a_zone_is_made_once_for_each_reference_and_goes_when_it_is_empty() {
    let mut region = region();
    let zone = create(&mut region, "Example.com", "one").expect("made");
    assert_eq!(all(&region, &zone), "example.com. NS, example.com. SOA");
    assert_eq!(create(&mut region, "other.com", "one"), Err(Error::HostedZoneAlreadyExists));
    let other = create(&mut region, "example.com", "two").expect("made again");
    assert_ne!(zone, other);
    assert!(matches!(create(&mut region, "a..b", "three"), Err(Error::InvalidDomainName(_))));

    apply(&mut region, &zone, &["CREATE www.example.com A 60 10.0.0.1"]).expect("made");
    let delete = shape::DeleteHostedZoneRequest { id: Some(zone.clone()) };
    let refusal = region.write(zones::delete_hosted_zone, delete.clone()).expect_err("not empty");
    assert_eq!(refusal, Error::HostedZoneNotEmpty);
    apply(&mut region, &zone, &["DELETE www.example.com A 60 10.0.0.1"]).expect("gone");
    region.write(zones::delete_hosted_zone, delete.clone()).expect("gone");
    let refusal = region.write(zones::delete_hosted_zone, delete).expect_err("gone");
    assert_eq!(refusal, Error::NoSuchHostedZone(zone));
    assert_eq!(region.state.record_sets().len(), 2, "those of the other zone");
}

#[test]
fn a_batch_takes_effect_as_a_whole_or_is_refused_in_awss_words() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "one").expect("made");
    let base = [
        "CREATE www.example.com A 60 10.0.0.1 10.0.0.2",
        "CREATE c.example.com CNAME 60 www.example.com",
        "CREATE *.example.com TXT 60 \"a\"",
    ];
    apply(&mut region, &zone, &base).expect("made");
    for (lines, expected) in [
        (
            vec!["CREATE www.example.com A 60 10.0.0.1"],
            "[Tried to create resource record set [name='www.example.com.', type='A'] but it already \
             exists]",
        ),
        (
            vec!["CREATE new.example.com A 60 10.0.0.1", "DELETE gone.example.com A 60 10.0.0.1"],
            "[Tried to delete resource record set [name='gone.example.com.', type='A'] but it was \
             not found]",
        ),
        (
            vec!["DELETE www.example.com A 60 10.0.0.9"],
            "[Tried to delete resource record set [name='www.example.com.', type='A'] but the values \
             provided do not match the current values]",
        ),
        (
            vec!["CREATE www.other.com A 60 10.0.0.1"],
            "[RRSet with DNS name www.other.com. is not permitted in zone example.com.]",
        ),
        (
            vec!["CREATE www.example.com CNAME 60 a.com"],
            "[RRSet of type CNAME with DNS name www.example.com. is not permitted because a \
             conflicting RRSet of type A with the same DNS name already exists in zone \
             example.com.]",
        ),
        (
            vec!["CREATE example.com CNAME 60 a.com"],
            "[RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone \
             example.com.]",
        ),
        (
            vec!["UPSERT www.example.com A 60 1.2.3"],
            "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a \
             valid IPv4 address) encountered with '1.2.3'']",
        ),
        (
            vec!["UPSERT t.example.com TXT 60 a"],
            "[Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be \
             enclosed in quotation marks) encountered with 'a'']",
        ),
        (
            vec!["UPSERT e.example.com A alias Z35SXDOTRQ7X7K web-1.us-east-1.elb.amazonaws.com"],
            "[Tried to create an alias that targets web-1.us-east-1.elb.amazonaws.com., type A in \
             zone Z35SXDOTRQ7X7K, but that target was not found]",
        ),
    ] {
        let refusal = apply(&mut region, &zone, &lines).expect_err("refused");
        assert!(matches!(refusal, Error::InvalidChangeBatch(_)), "{refusal:?}");
        assert_eq!(refusal.to_string(), expected);
    }
    assert_eq!(
        all(&region, &zone),
        "example.com. NS, example.com. SOA, \\052.example.com. TXT, c.example.com. CNAME, \
         www.example.com. A"
    );
    // In one batch a name can change its type, and values have no order.
    let moves =
        ["DELETE www.example.com A 60 10.0.0.2 10.0.0.1", "CREATE www.example.com CNAME 60 a.com"];
    apply(&mut region, &zone, &moves).expect("moved");
}

#[test]
fn a_batch_has_a_thousand_changes_at_most() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "1").expect("made");
    let lines: Vec<String> =
        (0..=1_000).map(|it| format!("CREATE h{it}.example.com A 60 10.0.0.1")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let refusal = apply(&mut region, &zone, &lines).expect_err("too many at once");
    assert_eq!(refusal.to_string(), "[Number of records limit of 1000 exceeded.]");
    apply(&mut region, &zone, &lines[..1_000]).expect("a thousand");
}

#[test]
fn a_batch_has_a_thousand_records_at_most_and_those_of_an_upsert_count_twice() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "1").expect("made");
    let values: Vec<String> = (0..100).map(|it| format!("10.0.0.{it}")).collect();
    let lines = |action: &str, count: usize| -> Vec<String> {
        let line = |it| format!("{action} h{it}.example.com A 60 {}", values.join(" "));
        (0..count).map(line).collect()
    };
    let mut check = |lines: Vec<String>, fits: bool| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = apply(&mut region, &zone, &lines).map_err(|it| it.to_string());
        let refusal = "[Number of records limit of 1000 exceeded.]".to_owned();
        assert_eq!(found.map(|_| ()), if fits { Ok(()) } else { Err(refusal) });
    };
    check(lines("CREATE", 11), false);
    check(lines("CREATE", 10), true);
    check(lines("UPSERT", 6), false);
    check(lines("UPSERT", 5), true);
}

#[test]
fn an_alias_names_what_is_there() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "one").expect("made");
    let alias = format!("CREATE a.example.com A alias {zone} www.example.com");
    apply(&mut region, &zone, &[&alias]).expect_err("nothing there");
    let both = ["CREATE www.example.com A 60 10.0.0.1", &alias];
    apply(&mut region, &zone, &both).expect("made");
    let found = plan::names::resolve(&region.state, "a.example.com", "A", 0);
    assert_eq!(found.records.first().map(|it| it.value.as_str()), Some("10.0.0.1"));
}

#[test]
fn what_is_no_set_is_refused_before_anything_is_tried() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "one").expect("made");
    for bad in [
        "CREATE www.example.com A",
        "CREATE www.example.com A x 10.0.0.1",
        "CREATE www.example.com NOTHING 60 x",
        "REPLACE www.example.com A 60 10.0.0.1",
    ] {
        let refusal = apply(&mut region, &zone, &[bad]).expect_err(bad);
        assert!(matches!(refusal, Error::InvalidInput(_)), "{bad}: {refusal}");
    }
}

#[test]
fn what_values_may_be_depends_on_their_type() {
    use super::record_data::check;
    let answer = |values: &str| state::Answer::Values {
        ttl: 60,
        values: values.split(';').map(str::to_owned).collect(),
    };
    for (kind, values) in [
        ("A", "10.0.0.1;10.0.0.2"),
        ("AAAA", "fd00::1"),
        ("CNAME", "a.example.com."),
        ("MX", "10 mail.example.com"),
        ("SRV", "1 2 443 a.example.com"),
        ("TXT", r#""a" "b";"c \" d""#),
        ("CAA", r#"0 issue "ca.example.com""#),
        ("NS", "ns.example.com"),
    ] {
        assert_eq!(check(kind, &answer(values)), Ok(()), "{kind} {values}");
    }
    for (kind, values) in [
        ("A", "fd00::1"),
        ("A", "10.0.0.1;10.0.0.1"),
        ("AAAA", "10.0.0.1"),
        ("CNAME", "a.com;b.com"),
        ("CNAME", "a b"),
        ("MX", "mail.example.com"),
        ("SRV", "1 2 a.example.com"),
        ("TXT", "a"),
        ("TXT", r#""a"#),
        ("SOA", "a b 1 2 3"),
    ] {
        assert!(check(kind, &answer(values)).is_err(), "{kind} {values}");
    }
    let long = format!("\"{}\"", "a".repeat(256));
    assert!(check("TXT", &answer(&long)).is_err());
}

#[test]
fn lists_go_on_where_they_ended() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "one").expect("made");
    let lines: Vec<String> =
        (0..5).map(|it| format!("CREATE h{it}.example.com A 60 10.0.0.{it}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    apply(&mut region, &zone, &lines).expect("made");
    let mut seen = Vec::new();
    let mut start = None;
    loop {
        let ask = shape::ListResourceRecordSetsRequest {
            hosted_zone_id: Some(zone.clone()),
            max_items: Some("3".to_owned()),
            start_record_name: start,
            ..Default::default()
        };
        let (page, next) = list(&region, ask);
        seen.push(page);
        if next.is_none() {
            break;
        }
        start = next;
    }
    assert_eq!(
        seen,
        [
            "example.com. NS, example.com. SOA, h0.example.com. A",
            "h1.example.com. A, h2.example.com. A, h3.example.com. A",
            "h4.example.com. A"
        ]
    );
}

#[test]
fn zones_are_listed_by_id_and_by_name() {
    let mut region = region();
    for name in ["b.com", "a.org", "z.a.org", "a.com"] {
        create(&mut region, name, name).expect("made");
    }
    let by_name = |dns_name: Option<&str>, max_items: Option<&str>| {
        let ask = shape::ListHostedZonesByNameRequest {
            dns_name: dns_name.map(str::to_owned),
            max_items: max_items.map(str::to_owned),
            ..Default::default()
        };
        let answer = region.read(zones::list_hosted_zones_by_name, ask).expect("listed");
        let names = answer.hosted_zones.unwrap_or_default().into_iter().filter_map(|it| it.name);
        (names.collect::<Vec<_>>().join(" "), answer.next_dns_name)
    };
    assert_eq!(by_name(None, None), ("a.com. b.com. a.org. z.a.org.".to_owned(), None));
    assert_eq!(by_name(Some("b.com"), Some("1")), ("b.com.".to_owned(), Some("a.org.".to_owned())));

    let mut seen = 0;
    let mut marker = None;
    loop {
        let ask = shape::ListHostedZonesRequest {
            max_items: Some("3".to_owned()),
            marker,
            ..Default::default()
        };
        let answer = region.read(zones::list_hosted_zones, ask).expect("listed");
        seen += answer.hosted_zones.unwrap_or_default().len();
        assert_eq!(answer.is_truncated, Some(answer.next_marker.is_some()));
        marker = answer.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, 4);
    let ask = shape::ListHostedZonesRequest { max_items: Some("x".into()), ..Default::default() };
    region.read(zones::list_hosted_zones, ask).expect_err("no number");
}

#[test]
fn a_change_is_in_sync_and_others_are_not_known() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "one").expect("made");
    let made = apply(&mut region, &zone, &["CREATE www.example.com A 60 10.0.0.1"]).expect("made");
    let id = made.id.expect("an id");
    let get = |id: &str| {
        region.read(change_id::get_change, shape::GetChangeRequest { id: Some(id.to_owned()) })
    };
    let bare = id.trim_start_matches("/change/");
    for good in [id.as_str(), bare] {
        let info = get(good).expect("known").change_info.expect("a change");
        assert_eq!(info.status.as_ref().map(shape::ChangeStatus::as_str), Some("INSYNC"));
        assert_eq!(info.submitted_at, made.submitted_at);
    }
    for bad in ["C1", "", "Cé", &bare.replace('C', "D"), &format!("{bare}0")] {
        assert!(matches!(get(bad), Err(Error::NoSuchChange(_))), "{bad}");
    }
}

#[test]
fn zones_have_tags() {
    let mut region = region();
    let zone = create(&mut region, "example.com", "one").expect("made");
    let tag = |key: &str, value: &str| shape::Tag {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    let ask = |add: Vec<shape::Tag>, remove: &[&str]| shape::ChangeTagsForResourceRequest {
        resource_type: Some("hostedzone".into()),
        resource_id: Some(zone.clone()),
        add_tags: Some(add),
        remove_tag_keys: Some(remove.iter().map(|it| (*it).to_owned()).collect()),
    };
    let first = ask(vec![tag("a", "1"), tag("b", "2")], &[]);
    region.write(tags::change_tags_for_resource, first).expect("tagged");
    let second = ask(vec![tag("a", "3")], &["b"]);
    region.write(tags::change_tags_for_resource, second).expect("tagged again");
    let list = |id: String| shape::ListTagsForResourceRequest {
        resource_type: Some("hostedzone".into()),
        resource_id: Some(id),
    };
    let path = region.read(tags::list_tags_for_resource, list(format!("/hostedzone/{zone}")));
    assert!(matches!(path, Err(Error::NoSuchHostedZone(_))), "ids are bare here: {path:?}");
    let list = list(zone.clone());
    let listed = region.read(tags::list_tags_for_resource, list).expect("listed");
    assert_eq!(listed.resource_tag_set.and_then(|it| it.tags), Some(vec![tag("a", "3")]));
}
