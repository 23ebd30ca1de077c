use super::*;
use crate::fixture::{self, Fixture};

fn put(region: &mut Fixture, target: &str, pairs: &[(&str, &str)]) -> Result<usize, Error> {
    let one = |(name, value): &(&str, &str)| shape::Attribute {
        name: Some((*name).to_owned()),
        value: Some((*value).to_owned()),
        target_id: Some(target.to_owned()),
        target_type: Some(INSTANCE.into()),
    };
    let ask = shape::PutAttributesRequest {
        cluster: None,
        attributes: Some(pairs.iter().map(one).collect()),
    };
    Ok(region.write(put_attributes, ask)?.attributes.expect("attributes").len())
}

fn list(region: &Fixture, ask: shape::ListAttributesRequest) -> (Vec<String>, Option<String>) {
    let ask = shape::ListAttributesRequest { target_type: Some(INSTANCE.into()), ..ask };
    let answer = region.read(list_attributes, ask).expect("lists");
    let pair = |it: shape::Attribute| {
        let instance = it.target_id.expect("a target");
        let last = instance.chars().next_back().expect("an id");
        format!("{last} {}={}", it.name.expect("a name"), it.value.unwrap_or_default())
    };
    (answer.attributes.expect("attributes").into_iter().map(pair).collect(), answer.next_token)
}

fn two_instances() -> (Fixture, [String; 2]) {
    let mut region = fixture::region();
    let ids = [1, 2].map(|it| region.instance(it).to_string());
    (region, ids)
}

#[test]
fn attributes_are_put_changed_and_deleted() {
    let (mut region, [first, _]) = two_instances();
    assert_eq!(put(&mut region, &first, &[("stack", "blue"), ("disk", "")]), Ok(2));
    assert_eq!(put(&mut region, &first, &[("stack", "green")]), Ok(1));
    let (all, _) = list(&region, shape::ListAttributesRequest::default());
    assert_eq!(all, ["1 disk=", "1 stack=green"]);

    let attribute = |name: &str| shape::Attribute {
        name: Some(name.into()),
        target_id: Some(fixture::home().instance(
            &ClusterName::parse("default").expect("valid"),
            InstanceId::parse(&first).expect("valid"),
        )),
        ..Default::default()
    };
    let ask = shape::DeleteAttributesRequest {
        cluster: None,
        attributes: Some(vec![attribute("stack"), attribute("unknown")]),
    };
    let answer = region.write(delete_attributes, ask).expect("deletes");
    assert_eq!(answer.attributes.map(|it| it.len()), Some(1));
    let (all, _) = list(&region, shape::ListAttributesRequest::default());
    assert_eq!(all, ["1 disk="]);
}

#[test]
fn bad_attributes_change_nothing_at_all() {
    let (mut region, [first, _]) = two_instances();
    let long = "x".repeat(129);
    for bad in [
        ("", "v"),
        (long.as_str(), "v"),
        ("a b", "v"),
        ("ecs.availability-zone", "v"),
        ("n", long.as_str()),
        ("n", " v"),
        ("n", "v\n"),
    ] {
        let answer = put(&mut region, &first, &[("good", "v"), bad]);
        assert!(matches!(answer, Err(Error::InvalidParameter(_))), "{bad:?}");
    }
    assert!(put(&mut region, &first, &[]).is_err());
    assert!(put(&mut region, &first, &[("n", "v"); 11]).is_err());
}

#[test]
fn an_instance_has_at_most_ten_custom_attributes() {
    let (mut region, [first, _]) = two_instances();
    let names: Vec<String> = (0..10).map(|it| format!("n{it}")).collect();
    let pairs: Vec<_> = names.iter().map(|it| (it.as_str(), "v")).collect();
    assert_eq!(put(&mut region, &first, &pairs), Ok(10));
    let answer = put(&mut region, &first, &[("one-more", "v")]);
    assert!(matches!(answer, Err(Error::AttributeLimitExceeded(_))));
    assert_eq!(put(&mut region, &first, &[("n9", "w")]), Ok(1));
}

#[test]
fn a_target_must_exist() {
    let (mut region, _) = two_instances();
    for nobody in ["0123456789abcdef0123456789abcdef", "moon"] {
        let answer = put(&mut region, nobody, &[("n", "v")]);
        assert!(matches!(answer, Err(Error::TargetNotFound(_))), "{nobody}");
    }
}

#[test]
fn attributes_are_listed_in_pages_and_by_value() {
    let (mut region, [first, second]) = two_instances();
    put(&mut region, &first, &[("a", "1"), ("b", "2")]).expect("puts");
    put(&mut region, &second, &[("a", "2"), ("b", "2")]).expect("puts");
    let mut seen = Vec::new();
    let mut next_token = None;
    loop {
        let ask =
            shape::ListAttributesRequest { max_results: Some(3), next_token, ..Default::default() };
        let (rows, next) = list(&region, ask);
        seen.extend(rows);
        next_token = next;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["1 a=1", "1 b=2", "2 a=2", "2 b=2"]);
    let ask = shape::ListAttributesRequest {
        attribute_name: Some("a".into()),
        attribute_value: Some("2".into()),
        ..Default::default()
    };
    assert_eq!(list(&region, ask).0, ["2 a=2"]);
}
