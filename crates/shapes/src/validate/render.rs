//! Values as AWS repeats them in messages.

use core::fmt::Write as _;

use crate::{Document, Encoder, Entries, Items, Shape, Timestamp, Value};

/// The longest value that a message repeats, in characters.
const LONGEST: usize = 1024;

/// A value as text, cut short.
pub(super) fn render(value: &dyn Value) -> String {
    let mut text = Text(String::new());
    value.write(&mut text);
    if let Some((end, _)) = text.0.char_indices().nth(LONGEST) {
        text.0.truncate(end);
        text.0.push('…');
    }
    text.0
}

struct Text(String);

impl Text {
    fn add(&mut self, value: impl core::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{value}");
    }
}

impl Encoder for Text {
    fn boolean(&mut self, value: bool) {
        self.add(value);
    }

    fn integer(&mut self, value: i64) {
        self.add(value);
    }

    fn double(&mut self, value: f64) {
        self.add(value);
    }

    fn string(&mut self, value: &str) {
        self.0.push_str(value);
    }

    fn blob(&mut self, value: &[u8]) {
        self.add(format_args!("{} bytes", value.len()));
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.add(value.seconds());
    }

    fn document(&mut self, _value: &Document) {
        self.0.push_str("{}");
    }

    fn list(&mut self, items: Items<'_>) {
        self.0.push('[');
        for (index, item) in items.enumerate() {
            self.0.push_str(if index == 0 { "" } else { ", " });
            item.write(self);
        }
        self.0.push(']');
    }

    fn map(&mut self, entries: Entries<'_>) {
        self.0.push('{');
        for (index, (key, value)) in entries.enumerate() {
            self.0.push_str(if index == 0 { "" } else { ", " });
            self.add(format_args!("{key}="));
            value.write(self);
        }
        self.0.push('}');
    }

    fn structure(&mut self, shape: &dyn Shape) {
        self.add(format_args!("{}(", shape.schema().name));
        let mut separator = "";
        for (index, member) in shape.schema().members().iter().enumerate() {
            if let Some(value) = shape.member(index) {
                self.add(format_args!("{separator}{}=", member.name));
                separator = ", ";
                if member.schema.sensitive {
                    self.0.push_str("***");
                } else {
                    value.write(self);
                }
            }
        }
        self.0.push(')');
    }
}
