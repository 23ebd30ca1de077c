//! Revisions: numbered, listed, deregistered, deleted.

use super::*;

fn deregister(region: &mut Fixture, text: &str) -> Result<shape::TaskDefinition, Error> {
    let ask = shape::DeregisterTaskDefinitionRequest { task_definition: Some(text.into()) };
    let answer = region.write(deregister_task_definition, ask)?;
    Ok(answer.task_definition.expect("a definition"))
}

fn delete(region: &mut Fixture, texts: &[&str]) -> Result<String, Error> {
    let all = texts.iter().map(|it| (*it).to_owned()).collect();
    let ask = shape::DeleteTaskDefinitionsRequest { task_definitions: Some(all) };
    let answer = region.write(delete_task_definitions, ask)?;
    let deleted = answer.task_definitions.expect("definitions").into_iter();
    let deleted = deleted
        .map(|it| format!("{}:{}", it.family.expect("a family"), it.revision.expect("a revision")));
    let failed = answer.failures.expect("failures").into_iter();
    let failed = failed.map(|it| {
        let reason = it.reason.expect("a reason");
        let short = [("in ACTIVE", "-active"), ("does not exist", "-missing"), ("invalid", "-bad")];
        let short = short.iter().find(|(part, _)| reason.contains(part)).expect("a known reason");
        short.1.to_owned()
    });
    Ok(deleted.chain(failed).collect::<Vec<_>>().join(" "))
}

fn describe(region: &Fixture, text: &str) -> Result<String, Error> {
    let ask = shape::DescribeTaskDefinitionRequest {
        task_definition: Some(text.into()),
        include: Some(vec!["TAGS".into()]),
    };
    let answer = region.read(describe_task_definition, ask)?;
    let it = answer.task_definition.expect("a definition");
    let tags = answer.tags.expect("tags").len();
    Ok(format!("{} {} {tags}", it.revision.expect("a revision"), it.status.expect("a status")))
}

fn list(region: &Fixture, ask: shape::ListTaskDefinitionsRequest) -> (String, Option<String>) {
    let answer = region.read(list_task_definitions, ask).expect("lists");
    let short = |it: String| it.rsplit('/').next().expect("a name").to_owned();
    let names = answer.task_definition_arns.expect("ARNs").into_iter().map(short);
    (names.collect::<Vec<_>>().join(" "), answer.next_token)
}

fn families(region: &Fixture, status: &str, prefix: &str) -> String {
    let ask = shape::ListTaskDefinitionFamiliesRequest {
        status: Some(status.into()),
        family_prefix: Some(prefix.into()),
        ..Default::default()
    };
    let answer = region.read(list_task_definition_families, ask).expect("lists");
    answer.families.expect("families").join(" ")
}

fn filled() -> Fixture {
    let mut region = fixture::region();
    for family in ["web", "api", "web", "web", "webhook"] {
        let ask = ask(|ask, _| ask.family = Some(family.into()));
        register(&mut region, ask).expect("registers");
    }
    region
}

#[test]
fn revisions_go_from_active_to_inactive_to_deleted() {
    let mut region = filled();
    assert_eq!(describe(&region, "web").as_deref(), Ok("3 ACTIVE 0"));
    deregister(&mut region, "web:3").expect("deregisters");
    deregister(&mut region, "web:3").expect("once more");
    assert_eq!(describe(&region, "web").as_deref(), Ok("2 ACTIVE 0"));
    assert_eq!(describe(&region, "web:3").as_deref(), Ok("3 INACTIVE 0"));
    assert_eq!(
        delete(&mut region, &["web:3", "web:2", "web:9", "web"]).as_deref(),
        Ok("web:3 -active -missing -bad")
    );
    assert_eq!(describe(&region, "web:3").as_deref(), Ok("3 DELETE_IN_PROGRESS 0"));
    assert!(matches!(deregister(&mut region, "web:3"), Err(Error::Client(_))));

    let gone = state::Change::TaskDefinition(
        region.state.task_definitions().keys().last().cloned().expect("a row"),
        None,
    );
    region.state.apply(gone);
    let next = register(&mut region, ask(|_, _| ())).expect("registers");
    assert_eq!(next.revision, Some(4), "numbers are never used twice");
}

#[test]
fn unknown_revisions_are_refused_in_awss_words() {
    let mut region = filled();
    let unknown = Err(Error::client("Unable to describe task definition."));
    for text in ["moon", "web:4", "web:999999999", "a b"] {
        assert_eq!(describe(&region, text), unknown, "{text}");
    }
    let wrong = Err(Error::client("Invalid revision number. Number: x"));
    assert_eq!(describe(&region, "web:x"), wrong);
    assert!(deregister(&mut region, "web").is_err());
    assert!(deregister(&mut region, "moon:1").is_err());
    assert!(delete(&mut region, &[]).is_err());
    assert!(delete(&mut region, &["web:1"; 11]).is_err());
    assert_eq!(delete(&mut region, &["web"]).as_deref(), Ok("-bad"));
}

#[test]
fn definitions_are_listed_by_family_and_revision() {
    let mut region = filled();
    deregister(&mut region, "web:2").expect("deregisters");
    let all = shape::ListTaskDefinitionsRequest::default();
    assert_eq!(list(&region, all.clone()).0, "api:1 web:1 web:3 webhook:1");
    let down = shape::ListTaskDefinitionsRequest { sort: Some("DESC".into()), ..all.clone() };
    assert_eq!(list(&region, down.clone()).0, "webhook:1 web:3 web:1 api:1");
    let of = |name: &str| shape::ListTaskDefinitionsRequest {
        family_prefix: Some(name.into()),
        ..down.clone()
    };
    assert_eq!(list(&region, of("web")).0, "web:3 web:1");
    assert_eq!(list(&region, of("we")).0, "");
    let over = shape::ListTaskDefinitionsRequest { status: Some("INACTIVE".into()), ..all };
    assert_eq!(list(&region, over).0, "web:2");

    let mut seen = Vec::new();
    let mut next_token = None;
    loop {
        let ask =
            shape::ListTaskDefinitionsRequest { max_results: Some(3), next_token, ..down.clone() };
        let (names, next) = list(&region, ask);
        seen.push(names);
        next_token = next;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["webhook:1 web:3 web:1", "api:1"]);
}

#[test]
fn a_family_is_active_while_one_of_its_revisions_is() {
    let mut region = filled();
    deregister(&mut region, "api:1").expect("deregisters");
    assert_eq!(families(&region, "ACTIVE", ""), "web webhook");
    assert_eq!(families(&region, "INACTIVE", ""), "api");
    assert_eq!(families(&region, "ALL", ""), "api web webhook");
    assert_eq!(families(&region, "ALL", "webh"), "webhook");
}
