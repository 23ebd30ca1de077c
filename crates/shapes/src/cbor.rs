//! Shapes as CBOR (RFC 8949): maps keyed by the members' names.
//!
//! Two uses share it: the RPC v2 CBOR protocol, and the form in which specs are stored.

use std::collections::BTreeMap;
use std::convert::Infallible;

use minicbor::data::{IanaTag, Type};

use crate::{
    DecodeError, Decoder, Document, Encoder, Entries, Items, MAX_DEPTH, ReadEntry, ReadItem, Shape,
    Timestamp,
};

/// Writes a shape.
pub fn encode(shape: &dyn Shape) -> Vec<u8> {
    let mut writer = Writer { out: minicbor::Encoder::new(Vec::with_capacity(256)) };
    writer.structure(shape);
    writer.out.into_writer()
}

/// Writes a map that no schema describes, as a fault.
pub fn encode_entries(entries: &[(&str, &Document)]) -> Vec<u8> {
    let mut writer = Writer { out: minicbor::Encoder::new(Vec::with_capacity(256)) };
    sure(writer.out.map(length(entries.len())));
    for (name, value) in entries {
        writer.string(name);
        writer.document(value);
    }
    writer.out.into_writer()
}

/// Reads a shape. Members that the schema does not know are skipped; no bytes are an empty shape.
pub fn decode(bytes: &[u8], into: &mut dyn Shape) -> Result<(), DecodeError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut reader = Reader { input: minicbor::Decoder::new(bytes), depth: 0 };
    reader.structure(into)?;
    match reader.input.position() {
        end if end == bytes.len() => Ok(()),
        offset => Err(DecodeError::Syntax { offset, problem: "more than one value" }),
    }
}

struct Writer {
    out: minicbor::Encoder<Vec<u8>>,
}

/// Memory takes every write.
fn sure<T>(written: Result<T, minicbor::encode::Error<Infallible>>) {
    written.map(drop).expect("writing to memory does not fail");
}

