//! Bytes that have come and have not been used up.

/// Bytes that have come and have not been used up.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
}

impl Input {
    /// What is left.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.bytes.len()
    }

    /// Uses up so many bytes.
    pub(crate) fn advance(&mut self, used: usize) {
        self.start = (self.start + used).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Adds what was read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Moves the first bytes to the end of `to`.
    pub(crate) fn move_to(&mut self, len: usize, to: &mut Vec<u8>) {
        to.extend_from_slice(self.rest().get(..len).unwrap_or_default());
        self.advance(len);
    }
}
