//! How rows look in the journal: CBOR with numbered fields, which may only grow.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::record::{
    AccessKey, Alarm, Assignment, Audit, Authority, Balancer, Certificate, ClassicInstance,
    ClassicLoadBalancer, Cluster, ConnectEndpoint, ContainerInstance, DiscoveryInstance,
    DiscoveryOperation, DiscoveryService, FamilyRow, HostedZone, JoinToken, Listener, LoadBalancer,
    Namespace, RecordSet, RegionRow, Rule, Service, ServiceDeployment, ServiceEvent,
    ServiceRevision, Setting, Target, TargetGroup, Task, TaskDefinition, Token,
};
use crate::{Change, Table};

/// A change as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Which table.
    pub table: u8,
    /// Encoded key.
    pub key: Vec<u8>,
    /// Encoded record; `None` takes the row away.
    pub value: Option<Vec<u8>>,
}

fn row<R: Table + Encode<()>>(key: &R::Key, record: Option<&Arc<R>>) -> StoredRow
where
    R::Key: Encode<()>,
{
    StoredRow { table: R::NUMBER, key: bytes(key), value: record.map(|it| bytes(it.as_ref())) }
}

fn bytes<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing to memory does not fail")
}

/// The row of a change.
pub fn encode(change: &Change) -> StoredRow {
    match change {
        Change::Region(key, it) => row::<RegionRow>(key, it.as_ref()),
        Change::Cluster(key, it) => row::<Cluster>(key, it.as_ref()),
        Change::Family(key, it) => row::<FamilyRow>(key, it.as_ref()),
        Change::TaskDefinition(key, it) => row::<TaskDefinition>(key, it.as_ref()),
        Change::ContainerInstance(key, it) => row::<ContainerInstance>(key, it.as_ref()),
        Change::Task(key, it) => row::<Task>(key, it.as_ref()),
        Change::Token(key, it) => row::<Token>(key, it.as_ref()),
        Change::Setting(key, it) => row::<Setting>(key, it.as_ref()),
        Change::AccessKey(key, it) => row::<AccessKey>(key, it.as_ref()),
        Change::JoinToken(key, it) => row::<JoinToken>(key, it.as_ref()),
        Change::Audit(key, it) => row::<Audit>(key, it.as_ref()),
        Change::Assignment(key, it) => row::<Assignment>(key, it.as_ref()),
        Change::LoadBalancer(key, it) => row::<LoadBalancer>(key, it.as_ref()),
        Change::Listener(key, it) => row::<Listener>(key, it.as_ref()),
        Change::Rule(key, it) => row::<Rule>(key, it.as_ref()),
        Change::TargetGroup(key, it) => row::<TargetGroup>(key, it.as_ref()),
        Change::Target(key, it) => row::<Target>(key, it.as_ref()),
        Change::Certificate(key, it) => row::<Certificate>(key, it.as_ref()),
        Change::HostedZone(key, it) => row::<HostedZone>(key, it.as_ref()),
        Change::RecordSet(key, it) => row::<RecordSet>(key, it.as_ref()),
        Change::Balancer(key, it) => row::<Balancer>(key, it.as_ref()),
        Change::Authority(key, it) => row::<Authority>(key, it.as_ref()),
        Change::Service(key, it) => row::<Service>(key, it.as_ref()),
        Change::ServiceRevision(key, it) => row::<ServiceRevision>(key, it.as_ref()),
        Change::ServiceDeployment(key, it) => row::<ServiceDeployment>(key, it.as_ref()),
        Change::ServiceEvent(key, it) => row::<ServiceEvent>(key, it.as_ref()),
        Change::ConnectEndpoint(key, it) => row::<ConnectEndpoint>(key, it.as_ref()),
        Change::ClassicLoadBalancer(key, it) => row::<ClassicLoadBalancer>(key, it.as_ref()),
        Change::ClassicInstance(key, it) => row::<ClassicInstance>(key, it.as_ref()),
        Change::Namespace(key, it) => row::<Namespace>(key, it.as_ref()),
        Change::DiscoveryService(key, it) => row::<DiscoveryService>(key, it.as_ref()),
        Change::DiscoveryInstance(key, it) => row::<DiscoveryInstance>(key, it.as_ref()),
        Change::DiscoveryOperation(key, it) => row::<DiscoveryOperation>(key, it.as_ref()),
        Change::Alarm(key, it) => row::<Alarm>(key, it.as_ref()),
    }
}

/// The change that puts a stored row back.
///
/// # Errors
///
/// The row is of an unknown table, or damaged.
pub fn decode(table: u8, value: &[u8]) -> Result<Change, minicbor::decode::Error> {
    fn record<'b, R: Decode<'b, ()>>(value: &'b [u8]) -> Result<R, minicbor::decode::Error> {
        minicbor::decode(value)
    }
    Ok(match table {
        RegionRow::NUMBER => record::<RegionRow>(value)?.into(),
        Cluster::NUMBER => record::<Cluster>(value)?.into(),
        FamilyRow::NUMBER => record::<FamilyRow>(value)?.into(),
        TaskDefinition::NUMBER => record::<TaskDefinition>(value)?.into(),
        ContainerInstance::NUMBER => record::<ContainerInstance>(value)?.into(),
        Task::NUMBER => record::<Task>(value)?.into(),
        Token::NUMBER => record::<Token>(value)?.into(),
        Setting::NUMBER => record::<Setting>(value)?.into(),
        AccessKey::NUMBER => record::<AccessKey>(value)?.into(),
        JoinToken::NUMBER => record::<JoinToken>(value)?.into(),
        Audit::NUMBER => record::<Audit>(value)?.into(),
        Assignment::NUMBER => record::<Assignment>(value)?.into(),
        LoadBalancer::NUMBER => record::<LoadBalancer>(value)?.into(),
        Listener::NUMBER => record::<Listener>(value)?.into(),
        Rule::NUMBER => record::<Rule>(value)?.into(),
        TargetGroup::NUMBER => record::<TargetGroup>(value)?.into(),
        Target::NUMBER => record::<Target>(value)?.into(),
        Certificate::NUMBER => record::<Certificate>(value)?.into(),
        HostedZone::NUMBER => record::<HostedZone>(value)?.into(),
        RecordSet::NUMBER => record::<RecordSet>(value)?.into(),
        Balancer::NUMBER => record::<Balancer>(value)?.into(),
        Authority::NUMBER => record::<Authority>(value)?.into(),
        Service::NUMBER => record::<Service>(value)?.into(),
        ServiceRevision::NUMBER => record::<ServiceRevision>(value)?.into(),
        ServiceDeployment::NUMBER => record::<ServiceDeployment>(value)?.into(),
        ServiceEvent::NUMBER => record::<ServiceEvent>(value)?.into(),
        ConnectEndpoint::NUMBER => record::<ConnectEndpoint>(value)?.into(),
        ClassicLoadBalancer::NUMBER => record::<ClassicLoadBalancer>(value)?.into(),
        ClassicInstance::NUMBER => record::<ClassicInstance>(value)?.into(),
        Namespace::NUMBER => record::<Namespace>(value)?.into(),
        DiscoveryService::NUMBER => record::<DiscoveryService>(value)?.into(),
        DiscoveryInstance::NUMBER => record::<DiscoveryInstance>(value)?.into(),
        DiscoveryOperation::NUMBER => record::<DiscoveryOperation>(value)?.into(),
        Alarm::NUMBER => record::<Alarm>(value)?.into(),
        _ => return Err(minicbor::decode::Error::message("a table this version does not know")),
    })
}
