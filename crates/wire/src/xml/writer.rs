//! Shapes as XML elements.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shapes::{
    Document, Encoder, Entries, Items, Kind, Location, Member, Shape, Timestamp, TimestampFormat,
    Value,
};

use shapes::text;

/// Writes elements one after the other.
pub(crate) struct Writer {
    out: String,
    /// The member whose value comes next, and the element that it gets.
    member: Option<&'static Member>,
    element: &'static str,
}

impl Writer {
    /// Begins with nothing.
    pub(crate) fn new() -> Self {
        Self { out: String::with_capacity(1024), member: None, element: "" }
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// Writes the line that tells what follows.
    pub(crate) fn declaration(&mut self) {
        self.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    }

    /// Writes an element around others.
    pub(crate) fn wrapped(&mut self, element: &str, inner: impl FnOnce(&mut Self)) {
        self.rooted(element, None, inner);
    }

    /// Writes an element with a namespace around others.
    pub(crate) fn rooted(
        &mut self,
        element: &str,
        namespace: Option<&str>,
        inner: impl FnOnce(&mut Self),
    ) {
        self.open(element, namespace);
        inner(self);
        self.close(element);
    }

    /// Writes an element around a text.
    pub(crate) fn text(&mut self, element: &str, text: &str) {
        self.wrapped(element, |inner| inner.escaped(text));
    }

    /// Writes an element for each member that travels in the body.
    pub(crate) fn members(&mut self, shape: &dyn Shape) {
        for (index, member) in shape.schema().members().iter().enumerate() {
            if member.location == Location::Body
                && let Some(value) = shape.member(index)
            {
                self.value(member, value);
            }
        }
    }

    /// Writes one member.
    pub(crate) fn value(&mut self, member: &'static Member, value: &dyn Value) {
        self.at(member, member.wire_name, |writer| value.write(writer));
    }

    /// Writes free-form data as an element.
    pub(crate) fn any(&mut self, element: &str, value: &Document) {
        match value {
            Document::Null => {}
            Document::Boolean(value) => self.text(element, &value.to_string()),
            Document::Integer(value) => self.text(element, &value.to_string()),
            Document::Double(value) => self.text(element, &text::double(*value)),
            Document::String(value) => self.text(element, value),
            Document::List(items) => self.wrapped(element, |inner| {
                for item in items {
                    inner.any("member", item);
                }
            }),
            Document::Map(entries) => self.wrapped(element, |inner| {
                for (key, value) in entries {
                    inner.any(key, value);
                }
            }),
        }
    }

    fn open(&mut self, element: &str, namespace: Option<&str>) {
        self.out.push('<');
        self.out.push_str(element);
        if let Some(namespace) = namespace {
            self.out.push_str(" xmlns=\"");
            self.escaped(namespace);
            self.out.push('"');
        }
        self.out.push('>');
    }

    fn close(&mut self, element: &str) {
        self.out.push_str("</");
        self.out.push_str(element);
        self.out.push('>');
    }

    /// Writes text. Characters that XML cannot carry are replaced.
    fn escaped(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                '\r' => self.out.push_str("&#13;"),
                '\n' | '\t' => self.out.push(letter),
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => self.out.push('\u{fffd}'),
                _ => self.out.push(letter),
            }
        }
    }

    /// Writes a value as the element of a member.
    fn at(
        &mut self,
        member: &'static Member,
        element: &'static str,
        write: impl FnOnce(&mut Self),
    ) {
        let outer = (self.member.replace(member), self.element);
        self.element = element;
        write(self);
        (self.member, self.element) = outer;
    }

    fn scalar(&mut self, text: &str) {
        self.text(self.element, text);
    }

    fn is_flattened(&self) -> bool {
        self.member.is_some_and(|member| member.flattened)
    }
}

impl Encoder for Writer {
    fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.scalar(&value.to_string());
    }

    fn double(&mut self, value: f64) {
        self.scalar(&text::double(value));
    }

    fn string(&mut self, value: &str) {
        self.scalar(value);
    }

    fn blob(&mut self, value: &[u8]) {
        self.scalar(&STANDARD.encode(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        let format = self.member.and_then(|member| member.timestamp_format);
        self.scalar(&text::timestamp(value, format.unwrap_or(TimestampFormat::Iso8601)));
    }

    fn document(&mut self, value: &Document) {
        self.any(self.element, value);
    }

    fn list(&mut self, items: Items<'_>) {
        let Some(Kind::List(item_member)) = self.member.map(|it| &it.schema.kind) else { return };
        if self.is_flattened() {
            // The items take the list's name, unless they have one of their own.
            let own = item_member.wire_name != item_member.name;
            let element = if own { item_member.wire_name } else { self.element };
            for item in items {
                self.at(item_member, element, |writer| item.write(writer));
            }
            return;
        }
        self.wrapped(self.element, |inner| {
            for item in items {
                inner.at(item_member, item_member.wire_name, |writer| item.write(writer));
            }
        });
    }

    fn map(&mut self, entries: Entries<'_>) {
        let Some(Kind::Map(key_member, member)) = self.member.map(|it| &it.schema.kind) else {
            return;
        };
        let element = self.element;
        let entry = |writer: &mut Self, element: &str, key: &str, value: &dyn Value| {
            writer.wrapped(element, |inner| {
                inner.text(key_member.wire_name, key);
                inner.at(member, member.wire_name, |writer| value.write(writer));
            });
        };
        if self.is_flattened() {
            for (key, value) in entries {
                entry(self, element, key, value);
            }
            return;
        }
        self.wrapped(element, |inner| {
            for (key, value) in entries {
                entry(inner, "entry", key, value);
            }
        });
    }

    fn structure(&mut self, shape: &dyn Shape) {
        self.wrapped(self.element, |inner| inner.members(shape));
    }
}
