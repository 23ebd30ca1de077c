//! The instances of a region by the names that people give them.

use shapes::ecs::{
    ContainerInstance, ContainerInstanceStatus, DescribeContainerInstances,
    DescribeContainerInstancesRequest, ListContainerInstances, ListContainerInstancesRequest,
};

use crate::client::{CallError, Client};
use crate::commands::tasks::tail;

/// How many instances one Describe may name. Source: ECS API Reference.
const DESCRIBED_MAX: usize = 100;
/// The shortest part of an id that names an instance.
const SHORTEST: usize = 4;

/// One container instance that `landfall up` runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Such as `a1`.
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) zone: String,
    /// `ACTIVE` or `DRAINING`.
    pub(super) status: String,
    pub(super) connected: bool,
    pub(super) tasks: i32,
}

impl Member {
    /// Whether a name that somebody typed means this one.
    fn is(&self, typed: &str) -> bool {
        let id = tail(Some(&self.arn));
        typed == self.name
            || typed == self.arn
            || (typed.len() >= SHORTEST && id.starts_with(typed))
    }

    /// Whether the instance stands in a zone that somebody typed: its name or its last letter.
    fn stands_in(&self, typed: &str) -> bool {
        let letter = self.zone.chars().last().map(String::from);
        typed == self.zone || letter.as_deref() == Some(typed)
    }
}

/// The instance that a name means.
pub(super) fn meant_one(all: &[Member], typed: &str) -> Vec<Member> {
    all.iter().filter(|it| it.is(typed)).cloned().collect()
}

/// The instances of the zone that a name means.
pub(super) fn of_zone(all: &[Member], typed: &str) -> Vec<Member> {
    all.iter().filter(|it| it.stands_in(typed)).cloned().collect()
}

/// The instance that a name means, else those of the zone.
pub(super) fn meant(all: &[Member], typed: &str) -> Vec<Member> {
    let one = meant_one(all, typed);
    if one.is_empty() { of_zone(all, typed) } else { one }
}

/// All instances of the cluster `default` that have a name, in the order of their names.
pub(super) async fn members(client: &Client) -> Result<Vec<Member>, CallError> {
    let mut all = Vec::new();
    let mut ask = ListContainerInstancesRequest::default();
    loop {
        let page = client.call::<ListContainerInstances>(&ask).await?;
        for some in page.container_instance_arns.unwrap_or_default().chunks(DESCRIBED_MAX) {
            let ask = DescribeContainerInstancesRequest {
                container_instances: Some(some.to_vec()),
                ..DescribeContainerInstancesRequest::default()
            };
            let answer = client.call::<DescribeContainerInstances>(&ask).await?;
            all.extend(answer.container_instances.iter().flatten().filter_map(member));
        }
        ask.next_token = page.next_token;
        if ask.next_token.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn member(it: &ContainerInstance) -> Option<Member> {
    let attribute = |name: &str| {
        let mut all = it.attributes.iter().flatten();
        all.find(|it| it.name.as_deref() == Some(name)).and_then(|it| it.value.clone())
    };
    Some(Member {
        name: attribute("landfall.name")?,
        arn: it.container_instance_arn.clone()?,
        zone: attribute("ecs.availability-zone").unwrap_or_default(),
        status: it.status.clone().unwrap_or_default(),
        connected: it.agent_connected.unwrap_or(false),
        tasks: it.running_tasks_count.unwrap_or(0) + it.pending_tasks_count.unwrap_or(0),
    })
}

/// Whether it takes no new tasks because somebody has said so.
pub(super) fn is_draining(it: &Member) -> bool {
    it.status == ContainerInstanceStatus::Draining.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, zone: &str, id: &str) -> Member {
        Member {
            name: name.into(),
            arn: format!("arn:aws:ecs:r:a:container-instance/default/{id}"),
            zone: zone.into(),
            status: "ACTIVE".into(),
            connected: true,
            tasks: 0,
        }
    }

    #[test]
    fn a_name_means_an_instance_else_all_of_a_zone() {
        let all = [
            member("a1", "us-east-1a", "0aaaaaaa"),
            member("a2", "us-east-1a", "1bbbbbbb"),
            member("b1", "us-east-1b", "2ccccccc"),
        ];
        let names = |typed: &str| {
            let found = meant(&all, typed);
            found.into_iter().map(|it| it.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("a1"), "a1");
        assert_eq!(names("1bbb"), "a2");
        assert_eq!(names("arn:aws:ecs:r:a:container-instance/default/2ccccccc"), "b1");
        assert_eq!(names("us-east-1a"), "a1 a2");
        assert_eq!(names("b"), "b1");
        for nothing in ["", "1b", "c", "c1", "us-east-1"] {
            assert_eq!(names(nothing), "", "{nothing}");
        }
    }
}
