use super::*;
use crate::fixture::{self, Fixture};

fn create(region: &mut Fixture, name: &str) -> Result<shape::Cluster, Error> {
    let ask = shape::CreateClusterRequest { cluster_name: Some(name.into()), ..Default::default() };
    let answer = region.write(create_cluster, ask)?;
    Ok(answer.cluster.expect("a cluster"))
}

fn delete(region: &mut Fixture, name: &str) -> Result<String, Error> {
    let ask = shape::DeleteClusterRequest { cluster: Some(name.into()) };
    let answer = region.write(delete_cluster, ask)?;
    Ok(answer.cluster.and_then(|it| it.status).expect("a cluster with a status"))
}

fn describe(
    region: &Fixture,
    names: &[&str],
    include: &[&str],
) -> Result<shape::DescribeClustersResponse, Error> {
    let ask = shape::DescribeClustersRequest {
        clusters: Some(names.iter().map(|it| (*it).to_owned()).collect()),
        include: Some(include.iter().map(|it| (*it).into()).collect()),
    };
    region.read(describe_clusters, ask)
}

fn list(region: &Fixture, ask: shape::ListClustersRequest) -> shape::ListClustersResponse {
    region.read(list_clusters, ask).expect("lists")
}

#[test]
fn a_new_cluster_is_active_and_empty() {
    let mut region = fixture::region();
    let cluster = create(&mut region, "blue").expect("is made");
    assert_eq!(
        cluster.cluster_arn.as_deref(),
        Some("arn:aws:ecs:us-east-1:123456789012:cluster/blue")
    );
    assert_eq!(cluster.status.as_deref(), Some("ACTIVE"));
    assert_eq!(cluster.registered_container_instances_count, Some(0));
    assert_eq!(cluster.tags, Some(vec![]));
    assert_eq!(create(&mut region, "blue"), Ok(cluster));
}

#[test]
fn a_deleted_cluster_stays_describable_and_can_be_revived() {
    let mut region = fixture::region();
    create(&mut region, "blue").expect("is made");
    assert_eq!(delete(&mut region, "blue").as_deref(), Ok("INACTIVE"));
    assert_eq!(delete(&mut region, "blue").as_deref(), Ok("INACTIVE"));
    let seen = describe(&region, &["blue"], &[]).expect("describes").clusters.expect("clusters");
    assert_eq!(seen[0].status.as_deref(), Some("INACTIVE"));
    assert_eq!(
        list(&region, shape::ListClustersRequest::default()).cluster_arns.map(|it| it.len()),
        Some(1)
    );
    create(&mut region, "blue").expect("is revived");
    assert_eq!(
        list(&region, shape::ListClustersRequest::default()).cluster_arns.map(|it| it.len()),
        Some(2)
    );
}

#[test]
fn unknown_clusters_are_refused_or_missing() {
    let mut region = fixture::region();
    assert_eq!(delete(&mut region, "nowhere"), Err(Error::ClusterNotFound));
    let answer = describe(&region, &["nowhere", "default"], &[]).expect("describes");
    assert_eq!(answer.clusters.map(|it| it.len()), Some(1));
    let arn = "arn:aws:ecs:us-east-1:123456789012:cluster/nowhere";
    assert_eq!(answer.failures, Some(vec![view::failure(arn.into(), "MISSING")]));
}

#[test]
fn the_region_of_an_arn_is_ignored_and_its_account_is_not() {
    let region = fixture::region();
    let answer = describe(&region, &["arn:aws:ecs:eu-west-3:123456789012:cluster/default"], &[]);
    assert_eq!(answer.expect("describes").clusters.map(|it| it.len()), Some(1));
    for bad in
        ["arn:aws:ecs:us-east-1:210987654321:cluster/default", "arn:aws:s3:::cluster/default"]
    {
        assert!(matches!(describe(&region, &[bad], &[]), Err(Error::InvalidParameter(_))), "{bad}");
    }
}

#[test]
fn parts_are_shown_where_they_are_asked_for() {
    let region = fixture::region();
    let show = |include: &[&str]| {
        let answer = describe(&region, &[], include).expect("describes");
        answer.clusters.expect("clusters").remove(0)
    };
    let bare = show(&[]);
    assert_eq!((bare.statistics, bare.settings), (Some(vec![]), Some(vec![])));
    let full = show(&["STATISTICS", "SETTINGS", "TAGS", "CONFIGURATIONS", "ATTACHMENTS"]);
    assert_eq!(full.settings, Some(usual_settings(&region.state, "")));
    assert_eq!(full.statistics.map(|it| it.len()), Some(12));
    assert!(describe(&region, &[], &["MOON"]).is_err());
}

