//! The records of the state: one file each.
//!
//! A record has up to three parts: the *spec*, stored as the client sent it (bytes of the shape's
//! stored form); *facts* that decisions need, parsed once; and *status*, ours. Stored forms only
//! grow: fields carry a number that is never reused, new ones are optional.

mod access_key;
mod audit;
mod cluster;
mod container_instance;
mod region;
mod setting;
mod tag;
mod task;
mod task_definition;
mod token;

pub use access_key::{AccessKey, JoinToken, Purpose};
pub use audit::{Audit, Outcome};
pub use cluster::{Cluster, ClusterStatus};
pub use container_instance::{Assignment, ContainerInstance, InstanceStatus, Resources};
pub use region::{RegionRow, Subnet};
pub use setting::{Setting, SettingKey};
pub use tag::Tag;
pub use task::{
    Binding, Container, Demand, Desired, Health, Interface, LaunchType, Status, Stop, StopCode,
    Task,
};
pub use task_definition::{DefinitionStatus, FamilyRow, NetworkMode, Revision, TaskDefinition};
pub use token::{Token, TokenKey};
