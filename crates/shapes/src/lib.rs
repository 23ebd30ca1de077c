//! Everything the AWS wire can say: plain structs, their schemas, and the tables of services.
//!
//! The module of each service is generated from its vendored model (`models/`); the rest is the
//! small hand-written part that the generated code stands on. See
//! `docs/decisions/0002-schema-driven-wire.md`.

pub mod cbor;
mod document;
mod error;
pub mod json;
mod open_enum;
mod operation;
mod schema;
mod services;
pub mod stored;
pub mod text;
mod timestamp;
mod validate;
mod value;

pub use document::Document;
pub use error::DecodeError;
pub use operation::{Compiled, Empty, Operation, OperationSchema, Protocol, Service};
pub use schema::{Bounds, ErrorTrait, Kind, Location, Member, Schema, Structure, TimestampFormat};
pub use services::SERVICES;
pub use timestamp::Timestamp;
pub use validate::{Constraint, Violation, validate, validation_message};
pub use value::{Blob, Decoder, Encoder, Entries, Items, ReadEntry, ReadItem, Shape, Value};

/// The deepest nesting that a decoder follows.
///
/// The deepest shape of the vendored models has less than 20 levels; this bounds what is skipped
/// and what stands in a [`Document`].
pub const MAX_DEPTH: usize = 64;

pub mod acm;
pub mod acs;
pub mod application_autoscaling;
pub mod autoscaling;
pub mod cloudtrail;
pub mod cloudwatch;
pub mod codedeploy;
pub mod ec2;
pub mod ecr;
pub mod ecs;
pub mod elb;
pub mod elbv2;
pub mod events;
pub mod iam;
pub mod lambda;
pub mod landfall;
pub mod logs;
pub mod route53;
pub mod scheduler;
pub mod secretsmanager;
pub mod servicediscovery;
pub mod sqs;
pub mod ssm;
pub mod sts;
pub mod tcs;
