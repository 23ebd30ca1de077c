//! Shapes as REST answers.

use http::{HeaderMap, HeaderName, HeaderValue};
use shapes::{Kind, Location, Member, Shape, TimestampFormat, Value};

use super::BodyForm;
use super::raw::Raw;
use super::scalar::Collected;
use crate::xml;
use shapes::json;

/// The parts of an answer that members are bound to.
#[derive(Default)]
pub(crate) struct Parts {
    /// The status, if a member says it.
    pub status: Option<u16>,
    /// Headers, with the content type of the body.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Writes a shape.
pub(crate) fn encode(shape: &dyn Shape, form: BodyForm, namespace: Option<&str>) -> Parts {
    let mut parts = Parts::default();
    let members = shape.schema().members();
    let mut has_body = false;
    let mut payload = None;
    for (index, member) in members.iter().enumerate() {
        has_body |= member.location == Location::Body;
        if member.location == Location::Payload {
            payload = Some((member, shape.member(index)));
        } else if let Some(value) = shape.member(index) {
            parts.bind(member, value);
        }
    }
    match (payload, form) {
        (Some((member, value)), _) => parts.payload(member, value, form),
        (None, BodyForm::Json) if has_body => parts.put_json(json::encode(shape)),
        (None, BodyForm::Xml) if has_body => parts.put_xml(shape, namespace),
        (None, _) => {}
    }
    parts
}

impl Parts {
    /// Puts a member into the head of the answer, if that is where it belongs.
    fn bind(&mut self, member: &Member, value: &dyn Value) {
        let format = member.timestamp_format.unwrap_or(TimestampFormat::HttpDate);
        let mut collected = Collected { format, texts: Vec::new() };
        match member.location {
            Location::Status | Location::Header | Location::HeaderPrefix => {
                value.write(&mut collected);
            }
            Location::Body | Location::Payload | Location::Query | Location::Path => return,
        }
        let texts = collected.texts;
        if member.location == Location::Status {
            self.status = texts.first().and_then(|(_, text)| text.parse().ok());
        } else if member.location == Location::HeaderPrefix {
            for (name, text) in &texts {
                self.header(&format!("{}{name}", member.wire_name), text);
            }
        } else {
            let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
            self.header(member.wire_name, &texts.join(","));
        }
    }

    /// Adds a header. What cannot stand in one is left out.
    fn header(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
    }

    fn payload(&mut self, member: &'static Member, value: Option<&dyn Value>, form: BodyForm) {
        let Some(value) = value else { return };
        match (&member.schema.kind, form) {
            (Kind::Blob | Kind::String | Kind::Enum(_), _) => {
                let mut raw = Raw(Vec::new());
                value.write(&mut raw);
                self.body = raw.0;
            }
            (_, BodyForm::Json) => self.put_json(json::encode_value(value)),
            (_, BodyForm::Xml) => {
                let mut writer = xml::Writer::new();
                writer.declaration();
                writer.value(member, value);
                self.content("text/xml", writer.into_bytes());
            }
        }
    }

    fn put_json(&mut self, body: Vec<u8>) {
        self.content("application/json", body);
    }

    fn put_xml(&mut self, shape: &dyn Shape, namespace: Option<&str>) {
        let mut writer = xml::Writer::new();
        writer.declaration();
        writer.rooted(shape.schema().name, namespace, |inner| inner.members(shape));
        self.content("text/xml", writer.into_bytes());
    }

    fn content(&mut self, kind: &'static str, body: Vec<u8>) {
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        self.body = body;
    }
}
