//! HTTP/1.1: heads, bodies, and how a request is carried to a target and its answer back.

pub(crate) mod answer_head;
pub(crate) mod body;
mod carry;
pub(crate) mod connection;
pub(crate) mod desync;
pub(crate) mod exchange;
pub(crate) mod field;
pub(crate) mod input;
pub(crate) mod pump;
pub(crate) mod request_head;
pub(crate) mod work;
