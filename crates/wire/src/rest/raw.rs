//! Bodies that are one blob or string as they stand.

use shapes::{
    DecodeError, Decoder, Document, Encoder, Entries, Items, ReadEntry, ReadItem, Shape, Timestamp,
};

/// The bytes of a body: gives, or takes, a blob or a string and nothing else.
pub(super) struct Raw(pub Vec<u8>);

/// The models have nothing else in a raw body.
const UNEXPECTED: DecodeError = DecodeError::WrongCollection { expected: "structure" };

impl Decoder for Raw {
    fn string(&mut self) -> Result<String, DecodeError> {
        let text = String::from_utf8(std::mem::take(&mut self.0));
        text.map_err(|_| DecodeError::Syntax { offset: 0, problem: "not UTF-8" })
    }

    fn blob(&mut self) -> Result<Vec<u8>, DecodeError> {
        Ok(std::mem::take(&mut self.0))
    }

    fn boolean(&mut self) -> Result<bool, DecodeError> {
        Err(UNEXPECTED)
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        Err(UNEXPECTED)
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        Err(UNEXPECTED)
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        Err(UNEXPECTED)
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        Err(UNEXPECTED)
    }

    fn document(&mut self) -> Result<Document, DecodeError> {
        Err(UNEXPECTED)
    }

    fn list(&mut self, _item: ReadItem<'_>) -> Result<(), DecodeError> {
        Err(UNEXPECTED)
    }

    fn map(&mut self, _entry: ReadEntry<'_>) -> Result<(), DecodeError> {
        Err(UNEXPECTED)
    }

    fn structure(&mut self, _into: &mut dyn Shape) -> Result<(), DecodeError> {
        Err(UNEXPECTED)
    }
}

impl Encoder for Raw {
    fn string(&mut self, value: &str) {
        self.0.extend_from_slice(value.as_bytes());
    }

    fn blob(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    fn boolean(&mut self, _value: bool) {}

    fn integer(&mut self, _value: i64) {}

    fn double(&mut self, _value: f64) {}

    fn timestamp(&mut self, _value: Timestamp) {}

    fn document(&mut self, _value: &Document) {}

    fn list(&mut self, _items: Items<'_>) {}

    fn map(&mut self, _entries: Entries<'_>) {}

    fn structure(&mut self, _shape: &dyn Shape) {}
}
