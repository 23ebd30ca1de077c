//! One step of the state.

use std::sync::Arc;

use types::{ClusterName, Family, InstanceId, TaskId};

use crate::Table;
use crate::record::{
    AccessKey, Alarm, Assignment, Audit, Authority, Balancer, Certificate, ClassicInstance,
    ClassicInstanceKey, ClassicLoadBalancer, Cluster, ConnectEndpoint, ContainerInstance,
    DiscoveryInstance, DiscoveryInstanceKey, DiscoveryOperation, DiscoveryService, FamilyRow,
    HostedZone, JoinToken, Listener, LoadBalancer, Namespace, RecordSet, RecordSetKey, RegionRow,
    Revision, Rule, Service, ServiceDeployment, ServiceDeploymentKey, ServiceEvent,
    ServiceEventKey, ServiceKey, ServiceRevision, ServiceRevisionKey, Setting, SettingKey, Target,
    TargetGroup, TargetKey, Task, TaskDefinition, Token, TokenKey,
};

/// Lists the kinds of change: variant, record.
macro_rules! changes {
    ($($variant:ident($key:ty, $record:ident);)*) => {
        /// One step of the state: a record put under its key, or (`None`) taken away.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Change {
            $(
                #[doc = concat!("A row of `", stringify!($record), "`.")]
                $variant($key, Option<Arc<$record>>),
            )*
        }

        $(
            impl From<Arc<$record>> for Change {
                fn from(record: Arc<$record>) -> Self {
                    Self::$variant(record.key(), Some(record))
                }
            }

            impl From<$record> for Change {
                fn from(record: $record) -> Self {
                    Self::from(Arc::new(record))
                }
            }
        )*
    };
}

changes! {
    Region((), RegionRow);
    Cluster(ClusterName, Cluster);
    Family(Family, FamilyRow);
    TaskDefinition(Revision, TaskDefinition);
    ContainerInstance(InstanceId, ContainerInstance);
    Task(TaskId, Task);
    Token(TokenKey, Token);
    Setting(SettingKey, Setting);
    AccessKey(String, AccessKey);
    JoinToken(String, JoinToken);
    Audit(u64, Audit);
    Assignment(InstanceId, Assignment);
    LoadBalancer(String, LoadBalancer);
    Listener(String, Listener);
    Rule(String, Rule);
    TargetGroup(String, TargetGroup);
    Target(TargetKey, Target);
    Certificate(String, Certificate);
    HostedZone(String, HostedZone);
    RecordSet(RecordSetKey, RecordSet);
    Balancer(String, Balancer);
    Authority((), Authority);
    Service(ServiceKey, Service);
    ServiceRevision(ServiceRevisionKey, ServiceRevision);
    ServiceDeployment(ServiceDeploymentKey, ServiceDeployment);
    ServiceEvent(ServiceEventKey, ServiceEvent);
    ConnectEndpoint(String, ConnectEndpoint);
    ClassicLoadBalancer(String, ClassicLoadBalancer);
    ClassicInstance(ClassicInstanceKey, ClassicInstance);
    Namespace(String, Namespace);
    DiscoveryService(String, DiscoveryService);
    DiscoveryInstance(DiscoveryInstanceKey, DiscoveryInstance);
    DiscoveryOperation(String, DiscoveryOperation);
    Alarm(String, Alarm);
}
