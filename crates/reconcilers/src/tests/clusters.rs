use state::{Cluster, ClusterStatus, JoinToken, Purpose};
use types::{ClusterName, Timestamp};

use super::fixture::{HOUR, MINUTE, World, key, stopped, task, token};
use crate::Policy;

fn cluster(name: &str, status: ClusterStatus, inactive_at: Option<i64>) -> Cluster {
    Cluster {
        name: ClusterName::parse(name).expect("valid"),
        status,
        spec: Vec::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
        inactive_at: inactive_at.map(Timestamp),
    }
}

fn names(world: &World) -> Vec<String> {
    world.state.clusters().keys().map(ToString::to_string).collect()
}

#[test]
fn a_deleted_cluster_is_forgotten_after_an_hour() {
    let mut world = World::new(Policy::default());
    world.put(cluster("alive", ClusterStatus::Active, None));
    world.put(cluster("gone", ClusterStatus::Inactive, Some(MINUTE)));
    world.run_until(HOUR + MINUTE - 1);
    assert_eq!(names(&world), ["alive", "gone"]);
    world.run_until(HOUR + MINUTE);
    assert_eq!(names(&world), ["alive"]);
}

#[test]
fn a_cluster_made_anew_within_the_hour_stays() {
    let mut world = World::new(Policy::default());
    world.put(cluster("blue", ClusterStatus::Inactive, Some(0)));
    world.run_until(MINUTE);
    world.put(cluster("blue", ClusterStatus::Active, None));
    world.run_until(3 * HOUR);
    assert_eq!(names(&world), ["blue"]);
}

#[test]
fn a_cluster_is_forgotten_only_when_nothing_names_it() {
    let mut world = World::new(Policy::default());
    world.put(cluster("default", ClusterStatus::Inactive, Some(0)));
    world.put(stopped(&task(7, 1), HOUR));
    world.put(token("monday", &[7], 3 * HOUR));
    world.run_until(3 * HOUR - 1);
    assert_eq!(names(&world), ["default"]);
    world.run_until(3 * HOUR + 2 * MINUTE);
    assert_eq!(names(&world), [""; 0]);
}

#[test]
fn what_would_let_machines_into_a_cluster_goes_with_it() {
    let mut world = World::new(Policy::default());
    world.put(cluster("gone", ClusterStatus::Inactive, Some(0)));
    for name in ["gone", "other"] {
        let cluster = ClusterName::parse(name).expect("valid");
        let mut key = key(name, 1, 0);
        key.expires_at = None;
        key.purpose = Purpose::Agent(cluster.clone());
        world.put(key);
        let expires_at = Timestamp(100 * HOUR);
        world.put(JoinToken { id: name.into(), digest: vec![0; 32], cluster, expires_at });
    }
    world.run_until(2 * HOUR);
    assert_eq!(world.state.join_tokens().keys().collect::<Vec<_>>(), ["other"]);
    assert_eq!(world.state.access_keys().keys().collect::<Vec<_>>(), ["other"]);
}

#[test]
fn a_join_token_goes_when_it_expires() {
    let mut world = World::new(Policy::default());
    let cluster = ClusterName::parse("default").expect("valid");
    for (id, at) in [("early", MINUTE), ("late", HOUR)] {
        let (id, digest, expires_at) = (id.into(), vec![0; 32], Timestamp(at));
        world.put(JoinToken { id, digest, cluster: cluster.clone(), expires_at });
    }
    world.run_until(MINUTE);
    assert_eq!(world.state.join_tokens().keys().collect::<Vec<_>>(), ["late"]);
    world.run_until(HOUR);
    assert!(world.state.join_tokens().is_empty());
}
