//! Account settings.

use minicbor::{Decode, Encode};

/// Whose setting, and which. An empty principal is the account's default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct SettingKey {
    /// ARN of the principal, or empty.
    #[n(0)]
    pub principal: String,
    /// The API's name of the setting, such as `containerInsights`.
    #[n(1)]
    pub name: String,
}

/// An account setting that somebody has changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Setting {
    /// Whose, and which.
    #[n(0)]
    pub key: SettingKey,
    /// As the API spells it.
    #[n(1)]
    pub value: String,
}
