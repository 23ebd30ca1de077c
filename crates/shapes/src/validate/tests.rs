use super::*;
use crate::{ecs, logs, sts};

fn tag(key: &str) -> ecs::Tag {
    ecs::Tag { key: Some(key.to_owned()), value: None }
}

#[test]
fn a_missing_member_is_told_in_the_words_of_aws() {
    let found = validate(&ecs::RunTaskRequest::default());
    assert_eq!(
        validation_message(&found),
        "1 validation error detected: Value null at 'taskDefinition' failed to satisfy \
         constraint: Member must not be null"
    );
}

#[test]
fn nested_members_are_told_with_their_path() {
    let request = ecs::RunTaskRequest {
        task_definition: Some("web".into()),
        tags: Some(vec![tag("ok"), tag("")]),
        ..Default::default()
    };
    let found = validate(&request);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found.first().map(Violation::to_string).as_deref(),
        Some(
            "Value '' at 'tags.2.member.key' failed to satisfy constraint: Member must have length \
             greater than or equal to 1"
        )
    );
}

#[test]
fn patterns_with_unicode_categories_take_letters_of_all_scripts() {
    let request = |key| ecs::RunTaskRequest {
        task_definition: Some("web".into()),
        tags: Some(vec![tag(key)]),
        ..Default::default()
    };
    assert_eq!(validate(&request("größe 大小 ٣ a_b.c:/=+-@")), []);
    assert_eq!(validate(&request("no$dollars")).len(), 1);
}

#[test]
fn texts_out_of_an_enum_and_numbers_out_of_range_are_told() {
    let request = ecs::RunTaskRequest {
        task_definition: Some("web".into()),
        launch_type: Some("MOON".into()),
        capacity_provider_strategy: Some(vec![ecs::CapacityProviderStrategyItem {
            capacity_provider: Some("spot".into()),
            weight: Some(1001),
            base: Some(-1),
        }]),
        ..Default::default()
    };
    let texts: Vec<String> =
        validate(&request).iter().map(|it| it.constraint.to_string()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts.contains(&"Member must have value less than or equal to 1000".to_owned()));
    assert!(texts.contains(&"Member must have value greater than or equal to 0".to_owned()));
    assert!(texts.iter().any(|it| it.starts_with("Member must satisfy enum value set: [EC2, ")));
}

#[test]
fn scalars_in_a_list_are_told_at_the_list() {
    let request = logs::FilterLogEventsRequest {
        log_stream_names: Some(vec!["good".into(), "bad:*".into()]),
        ..Default::default()
    };
    let found = validate(&request);
    assert_eq!(
        validation_message(&found),
        "1 validation error detected: Value '[good, bad:*]' at 'logStreamNames' failed to satisfy \
         constraint: Member must satisfy constraint: [Member must have length less than or equal \
         to 512, Member must have length greater than or equal to 1, Member must satisfy regular \
         expression pattern: [^:*]*]"
    );
}

#[test]
fn secrets_are_not_repeated() {
    let request = sts::AssumeRoleWithWebIdentityRequest {
        role_arn: Some("arn:aws:iam::123456789012:role/r".into()),
        role_session_name: Some("session".into()),
        web_identity_token: Some("abc".into()),
        ..Default::default()
    };
    let text = validation_message(&validate(&request));
    assert!(text.contains("Value at 'webIdentityToken' failed"), "{text}");
}

#[test]
fn every_pattern_of_the_models_compiles() {
    fn visit(schema: &'static Schema, seen: &mut Vec<*const Schema>, patterns: &mut Patterns) {
        if seen.contains(&core::ptr::from_ref(schema)) {
            return;
        }
        seen.push(schema);
        if let Some(pattern) = schema.pattern {
            patterns.matches(pattern, "");
            assert!(patterns.compiles(pattern), "{}: {pattern}", schema.name);
        }
        match &schema.kind {
            Kind::List(item) => visit(item.schema, seen, patterns),
            Kind::Map(key, value) => {
                visit(key.schema, seen, patterns);
                visit(value.schema, seen, patterns);
            }
            _ => schema.members().iter().for_each(|it| visit(it.schema, seen, patterns)),
        }
    }
    let mut patterns = Patterns::default();
    for operation in crate::SERVICES.iter().flat_map(|service| service.operations) {
        for schema in operation.input.iter().chain(&operation.output) {
            visit(schema, &mut Vec::new(), &mut patterns);
        }
    }
}
