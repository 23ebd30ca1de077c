//! The records of the state: one file each.
//!
//! A record has up to three parts: the *spec*, stored as the client sent it (bytes of the shape's
//! stored form); *facts* that decisions need, parsed once; and *status*, ours. Stored forms only
//! grow: fields carry a number that is never reused, new ones are optional.

mod access_key;
mod alarm;
mod audit;
mod authority;
mod balancer;
mod certificate;
mod classic;
mod classic_target;
mod cluster;
mod connect_endpoint;
mod container_instance;
mod discovery;
mod hosted_zone;
mod load_balancer;
mod namespace;
mod placing;
mod region;
mod remark;
mod rule;
mod service;
mod service_deployment;
mod setting;
mod tag;
mod target_group;
mod task;
mod task_definition;
mod token;

pub use access_key::{AccessKey, JoinToken, Purpose};
pub use alarm::{Alarm, AlarmState, AlarmStatistic, AlarmTerms, Comparison, MissingData};
pub use audit::{Audit, Outcome};
pub use authority::Authority;
pub use balancer::Balancer;
pub use certificate::{Certificate, Origin};
pub use classic::{
    ClassicAttributes, ClassicHealthCheck, ClassicInstance, ClassicInstanceKey, ClassicListener,
    ClassicLoadBalancer, ClassicPolicy, ClassicProtocol, DesyncMode,
};
pub use classic_target::{classic_group, classic_name};
pub use cluster::{Cluster, ClusterStatus};
pub use connect_endpoint::{ConnectEndpoint, Traffic, names_endpoint};
pub use container_instance::{Assignment, ContainerInstance, InstanceStatus, Resources};
pub use discovery::{
    DiscoveryHealth, DiscoveryInstance, DiscoveryInstanceKey, DiscoveryOperation, DiscoveryRouting,
    DiscoveryService, DnsRecord, DnsRecordKind, DnsRecords,
};
pub use hosted_zone::{Answer, HostedZone, RecordSet, RecordSetKey};
pub use load_balancer::{Listener, ListenerProtocol, LoadBalancer, LoadBalancerKind, Node, Scheme};
pub use namespace::{NamedOperation, Namespace, NamespaceKind};
pub use placing::{Passed, Placing};
pub use region::{RegionRow, Subnet};
pub use remark::{Remark, RemarkKind, Remarks};
pub use rule::{Action, Cidr, Condition, QueryPattern, Redirect, Rule, Transform, WeightedGroup};
pub use service::{
    Breaker, Deployment, DeploymentAlarms, Rollout, Scheduling, Service, ServiceEvent,
    ServiceEventKey, ServiceKey, ServiceRegistry, ServiceStatus, ServiceTarget, Switch, Threshold,
};
pub use service_deployment::{
    AlarmWatch, Rollback, ServiceDeployment, ServiceDeploymentKey, ServiceDeploymentStatus,
    ServiceRevision, ServiceRevisionKey, Watching,
};
pub use setting::{Setting, SettingKey};
pub use tag::Tag;
pub use target_group::{
    Anomaly, Draining, HealthCheck, IpAddressType, Matcher, ProtocolVersion, Seen, Target,
    TargetGroup, TargetHealth, TargetKey, TargetProtocol, TargetType,
};
pub use task::{
    Binding, Container, Demand, Desired, Health, Interface, LaunchType, Membership, Status, Stop,
    StopCode, TargetMove, Task,
};
pub use task_definition::{DefinitionStatus, FamilyRow, NetworkMode, Revision, TaskDefinition};
pub use token::{Token, TokenKey};
