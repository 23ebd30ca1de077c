//! What a request needs while it is under way; kept for the next one afterwards, so that a
//! connection without a request needs none of it.

use super::answer_head::AnswerHead;
use super::input::Input;
use super::pump::Pump;
use super::request_head::RequestHead;
use crate::limits;

/// What a request needs while it is under way.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// What has come from the client and is not used up.
    pub(crate) input: Input,
    /// The head that was read, and its bytes.
    pub(crate) head: RequestHead,
    pub(crate) head_bytes: Vec<u8>,
    pub(crate) up: Pump,
    /// What has come from the target and is not used up.
    pub(crate) answer_input: Input,
    pub(crate) answer: AnswerHead,
    pub(crate) down: Pump,
}

impl Work {
    /// Ready for another connection.
    pub(crate) fn clear(&mut self) {
        self.input.clear();
        self.answer_input.clear();
        self.head_bytes.clear();
    }

    /// Whether it is worth keeping.
    pub(crate) fn is_small(&self) -> bool {
        let large = 4 * limits::HEAD_BUFFER;
        self.input.capacity() <= large
            && self.answer_input.capacity() <= large
            && self.up.capacity() <= large
            && self.down.capacity() <= large
    }
}