#[test]
fn settings_are_merged_and_checked() {
    let mut region = fixture::region();
    let mut update = |name: &str, value: &str| {
        let setting = shape::ClusterSetting { name: Some(name.into()), value: Some(value.into()) };
        let ask = shape::UpdateClusterSettingsRequest {
            cluster: Some("default".into()),
            settings: Some(vec![setting]),
        };
        let cluster = region.write(update_cluster_settings, ask)?.cluster.expect("a cluster");
        Ok::<_, Error>(cluster.settings.expect("settings").remove(0).value.expect("a value"))
    };
    assert_eq!(update("containerInsights", "enhanced").as_deref(), Ok("enhanced"));
    assert!(update("containerInsights", "maybe").is_err());
    assert!(update("moon", "enabled").is_err());
}

#[test]
fn no_capacity_providers_can_be_put_and_nothing_else() {
    let mut region = fixture::region();
    let ask = shape::PutClusterCapacityProvidersRequest {
        cluster: Some("default".into()),
        capacity_providers: Some(vec![]),
        default_capacity_provider_strategy: Some(vec![]),
    };
    let answer = region.write(put_cluster_capacity_providers, ask.clone()).expect("accepted");
    assert_eq!(answer.cluster.and_then(|it| it.capacity_providers), Some(vec![]));
    let ask = shape::PutClusterCapacityProvidersRequest {
        capacity_providers: Some(vec!["FARGATE".into()]),
        ..ask
    };
    let answer = region.write(put_cluster_capacity_providers, ask);
    assert!(matches!(answer, Err(Error::UnsupportedFeature(_))));
}

#[test]
fn bad_requests_make_no_cluster() {
    let mut region = fixture::region();
    for bad in ["a b", "é", &"x".repeat(256), "arn:aws:ecs:us-east-1:123456789012:cluster/x"] {
        assert!(matches!(create(&mut region, bad), Err(Error::InvalidParameter(_))), "{bad}");
    }
    let tag = |key: &str| shape::Tag { key: Some(key.into()), value: None };
    let bad_tags = [
        vec![tag("aws:mine")],
        vec![tag("a"), tag("a")],
        vec![tag(&"k".repeat(129))],
        vec![tag("")],
    ];
    for tags in bad_tags {
        let ask = shape::CreateClusterRequest {
            cluster_name: Some("red".into()),
            tags: Some(tags),
            ..Default::default()
        };
        assert!(region.write(create_cluster, ask).is_err());
    }
}

#[test]
fn clusters_are_listed_in_pages() {
    let mut region = fixture::region();
    for name in ["a", "b", "c"] {
        create(&mut region, name).expect("is made");
    }
    let first =
        list(&region, shape::ListClustersRequest { max_results: Some(3), next_token: None });
    assert_eq!(first.cluster_arns.map(|it| it.len()), Some(3));
    let rest = shape::ListClustersRequest { max_results: None, next_token: first.next_token };
    let rest = list(&region, rest);
    let last = "arn:aws:ecs:us-east-1:123456789012:cluster/default".to_owned();
    assert_eq!((rest.cluster_arns, rest.next_token), (Some(vec![last]), None));
}

#[test]
fn a_new_name_of_a_default_namespace_makes_an_http_namespace() {
    let mut region = fixture::region();
    let mut make = |cluster: &str| {
        let ask = shape::CreateClusterRequest {
            cluster_name: Some(cluster.into()),
            service_connect_defaults: Some(shape::ClusterServiceConnectDefaultsRequest {
                namespace: Some("shop".into()),
            }),
            ..Default::default()
        };
        let made = region.write(create_cluster, ask).expect("is made").cluster.expect("a cluster");
        made.service_connect_defaults.and_then(|it| it.namespace)
    };
    let first = make("blue");
    assert_eq!(make("green"), first, "the second finds what the first has made");
    let mut made = region.state.namespaces().values();
    let it = made.next().expect("a namespace");
    assert_eq!((it.name.as_str(), &it.kind), ("shop", &state::NamespaceKind::Http));
    assert_eq!(first, Some(crate::servicediscovery::namespace_arn(&region.state, &it.id)));
    assert!(made.next().is_none(), "and no other");
}
