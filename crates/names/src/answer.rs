//! Answers, put together.

use domain::base::iana::Rcode;
use domain::base::message_builder::{AnswerBuilder, MessageBuilder, PushError, TreeCompressor};

use crate::query::{self, DATAGRAM_MAX, Query};
use crate::value::Wire;

/// Where an answer is written.
pub(crate) type Page = AnswerBuilder<TreeCompressor<Vec<u8>>>;

/// Bytes of the record by which we say that we speak EDNS.
const EXTENSION_BYTES: usize = 11;

/// Whose word an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Ours.
    Zone,
    /// A resolver's, in part or in whole.
    Resolver,
}

/// Puts an answer together. What does not fit is left out, and the answer says so.
pub(crate) fn build(
    query: &Query,
    code: Rcode,
    source: Source,
    fill: impl FnOnce(&mut Page) -> Result<(), PushError>,
) -> Vec<u8> {
    with_authority(query, code, source, None, fill)
}

/// As [`build`], with the record that says how long a name or type is known not to be.
pub(crate) fn with_authority(
    query: &Query,
    code: Rcode,
    source: Source,
    authority: Option<&Wire>,
    fill: impl FnOnce(&mut Page) -> Result<(), PushError>,
) -> Vec<u8> {
    let page = MessageBuilder::from_target(TreeCompressor::new(Vec::new())).ok();
    let Some(mut page) = page.and_then(|it| it.start_answer(&query.message, code).ok()) else {
        return failure(query);
    };
    let header = page.header_mut();
    header.set_aa(source == Source::Zone);
    header.set_ra(true);
    let reserved = if query.extended { EXTENSION_BYTES } else { 0 };
    page.set_push_limit(query.size_max - reserved);
    if fill(&mut page).is_err() {
        page = page.tc_rewind_into();
    }
    let mut page = page.authority();
    if let Some(record) = authority {
        // An answer without it is one all the same.
        let _ = page.push(record);
    }
    let mut page = page.additional();
    page.clear_push_limit();
    if query.extended {
        let written = page.opt(|it| {
            it.set_udp_payload_size(DATAGRAM_MAX);
            Ok(())
        });
        if written.is_err() {
            return failure(query);
        }
    }
    page.finish().into_target()
}

/// That there was no way to find out.
pub(crate) fn failure(query: &Query) -> Vec<u8> {
    query::refusal(query.message.as_slice(), Rcode::SERVFAIL)
}

/// That the answer is too long for the way by which it was asked for.
pub(crate) fn too_long(query: &Query) -> Vec<u8> {
    build(query, Rcode::NOERROR, Source::Resolver, |_| Err(PushError::LimitExceeded))
}
