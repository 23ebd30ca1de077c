//! Amazon Resource Names: how they are read and made.

use core::fmt;

use crate::{AccountId, ClusterName, Family, InstanceId, Region, ServiceName, TaskId};

/// Whose region this is; every ARN we make names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The region's name, such as `us-east-1`.
    pub region: Region,
    /// The account that owns everything in it.
    pub account: AccountId,
}

impl Home {
    fn ecs(&self, tail: impl fmt::Display) -> String {
        format!("arn:aws:ecs:{}:{}:{tail}", self.region, self.account)
    }

    /// ARN of a cluster.
    pub fn cluster(&self, name: &ClusterName) -> String {
        self.ecs(format_args!("cluster/{name}"))
    }

    /// ARN of a task, long form.
    pub fn task(&self, cluster: &ClusterName, id: TaskId) -> String {
        self.ecs(format_args!("task/{cluster}/{id}"))
    }

    /// ARN of a container instance, long form.
    pub fn instance(&self, cluster: &ClusterName, id: InstanceId) -> String {
        self.ecs(format_args!("container-instance/{cluster}/{id}"))
    }

    /// ARN of one revision of a task definition.
    pub fn task_definition(&self, family: &Family, revision: u32) -> String {
        self.ecs(format_args!("task-definition/{family}:{revision}"))
    }

    /// ARN of a service, long form.
    pub fn service(&self, cluster: &ClusterName, name: &ServiceName) -> String {
        self.ecs(format_args!("service/{cluster}/{name}"))
    }

    /// ARN of a snapshot of a service.
    pub fn service_revision(&self, cluster: &ClusterName, name: &ServiceName, id: u64) -> String {
        self.ecs(format_args!("service-revision/{cluster}/{name}/{id}"))
    }

    /// ARN of one rollout of a service.
    pub fn service_deployment(&self, cluster: &ClusterName, name: &ServiceName, id: u64) -> String {
        self.ecs(format_args!("service-deployment/{cluster}/{name}/{id}"))
    }

    /// ARN of a CloudWatch alarm.
    pub fn alarm(&self, name: &str) -> String {
        format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", self.region, self.account)
    }

    /// ARN of a container of a task. `id` is the container's own UUID.
    pub fn container(&self, cluster: &ClusterName, task: TaskId, id: &str) -> String {
        self.ecs(format_args!("container/{cluster}/{task}/{id}"))
    }

    /// ARN of an IAM identity or role: `tail` is `root`, `user/NAME` or `role/NAME`.
    pub fn iam(&self, tail: &str) -> String {
        format!("arn:aws:iam::{}:{tail}", self.account)
    }
}

/// A text that has the form of an ARN, in its parts.
///
/// The region is kept as it came: one Landfall region answers under every region name
/// (handbook 12.1), so callers compare resources, not regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, ….
    pub partition: &'a str,
    /// `ecs`, `iam`, ….
    pub service: &'a str,
    /// May be empty.
    pub region: &'a str,
    /// May be empty.
    pub account: &'a str,
    /// Everything after the fifth colon.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes the text apart; `None` if it is not an ARN.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let arn = Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        (!arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty())
            .then_some(arn)
    }

    /// What follows `kind/` in the resource, if this is an ECS resource of that kind.
    pub fn ecs(&self, kind: &str) -> Option<&'a str> {
        if self.service != "ecs" {
            return None;
        }
        self.resource.strip_prefix(kind)?.strip_prefix('/').filter(|tail| !tail.is_empty())
    }
}

/// The last part of an ECS ARN of that kind, or the text itself if it is no ARN.
///
/// `None` if it is an ARN of something else.
pub fn short_name<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    if !text.starts_with("arn:") {
        return Some(text);
    }
    let tail = Arn::parse(text)?.ecs(kind)?;
    tail.rsplit('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_come_apart_and_together() {
        let home = Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        };
        let cluster = ClusterName::parse("default").expect("valid");
        let arn = home.task(&cluster, TaskId::new(1));
        assert_eq!(
            arn,
            "arn:aws:ecs:us-east-1:123456789012:task/default/00000000000000000000000000000001"
        );
        assert_eq!(short_name(&arn, "task"), Some("00000000000000000000000000000001"));
        assert_eq!(short_name(&arn, "cluster"), None);
        assert_eq!(short_name("default", "cluster"), Some("default"));
        assert_eq!(Arn::parse("arn:aws:ecs"), None);
    }
}
