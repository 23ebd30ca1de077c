//! XML documents as shapes.
//!
//! The document is read into a tree first: members of a flattened list need not stand together,
//! and no service that takes XML takes much of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use shapes::{
    DecodeError, Decoder, Document, Kind, Location, MAX_DEPTH, Member, ReadEntry, ReadItem, Shape,
    Timestamp,
};

use shapes::text;

/// Reads the children of the root element into a shape. No bytes are an empty shape.
pub(crate) fn decode(body: &[u8], into: &mut dyn Shape) -> Result<(), DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let root = parse(body)?;
    Reader { at: vec![&root], member: None }.structure(into)
}

/// Reads the root element into the member that is the whole body.
pub(crate) fn decode_payload(
    body: &[u8],
    index: usize,
    into: &mut dyn Shape,
) -> Result<(), DecodeError> {
    let root = parse(body)?;
    let member = into.schema().members().get(index);
    into.read_member(index, &mut Reader { at: vec![&root], member })
}

/// An element: its name without a prefix, its text and its children.
#[derive(Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

fn syntax(offset: u64, problem: &'static str) -> DecodeError {
    DecodeError::Syntax { offset: usize::try_from(offset).unwrap_or(usize::MAX), problem }
}

/// Reads a document. Entities other than XML's own five are refused, so nothing expands.
fn parse(body: &[u8]) -> Result<Element, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| syntax(0, "not UTF-8"))?;
    let mut reader = quick_xml::Reader::from_str(text);
    // The elements that are open, around all a nameless one.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event();
        let event = event.map_err(|_| syntax(reader.error_position(), "malformed XML"))?;
        let here = || syntax(reader.buffer_position(), "malformed XML");
        match event {
            Event::Start(tag) => {
                let name = tag.local_name().into_inner().to_owned();
                open.push(Element { name, ..Element::default() });
                if open.len() > MAX_DEPTH {
                    return Err(DecodeError::TooDeep);
                }
            }
            Event::Empty(tag) => {
                let name = tag.local_name().into_inner().to_owned();
                let parent = open.last_mut().ok_or_else(here)?;
                parent.children.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(here)?;
                open.last_mut().ok_or_else(here)?.children.push(element);
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let letter = reference.resolve_char_ref().map_err(|_| here())?;
                let named = || resolve_predefined_entity(&reference).map(str::to_owned);
                let text = letter.map(String::from).or_else(named).ok_or_else(here)?;
                add(&mut open, &text);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(mut outside), true) if outside.children.len() == 1 => {
            Ok(outside.children.swap_remove(0))
        }
        _ => Err(syntax(reader.buffer_position(), "exactly one root element expected")),
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Stands before the value of one member: one element, or all of a flattened list.
struct Reader<'a> {
    at: Vec<&'a Element>,
    /// The member at hand; none for the root.
    member: Option<&'static Member>,
}

impl<'a> Reader<'a> {
    fn text(&self) -> Result<&'a str, DecodeError> {
        let element = self.at.first().ok_or_else(|| syntax(0, "malformed XML"))?;
        if element.children.is_empty() {
            Ok(&element.text)
        } else {
            Err(DecodeError::UnexpectedCollection { found: "structure or map" })
        }
    }

    /// The text of a scalar that is not a string, where white space means nothing.
    fn trimmed(&self) -> Result<&'a str, DecodeError> {
        self.text().map(str::trim)
    }

    fn children(&self) -> impl Iterator<Item = &'a Element> + use<'a> {
        self.at.first().copied().into_iter().flat_map(|element| &element.children)
    }

    fn is_flattened(&self) -> bool {
        self.member.is_some_and(|member| member.flattened)
    }
}

impl Decoder for Reader<'_> {
    fn boolean(&mut self) -> Result<bool, DecodeError> {
        self.trimmed().and_then(text::boolean)
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        self.trimmed().and_then(text::integer)
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        self.trimmed().and_then(text::long)
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        self.trimmed().and_then(text::parse_double)
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.text().map(str::to_owned)
    }

    fn blob(&mut self) -> Result<Vec<u8>, DecodeError> {
        let text = self.trimmed()?;
        STANDARD.decode(text).map_err(|_| DecodeError::unparsable(text, "a Blob"))
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        self.trimmed().and_then(text::parse_timestamp)
    }

    fn document(&mut self) -> Result<Document, DecodeError> {
        self.string().map(Document::String)
    }

    fn list(&mut self, item: ReadItem<'_>) -> Result<(), DecodeError> {
        let Some(Kind::List(member)) = self.member.map(|member| &member.schema.kind) else {
            return Err(DecodeError::WrongCollection { expected: "list" });
        };
        let items: Vec<_> =
            if self.is_flattened() { self.at.clone() } else { self.children().collect() };
        for element in items {
            item(&mut Reader { at: vec![element], member: Some(member) })?;
        }
        Ok(())
    }

    fn map(&mut self, entry: ReadEntry<'_>) -> Result<(), DecodeError> {
        let Some(Kind::Map(key, value)) = self.member.map(|member| &member.schema.kind) else {
            return Err(DecodeError::WrongCollection { expected: "map" });
        };
        let entries: Vec<_> =
            if self.is_flattened() { self.at.clone() } else { self.children().collect() };
        for element in entries {
            let part = |member: &'static Member| {
                let found = element.children.iter().find(|it| it.name == member.wire_name);
                found.map(|part| Reader { at: vec![part], member: Some(member) })
            };
            let (Some(mut key), Some(mut value)) = (part(key), part(value)) else {
                return Err(DecodeError::WrongCollection { expected: "map" });
            };
            entry(key.string()?, &mut value)?;
        }
        Ok(())
    }

    fn structure(&mut self, into: &mut dyn Shape) -> Result<(), DecodeError> {
        for (index, member) in into.schema().members().iter().enumerate() {
            if member.location != Location::Body {
                continue;
            }
            let name = element_name(member);
            let at: Vec<_> = self.children().filter(|it| it.name == name).collect();
            if !at.is_empty() {
                into.read_member(index, &mut Reader { at, member: Some(member) })?;
            }
        }
        Ok(())
    }
}

/// The element of a member: items of a flattened list may have a name of their own.
fn element_name(member: &Member) -> &'static str {
    match &member.schema.kind {
        Kind::List(item) if member.flattened && item.wire_name != item.name => item.wire_name,
        _ => member.wire_name,
    }
}
