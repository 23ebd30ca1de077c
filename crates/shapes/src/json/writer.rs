//! Shapes as JSON text.

use std::io::Write as _;

use crate::{
    Document, Encoder, Entries, Items, Location, Shape, Timestamp, TimestampFormat, Value, text,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Writes the members of a shape that travel in the body.
pub fn encode(shape: &dyn Shape) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.structure(shape);
    writer.out
}

/// Writes an object that no schema describes, as a fault.
pub fn encode_entries(entries: &[(&str, &Document)]) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut separator = b'{';
    for (name, value) in entries {
        writer.name(&mut separator, name);
        writer.document(value);
    }
    writer.close(separator, b'{', b'}');
    writer.out
}

/// Writes one value, the whole body where a member is the payload.
pub fn encode_value(value: &dyn Value) -> Vec<u8> {
    let mut writer = Writer::new();
    value.write(&mut writer);
    writer.out
}

struct Writer {
    out: Vec<u8>,
    /// The form that the member at hand asks for, if it is not the protocol's.
    timestamp_format: Option<TimestampFormat>,
}

impl Writer {
    fn new() -> Self {
        Self { out: Vec::with_capacity(512), timestamp_format: None }
    }

    /// Writes what stands before a value in an object.
    fn name(&mut self, separator: &mut u8, name: &str) {
        self.separate(separator);
        self.string(name);
        self.out.push(b':');
    }

    /// Writes the opening bracket the first time, a comma later.
    fn separate(&mut self, separator: &mut u8) {
        self.out.push(*separator);
        *separator = b',';
    }

    /// Writes the closing bracket, and the opening one if there was nothing between them.
    fn close(&mut self, separator: u8, open: u8, close: u8) {
        if separator == open {
            self.out.push(open);
        }
        self.out.push(close);
    }

    fn display(&mut self, value: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        let _ = self.out.write_fmt(value);
    }
}

/// Whether a byte cannot stand in a string as it is.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

impl Encoder for Writer {
    fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn integer(&mut self, value: i64) {
        self.display(format_args!("{value}"));
    }

    fn double(&mut self, value: f64) {
        match text::special_number(value) {
            Some(name) => self.string(name),
            None => self.display(format_args!("{value:?}")),
        }
    }

    fn string(&mut self, value: &str) {
        self.out.push(b'"');
        let mut rest = value.as_bytes();
        while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
            let (plain, from) = rest.split_at(at);
            self.out.extend_from_slice(plain);
            let Some((byte, behind)) = from.split_first() else { break };
            match byte {
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', *byte]),
                _ => self.display(format_args!("\\u{byte:04x}")),
            }
            rest = behind;
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    fn blob(&mut self, value: &[u8]) {
        self.string(&STANDARD.encode(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        match self.timestamp_format {
            None | Some(TimestampFormat::EpochSeconds) => {
                self.out.extend_from_slice(text::epoch_seconds(value).as_bytes());
            }
            Some(format) => self.string(&text::timestamp(value, format)),
        }
    }

    fn document(&mut self, value: &Document) {
        match value {
            Document::Null => self.out.extend_from_slice(b"null"),
            Document::Boolean(value) => self.boolean(*value),
            Document::Integer(value) => self.integer(*value),
            Document::Double(value) => self.double(*value),
            Document::String(value) => self.string(value),
            Document::List(items) => {
                let mut separator = b'[';
                for item in items {
                    self.separate(&mut separator);
                    self.document(item);
                }
                self.close(separator, b'[', b']');
            }
            Document::Map(entries) => {
                let mut separator = b'{';
                for (key, value) in entries {
                    self.name(&mut separator, key);
                    self.document(value);
                }
                self.close(separator, b'{', b'}');
            }
        }
    }

    fn list(&mut self, items: Items<'_>) {
        let mut separator = b'[';
        for item in items {
            self.separate(&mut separator);
            item.write(self);
        }
        self.close(separator, b'[', b']');
    }

    fn map(&mut self, entries: Entries<'_>) {
        let mut separator = b'{';
        for (key, value) in entries {
            self.name(&mut separator, key);
            value.write(self);
        }
        self.close(separator, b'{', b'}');
    }

    fn structure(&mut self, shape: &dyn Shape) {
        let mut separator = b'{';
        for (index, member) in shape.schema().members().iter().enumerate() {
            if member.location == Location::Body
                && let Some(value) = shape.member(index)
            {
                self.name(&mut separator, member.wire_name);
                self.timestamp_format = member.timestamp_format;
                value.write(self);
            }
        }
        self.close(separator, b'{', b'}');
    }
}
