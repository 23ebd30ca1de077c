//! XML: the answers of the Query protocols, and both directions of REST-XML.

mod reader;
mod writer;

pub(crate) use reader::{decode, decode_payload};
pub(crate) use writer::Writer;
