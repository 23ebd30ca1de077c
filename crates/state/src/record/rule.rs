//! Rules of a listener: what a request must be like, and what becomes of it.

use core::time::Duration;
use std::net::IpAddr;

use minicbor::{Decode, Encode};

use super::Tag;

/// A rule of a listener.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Rule {
    /// Its whole ARN.
    #[n(0)]
    pub arn: String,
    /// The listener that it belongs to, by ARN.
    #[n(1)]
    pub listener: String,
    /// 1 to 50,000, unique in its listener; `None` is the default rule, which comes last.
    #[n(2)]
    pub priority: Option<u32>,
    /// All of them must hold. Empty in the default rule only.
    #[n(3)]
    pub conditions: Vec<Condition>,
    /// What becomes of a request.
    #[n(4)]
    pub action: Action,
    /// What is rewritten before the request goes to a target.
    #[n(5)]
    pub transforms: Vec<Transform>,
    /// Conditions, actions and transforms as the client sent them: a CreateRuleInput in stored form.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub spec: Vec<u8>,
    /// Set by CreateRule and AddTags.
    #[n(7)]
    pub tags: Vec<Tag>,
}

/// Something that a request is or is not. Several values are alternatives.
///
/// Patterns have `*` for any run of characters, `?` for exactly one, and a backslash before those
/// (and before itself) for the character as such.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Condition {
    /// Patterns of the host, without port; case does not matter.
    #[n(0)]
    Host(#[n(0)] Vec<String>),
    /// Patterns of the path, without query; case matters.
    #[n(1)]
    Path(#[n(0)] Vec<String>),
    /// Patterns of one header's values; case does not matter.
    #[n(2)]
    Header {
        /// The header's name, in lower case.
        #[n(0)]
        name: String,
        /// Patterns.
        #[n(1)]
        values: Vec<String>,
    },
    /// Methods, exactly.
    #[n(3)]
    Method(#[n(0)] Vec<String>),
    /// Patterns of a query parameter's value, or with its key too; case does not matter.
    #[n(4)]
    Query(#[n(0)] Vec<QueryPattern>),
    /// Ranges of the address of the connection's other end.
    #[n(5)]
    SourceIp(#[n(0)] Vec<Cidr>),
    /// Regular expressions of the host.
    #[n(6)]
    HostRegex(#[n(0)] Vec<String>),
    /// Regular expressions of the path.
    #[n(7)]
    PathRegex(#[n(0)] Vec<String>),
    /// Regular expressions of one header's values.
    #[n(8)]
    HeaderRegex {
        /// The header's name, in lower case.
        #[n(0)]
        name: String,
        /// Regular expressions.
        #[n(1)]
        values: Vec<String>,
    },
}

/// A parameter of a query.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct QueryPattern {
    /// Pattern of the key; `None` is any.
    #[n(0)]
    pub key: Option<String>,
    /// Pattern of the value.
    #[n(1)]
    pub value: String,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Cidr {
    /// Its first address.
    #[n(0)]
    pub base: IpAddr,
    /// How many leading bits are common.
    #[n(1)]
    pub prefix: u8,
}

/// What becomes of a request that a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Action {
    /// It goes to a target of one of these groups.
    #[n(0)]
    Forward {
        /// One to five.
        #[n(0)]
        groups: Vec<WeightedGroup>,
        /// How long a client stays with the group it got, by cookie.
        #[n(1)]
        stickiness: Option<Duration>,
    },
    /// The client is sent elsewhere.
    #[n(1)]
    Redirect(#[n(0)] Redirect),
    /// The client is answered at once.
    #[n(2)]
    Fixed {
        /// 2XX, 4XX or 5XX.
        #[n(0)]
        status: u16,
        /// Of the body.
        #[n(1)]
        content_type: Option<String>,
        /// At most 1,024 bytes.
        #[n(2)]
        body: String,
    },
}

/// A target group and its share.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WeightedGroup {
    /// The group's ARN.
    #[n(0)]
    pub group: String,
    /// 0 to 999, relative to the others'.
    #[n(1)]
    pub weight: u32,
}

/// Where a client is sent. Parts may hold `#{protocol}`, `#{host}`, `#{port}`, `#{path}`, `#{query}`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    #[n(0)]
    pub protocol: String,
    /// Host.
    #[n(1)]
    pub host: String,
    /// 1 to 65535 or `#{port}`.
    #[n(2)]
    pub port: String,
    /// Begins with `/`.
    #[n(3)]
    pub path: String,
    /// Without its `?`.
    #[n(4)]
    pub query: String,
    /// 301 or 302.
    #[n(5)]
    pub status: u16,
}

/// Something that is rewritten before a request goes to a target.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Transform {
    /// The host header.
    #[n(0)]
    Host {
        /// Regular expression.
        #[n(0)]
        regex: String,
        /// May name groups by `$1`.
        #[n(1)]
        replacement: String,
    },
    /// Path and query.
    #[n(1)]
    Url {
        /// Regular expression.
        #[n(0)]
        regex: String,
        /// May name groups by `$1`.
        #[n(1)]
        replacement: String,
    },
}
