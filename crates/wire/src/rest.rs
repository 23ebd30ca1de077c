//! REST bindings: which part of a request or answer a member travels in.

mod path;
mod raw;
mod reader;
mod scalar;
mod writer;

pub(crate) use path::{has_fixed_query, matches};
pub(crate) use reader::{BodyForm, Bound, decode};
pub(crate) use writer::encode;
