//! JSON text (RFC 8259) as shapes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{
    DecodeError, Decoder, Document, Location, MAX_DEPTH, ReadEntry, ReadItem, Shape, Timestamp,
    text,
};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Base64 as clients send it, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a body into a shape: those members that travel in the body. No bytes are an empty object.
pub fn decode(body: &[u8], into: &mut dyn Shape) -> Result<(), DecodeError> {
    if body.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(body)?;
    if !reader.take_null()? {
        reader.structure(into)?;
    }
    reader.finish()
}

/// Reads a body that is the value of one member.
pub fn decode_member(body: &[u8], index: usize, into: &mut dyn Shape) -> Result<(), DecodeError> {
    let mut reader = Reader::new(body)?;
    if !reader.take_null()? {
        into.read_member(index, &mut reader)?;
    }
    reader.finish()
}

/// Reads a body as free-form data.
pub fn decode_document(body: &[u8]) -> Result<Document, DecodeError> {
    let mut reader = Reader::new(body)?;
    let document = reader.document()?;
    reader.finish()?;
    Ok(document)
}

/// Stands somewhere in a text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many documents are open around the next value.
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Stands before the first value.
    fn new(body: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(body).map_err(|error| DecodeError::Syntax {
            offset: error.valid_up_to(),
            problem: "not UTF-8",
        })?;
        Ok(Self { text, at: 0, depth: 0 })
    }

    /// Nothing may follow the value.
    fn finish(mut self) -> Result<(), DecodeError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax("more than one value")),
        }
    }

    /// Takes a null, if there is one.
    fn take_null(&mut self) -> Result<bool, DecodeError> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word("null").map(|()| true)
    }

    fn syntax(&self, problem: &'static str) -> DecodeError {
        DecodeError::Syntax { offset: self.at, problem }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte of what comes next, behind white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), DecodeError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.syntax(problem))
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn word(&mut self, word: &'static str) -> Result<(), DecodeError> {
        if self.rest().starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.syntax("not a JSON value"))
        }
    }

    /// Why what comes next cannot stand where a scalar is expected.
    fn mismatch(&mut self, expected: &'static str) -> DecodeError {
        match self.peek() {
            Some(b'{') => DecodeError::UnexpectedCollection { found: "structure or map" },
            Some(b'[') => DecodeError::UnexpectedCollection { found: "list" },
            Some(b'"') => DecodeError::WrongScalar { found: "STRING_VALUE", expected },
            Some(b't') => DecodeError::WrongScalar { found: "TRUE_VALUE", expected },
            Some(b'f') => DecodeError::WrongScalar { found: "FALSE_VALUE", expected },
            Some(b'n') => DecodeError::WrongScalar { found: "NULL_VALUE", expected },
            Some(b'-' | b'0'..=b'9') => {
                DecodeError::WrongScalar { found: "NUMBER_VALUE", expected }
            }
            Some(_) => self.syntax("not a JSON value"),
            None => self.syntax("unexpected end"),
        }
    }

    /// Takes a text, copied only if it holds escapes.
    fn text(&mut self, expected: &'static str) -> Result<Cow<'a, str>, DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(self.mismatch(expected));
        }
        self.at += 1;
        let plain = self.plain();
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut owned = plain.to_owned();
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(owned));
                }
                Some(b'\\') => {
                    self.at += 1;
                    owned.push(self.escape()?);
                }
                Some(_) => return Err(self.syntax("control character in a string")),
                None => return Err(self.syntax("unexpected end")),
            }
            owned.push_str(self.plain());
        }
    }

    /// Takes what stands before the next quote, backslash or control character.
    fn plain(&mut self) -> &'a str {
        let rest = self.rest();
        let ends = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let byte = self.byte().ok_or_else(|| self.syntax("unexpected end"))?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(self.syntax("unknown escape")),
        })
    }

    /// Takes `XXXX`, or `XXXX\uXXXX` if the first is the high half of a pair.
    fn code_point(&mut self) -> Result<char, DecodeError> {
        let first = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400);
            let low = low.ok_or_else(|| self.syntax("half of a surrogate pair"))?;
            0x10000 + ((first - 0xd800) << 10) + low
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.syntax("half of a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, DecodeError> {
        let digits = self.rest().get(..4).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.syntax("four digits expected"))?;
        self.at += 4;
        Ok(code)
    }

    /// Takes a number in JSON's grammar.
    fn number(&mut self, expected: &'static str) -> Result<&'a str, DecodeError> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.mismatch(expected));
        }
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let leading_zero = self.byte() == Some(b'0');
        if self.digits()? > 1 && leading_zero {
            return Err(self.syntax("a number begins with zero"));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn digits(&mut self) -> Result<usize, DecodeError> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        if count == 0 { Err(self.syntax("a digit expected")) } else { Ok(count) }
    }

    fn real(&mut self, expected: &'static str) -> Result<f64, DecodeError> {
        let number = self.number(expected)?;
        number.parse().map_err(|_| DecodeError::unparsable(number, expected))
    }

    /// Goes into a collection; gives whether it has a first entry.
    fn open(&mut self, open: u8, close: u8, expected: &'static str) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(byte) if byte == open => self.at += 1,
            None => return Err(self.syntax("unexpected end")),
            Some(_) => return Err(DecodeError::WrongCollection { expected }),
        }
        let is_empty = self.peek() == Some(close);
        self.at += usize::from(is_empty);
        Ok(!is_empty)
    }

    /// Goes to the next entry of a collection, if there is one.
    fn next(&mut self, close: u8) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Err(self.syntax("a comma or the end of a collection expected")),
            None => Err(self.syntax("unexpected end")),
        }
    }

    fn key(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax("a name expected"));
        }
        let key = self.text("a String")?;
        self.expect(b':', "a colon expected")?;
        Ok(key)
    }

    /// Passes over one value without keeping any of it.
    fn skip(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        match self.peek() {
            Some(b'{') => {
                let mut more = self.open(b'{', b'}', "map")?;
                while more {
                    self.key()?;
                    self.skip(depth + 1)?;
                    more = self.next(b'}')?;
                }
                Ok(())
            }
            Some(b'[') => {
                let mut more = self.open(b'[', b']', "list")?;
                while more {
                    self.skip(depth + 1)?;
                    more = self.next(b']')?;
                }
                Ok(())
            }
            Some(b'"') => self.text("a String").map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number("a value").map(drop),
        }
    }

    fn document_collection(&mut self) -> Result<Document, DecodeError> {
        if self.peek() == Some(b'[') {
            let mut items = Vec::new();
            self.list(&mut |decoder| {
                items.push(decoder.document()?);
                Ok(())
            })?;
            return Ok(Document::List(items));
        }
        let mut entries = BTreeMap::new();
        let mut more = self.open(b'{', b'}', "map")?;
        while more {
            let key = self.key()?.into_owned();
            entries.insert(key, self.document()?);
            more = self.next(b'}')?;
        }
        Ok(Document::Map(entries))
    }
}

