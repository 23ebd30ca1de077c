//! Made-up tasks: up to four containers with dependencies, health checks, restarts and ports.

use shapes::acs;
use state::Dice;

use crate::agent::tests::bench::{arn, container, task};

/// A task, the `number`th of its walk.
pub(super) fn random(dice: &mut Dice, number: usize) -> acs::Task {
    let count = 1 + dice.below(4);
    let containers: Vec<_> = (0..count).map(|index| one(dice, index, count)).collect();
    let credentials = acs::IAMRoleCredentials {
        credentials_id: Some(format!("id-{number}")),
        ..acs::IAMRoleCredentials::default()
    };
    acs::Task {
        arn: Some(arn(&format!("{number:032x}")).to_string()),
        role_credentials: (dice.below(2) == 0).then_some(credentials),
        ..task(containers)
    }
}

fn one(dice: &mut Dice, index: u64, count: u64) -> acs::Container {
    let mut it = container(&format!("c{index}"));
    it.cpu = Some(i32::try_from(32 + dice.below(160)).expect("small"));
    it.memory = Some(i32::try_from(16 + dice.below(128)).expect("small"));
    // The last container is essential, so that every task has one.
    it.essential = Some(index + 1 == count || dice.below(4) == 0);
    it.stop_timeout = (dice.below(2) == 0).then_some(2);
    it.start_timeout = Some(30);
    if dice.below(6) == 0 {
        let host = i32::try_from(8000 + dice.below(3)).expect("small");
        it.port_mappings = Some(vec![acs::PortMapping {
            container_port: Some(80),
            host_port: Some(host),
            ..acs::PortMapping::default()
        }]);
    }
    if dice.below(4) == 0 {
        it.restart_policy = Some(acs::RestartPolicy {
            enabled: Some(true),
            ignored_exit_codes: Some(vec![2]),
            restart_attempt_period: Some(5),
        });
    }
    if dice.below(3) == 0 {
        let check = r#"{"Healthcheck":{"Test":["CMD","true"],"Interval":1000000000,"Retries":2}}"#;
        let config = it.docker_config.get_or_insert_default();
        config.config = Some(check.into());
    }
    if dice.below(60) == 0 {
        let config = it.docker_config.get_or_insert_default();
        config.host_config = Some("no JSON".into());
    }
    let mut dependencies = Vec::new();
    for other in 0..index {
        if dice.below(3) == 0 {
            let conditions = ["START", "COMPLETE", "SUCCESS", "HEALTHY"];
            let at = usize::try_from(dice.below(4)).expect("small");
            dependencies.push(acs::ContainerDependency {
                container_name: Some(format!("c{other}")),
                condition: conditions.get(at).map(|it| (*it).into()),
            });
        }
    }
    it.depends_on = Some(dependencies);
    it
}
