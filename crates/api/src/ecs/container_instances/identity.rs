//! The identity document that a machine shows when it registers.

use serde_json::Value;

/// What an EC2 instance identity document says, as far as it concerns us.
///
/// Differs: the signature is not checked. The call itself is signed with credentials of this
/// region, which is what the region trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) instance_id: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) instance_type: Option<String>,
    pub(super) image: Option<String>,
    pub(super) architecture: Option<String>,
}

impl Identity {
    /// Reads a document; one that is absent or unreadable says nothing.
    pub(super) fn parse(document: Option<&str>) -> Self {
        let value: Value =
            document.and_then(|it| serde_json::from_str(it).ok()).unwrap_or(Value::Null);
        let text =
            |name: &str| value.get(name)?.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        Self {
            instance_id: text("instanceId"),
            zone: text("availabilityZone"),
            instance_type: text("instanceType"),
            image: text("imageId"),
            architecture: text("architecture"),
        }
    }
}