impl Decoder for Reader<'_> {
    fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            _ => Err(self.mismatch("a Boolean")),
        }
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        let number = self.number("an Integer")?;
        text::integer(number)
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        let number = self.number("a Long")?;
        text::long(number)
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        if self.peek() == Some(b'"') {
            let name = self.text("a Double")?;
            return text::named_number(&name)
                .ok_or(DecodeError::WrongScalar { found: "STRING_VALUE", expected: "a Double" });
        }
        self.real("a Double")
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.text("a String").map(Cow::into_owned)
    }

    fn blob(&mut self) -> Result<Vec<u8>, DecodeError> {
        let text = self.text("a Blob")?;
        BASE64.decode(text.as_bytes()).map_err(|_| DecodeError::unparsable(&text, "a Blob"))
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        if self.peek() == Some(b'"') {
            let text = self.text("a Timestamp")?;
            return text::parse_timestamp(&text);
        }
        self.real("a Timestamp").map(Timestamp::from_seconds)
    }

    fn document(&mut self) -> Result<Document, DecodeError> {
        match self.peek() {
            Some(b'n') => self.word("null").map(|()| Document::Null),
            Some(b't' | b'f') => self.boolean().map(Document::Boolean),
            Some(b'"') => self.string().map(Document::String),
            Some(b'[' | b'{') => {
                if self.depth >= MAX_DEPTH {
                    return Err(DecodeError::TooDeep);
                }
                self.depth += 1;
                let document = self.document_collection();
                self.depth -= 1;
                document
            }
            _ => {
                let number = self.number("a Document")?;
                let real = || number.parse().map(Document::Double);
                let document = number.parse().map(Document::Integer).or_else(|_| real());
                document.map_err(|_| DecodeError::unparsable(number, "a Document"))
            }
        }
    }

    fn list(&mut self, item: ReadItem<'_>) -> Result<(), DecodeError> {
        let mut more = self.open(b'[', b']', "list")?;
        while more {
            item(self)?;
            more = self.next(b']')?;
        }
        Ok(())
    }

    fn map(&mut self, entry: ReadEntry<'_>) -> Result<(), DecodeError> {
        let mut more = self.open(b'{', b'}', "map")?;
        while more {
            let key = self.key()?.into_owned();
            entry(key, self)?;
            more = self.next(b'}')?;
        }
        Ok(())
    }

    fn structure(&mut self, into: &mut dyn Shape) -> Result<(), DecodeError> {
        let schema = into.schema();
        let mut expected = 0;
        let mut more = self.open(b'{', b'}', "structure")?;
        while more {
            let name = self.key()?;
            let place = schema.place(expected, |member| {
                member.wire_name == name && member.location == Location::Body
            });
            match place {
                Some(_) if self.peek() == Some(b'n') => self.word("null")?,
                Some(index) => {
                    into.read_member(index, self)?;
                    expected = index + 1;
                }
                None => self.skip(0)?,
            }
            more = self.next(b'}')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
