//! Scalars, and lists and maps of them, in headers, paths, query strings and raw bodies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shapes::{
    DecodeError, Decoder, Document, Encoder, Entries, Items, ReadEntry, ReadItem, Shape, Timestamp,
    TimestampFormat,
};

use shapes::text;

/// Texts with the names under which they stand: the first is the scalar, all are the list, and by
/// name they are the map.
pub(super) struct Texts(pub Vec<(String, String)>);

impl Texts {
    /// Texts that all stand under the name of their member.
    pub(super) fn unnamed(texts: impl IntoIterator<Item = String>) -> Self {
        Self(texts.into_iter().map(|text| (String::new(), text)).collect())
    }

    fn first(&self) -> Result<&str, DecodeError> {
        let missing = DecodeError::WrongScalar { found: "NULL_VALUE", expected: "a String" };
        self.0.first().map(|(_, text)| text.as_str()).ok_or(missing)
    }
}

impl Decoder for Texts {
    fn boolean(&mut self) -> Result<bool, DecodeError> {
        self.first().and_then(text::boolean)
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        self.first().and_then(text::integer)
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        self.first().and_then(text::long)
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        self.first().and_then(text::parse_double)
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.first().map(str::to_owned)
    }

    fn blob(&mut self) -> Result<Vec<u8>, DecodeError> {
        let text = self.first()?;
        STANDARD.decode(text).map_err(|_| DecodeError::unparsable(text, "a Blob"))
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        self.first().and_then(text::parse_timestamp)
    }

    fn document(&mut self) -> Result<Document, DecodeError> {
        self.string().map(Document::String)
    }

    fn list(&mut self, item: ReadItem<'_>) -> Result<(), DecodeError> {
        self.0.drain(..).try_for_each(|text| item(&mut Self(vec![text])))
    }

    fn map(&mut self, entry: ReadEntry<'_>) -> Result<(), DecodeError> {
        let by_name = self.0.chunk_by(|(one, _), (next, _)| one == next);
        by_name.filter_map(|same| same.first().zip(Some(same))).try_for_each(|((name, _), same)| {
            let texts = same.iter().map(|(_, text)| text.clone());
            entry(name.clone(), &mut Self::unnamed(texts))
        })
    }

    fn structure(&mut self, _into: &mut dyn Shape) -> Result<(), DecodeError> {
        Err(DecodeError::WrongCollection { expected: "structure" })
    }
}

/// The reverse of [`Texts`]: collects what is written as named texts.
pub(super) struct Collected {
    /// How timestamps are written.
    pub format: TimestampFormat,
    /// What was written; the name is empty outside a map.
    pub texts: Vec<(String, String)>,
}

impl Collected {
    fn add(&mut self, text: String) {
        self.texts.push((String::new(), text));
    }
}

impl Encoder for Collected {
    fn boolean(&mut self, value: bool) {
        self.add(value.to_string());
    }

    fn integer(&mut self, value: i64) {
        self.add(value.to_string());
    }

    fn double(&mut self, value: f64) {
        self.add(text::double(value));
    }

    fn string(&mut self, value: &str) {
        self.add(value.to_owned());
    }

    fn blob(&mut self, value: &[u8]) {
        self.add(STANDARD.encode(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.add(text::timestamp(value, self.format));
    }

    // The models bind only scalars, and lists and maps of them, to headers and the like.
    fn document(&mut self, _value: &Document) {}

    fn list(&mut self, items: Items<'_>) {
        for item in items {
            item.write(self);
        }
    }

    fn map(&mut self, entries: Entries<'_>) {
        for (key, value) in entries {
            let from = self.texts.len();
            value.write(self);
            for (name, _) in self.texts.iter_mut().skip(from) {
                key.clone_into(name);
            }
        }
    }

    fn structure(&mut self, _shape: &dyn Shape) {}
}