fn length(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

impl Encoder for Writer {
    fn boolean(&mut self, value: bool) {
        sure(self.out.bool(value));
    }

    fn integer(&mut self, value: i64) {
        sure(self.out.i64(value));
    }

    fn double(&mut self, value: f64) {
        sure(self.out.f64(value));
    }

    fn string(&mut self, value: &str) {
        sure(self.out.str(value));
    }

    fn blob(&mut self, value: &[u8]) {
        sure(self.out.bytes(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        sure(self.out.tag(IanaTag::Timestamp));
        match value.0 % 1000 {
            0 => sure(self.out.i64(value.0 / 1000)),
            _ => sure(self.out.f64(value.seconds())),
        }
    }

    fn document(&mut self, value: &Document) {
        match value {
            Document::Null => sure(self.out.null()),
            Document::Boolean(value) => self.boolean(*value),
            Document::Integer(value) => self.integer(*value),
            Document::Double(value) => self.double(*value),
            Document::String(value) => self.string(value),
            Document::List(items) => {
                sure(self.out.array(length(items.len())));
                for item in items {
                    self.document(item);
                }
            }
            Document::Map(entries) => {
                sure(self.out.map(length(entries.len())));
                for (key, value) in entries {
                    self.string(key);
                    self.document(value);
                }
            }
        }
    }

    fn list(&mut self, items: Items<'_>) {
        sure(self.out.array(length(items.len())));
        items.for_each(|item| item.write(self));
    }

    fn map(&mut self, entries: Entries<'_>) {
        sure(self.out.map(length(entries.len())));
        for (key, value) in entries {
            self.string(key);
            value.write(self);
        }
    }

    fn structure(&mut self, shape: &dyn Shape) {
        let members = shape.schema().members();
        let given = (0..members.len()).filter(|index| shape.member(*index).is_some()).count();
        sure(self.out.map(length(given)));
        for (index, member) in members.iter().enumerate() {
            if let Some(value) = shape.member(index) {
                sure(self.out.str(member.name));
                value.write(self);
            }
        }
    }
}

struct Reader<'a> {
    input: minicbor::Decoder<'a>,
    /// How many documents are open around the next value.
    depth: usize,
}

/// The grammar was broken, or the value ends too early.
fn syntax(error: &minicbor::decode::Error) -> DecodeError {
    let problem = if error.is_end_of_input() { "unexpected end" } else { "not the expected value" };
    DecodeError::Syntax { offset: error.position().unwrap_or(0), problem }
}

impl Reader<'_> {
    fn next_type(&self) -> Result<Type, DecodeError> {
        self.input.datatype().map_err(|error| syntax(&error))
    }

    /// Why a value of this type cannot stand where a scalar is expected.
    fn mismatch(found: Type, expected: &'static str) -> DecodeError {
        match found {
            Type::Array | Type::ArrayIndef => DecodeError::UnexpectedCollection { found: "list" },
            Type::Map | Type::MapIndef => {
                DecodeError::UnexpectedCollection { found: "structure or map" }
            }
            Type::Bool => DecodeError::WrongScalar { found: "BOOLEAN_VALUE", expected },
            Type::Null | Type::Undefined => {
                DecodeError::WrongScalar { found: "NULL_VALUE", expected }
            }
            Type::String | Type::StringIndef => {
                DecodeError::WrongScalar { found: "STRING_VALUE", expected }
            }
            Type::Bytes | Type::BytesIndef => {
                DecodeError::WrongScalar { found: "BLOB_VALUE", expected }
            }
            _ => DecodeError::WrongScalar { found: "NUMBER_VALUE", expected },
        }
    }

    /// Takes one value as a number of either kind.
    fn number(&mut self, expected: &'static str) -> Result<Number, DecodeError> {
        match self.next_type()? {
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => {
                let whole = self.input.int().map_err(|error| syntax(&error))?;
                let whole = i64::try_from(whole);
                whole
                    .map(Number::Whole)
                    .map_err(|_| DecodeError::unparsable("The number", expected))
            }
            Type::F16 => self.half().map(Number::Real),
            Type::F32 | Type::F64 => {
                self.input.f64().map(Number::Real).map_err(|error| syntax(&error))
            }
            other => Err(Self::mismatch(other, expected)),
        }
    }

    /// Takes a float of 16 bits, the form in which clients send what is not a finite number.
    fn half(&mut self) -> Result<f64, DecodeError> {
        let at = self.input.position();
        let bytes = self.input.input().get(at + 1..at + 3);
        let Some(&[high, low]) = bytes else {
            return Err(DecodeError::Syntax { offset: at, problem: "unexpected end" });
        };
        self.input.set_position(at + 3);
        let bits = u16::from_be_bytes([high, low]);
        let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
        let fraction = f64::from(bits & 0x03ff);
        Ok(match (bits >> 10) & 0x1f {
            0 => sign * fraction * 2f64.powi(-24),
            0x1f if fraction > 0.0 => f64::NAN,
            0x1f => sign * f64::INFINITY,
            exponent => sign * (1.0 + fraction / 1024.0) * 2f64.powi(i32::from(exponent) - 15),
        })
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        match self.next_type()? {
            Type::String => self.input.str().map(str::to_owned).map_err(|error| syntax(&error)),
            Type::StringIndef => {
                let parts = self.input.str_iter().map_err(|error| syntax(&error))?;
                parts.collect::<Result<String, _>>().map_err(|error| syntax(&error))
            }
            other => Err(Self::mismatch(other, "a String")),
        }
    }

    /// Whether the next entry of a collection is there; counts down a known length.
    fn more(&mut self, left: &mut Option<u64>) -> Result<bool, DecodeError> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None if self.next_type()? == Type::Break => {
                self.input.set_position(self.input.position() + 1);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn open_map(&mut self, expected: &'static str) -> Result<Option<u64>, DecodeError> {
        match self.next_type()? {
            Type::Map | Type::MapIndef => self.input.map().map_err(|error| syntax(&error)),
            _ => Err(DecodeError::WrongCollection { expected }),
        }
    }

    fn open_list(&mut self) -> Result<Option<u64>, DecodeError> {
        match self.next_type()? {
            Type::Array | Type::ArrayIndef => self.input.array().map_err(|error| syntax(&error)),
            _ => Err(DecodeError::WrongCollection { expected: "list" }),
        }
    }

    fn skip(&mut self) -> Result<(), DecodeError> {
        self.input.skip().map_err(|error| syntax(&error))
    }

    fn is_null(&self) -> Result<bool, DecodeError> {
        Ok(matches!(self.next_type()?, Type::Null | Type::Undefined))
    }

    fn document_collection(&mut self, kind: Type) -> Result<Document, DecodeError> {
        if kind == Type::Array || kind == Type::ArrayIndef {
            let mut left = self.open_list()?;
            let mut items = Vec::new();
            while self.more(&mut left)? {
                items.push(self.document()?);
            }
            return Ok(Document::List(items));
        }
        let mut left = self.open_map("map")?;
        let mut entries = BTreeMap::new();
        while self.more(&mut left)? {
            let key = self.text()?;
            entries.insert(key, self.document()?);
        }
        Ok(Document::Map(entries))
    }
}

enum Number {
    Whole(i64),
    Real(f64),
}

impl Decoder for Reader<'_> {
    fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.next_type()? {
            Type::Bool => self.input.bool().map_err(|error| syntax(&error)),
            other => Err(Self::mismatch(other, "a Boolean")),
        }
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        let whole = self.long()?;
        i32::try_from(whole).map_err(|_| DecodeError::unparsable(&whole.to_string(), "an Integer"))
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        match self.number("a Long")? {
            Number::Whole(whole) => Ok(whole),
            Number::Real(real) => crate::error::whole(real, "a Long"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a double is what the schema asks for")]
    fn double(&mut self) -> Result<f64, DecodeError> {
        match self.number("a Double")? {
            Number::Whole(whole) => Ok(whole as f64),
            Number::Real(real) => Ok(real),
        }
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.text()
    }

    fn blob(&mut self) -> Result<Vec<u8>, DecodeError> {
        match self.next_type()? {
            Type::Bytes => self.input.bytes().map(<[u8]>::to_vec).map_err(|error| syntax(&error)),
            Type::BytesIndef => {
                let parts = self.input.bytes_iter().map_err(|error| syntax(&error))?;
                let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|error| syntax(&error))?;
                Ok(parts.concat())
            }
            other => Err(Self::mismatch(other, "a Blob")),
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        if self.next_type()? == Type::Tag {
            self.input.tag().map_err(|error| syntax(&error))?;
        }
        match self.number("a Timestamp")? {
            Number::Whole(whole) => Ok(Timestamp(whole.saturating_mul(1000))),
            Number::Real(real) => Ok(Timestamp::from_seconds(real)),
        }
    }

    fn document(&mut self) -> Result<Document, DecodeError> {
        match self.next_type()? {
            Type::Null | Type::Undefined => self.skip().map(|()| Document::Null),
            Type::Bool => self.boolean().map(Document::Boolean),
            Type::String | Type::StringIndef => self.text().map(Document::String),
            kind @ (Type::Array | Type::ArrayIndef | Type::Map | Type::MapIndef) => {
                if self.depth >= MAX_DEPTH {
                    return Err(DecodeError::TooDeep);
                }
                self.depth += 1;
                let document = self.document_collection(kind);
                self.depth -= 1;
                document
            }
            _ => Ok(match self.number("a Document")? {
                Number::Whole(whole) => Document::Integer(whole),
                Number::Real(real) => Document::Double(real),
            }),
        }
    }

    fn list(&mut self, item: ReadItem<'_>) -> Result<(), DecodeError> {
        let mut left = self.open_list()?;
        while self.more(&mut left)? {
            item(self)?;
        }
        Ok(())
    }

    fn map(&mut self, entry: ReadEntry<'_>) -> Result<(), DecodeError> {
        let mut left = self.open_map("map")?;
        while self.more(&mut left)? {
            let key = self.text()?;
            entry(key, self)?;
        }
        Ok(())
    }

    fn structure(&mut self, into: &mut dyn Shape) -> Result<(), DecodeError> {
        let schema = into.schema();
        let mut left = self.open_map("structure")?;
        let mut expected = 0;
        while self.more(&mut left)? {
            let name = self.text()?;
            let place = schema.place(expected, |member| member.name == name);
            match place {
                Some(index) if !self.is_null()? => {
                    into.read_member(index, self)?;
                    expected = index + 1;
                }
                _ => self.skip()?,
            }
        }
        Ok(())
    }
}
