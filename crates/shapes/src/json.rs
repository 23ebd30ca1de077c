//! Shapes as JSON: the bodies of AWS JSON and REST-JSON, and the messages of the agent protocol.
//!
//! Written by hand, straight between bytes and shapes: a general JSON library would build a tree
//! first or need derived code for each shape, and both cost more than the whole rest of a request.

mod reader;
mod writer;

pub use reader::{decode, decode_document, decode_member};
pub use writer::{encode, encode_entries, encode_value};
