//! Shapes without generated types: any value, driven by a schema.

use std::collections::BTreeMap;

use shapes::{
    DecodeError, Decoder, Document, Encoder, Kind, Location, Schema, Shape, Timestamp, Value,
};

/// A structure of any schema.
#[derive(Debug, Clone)]
pub(crate) struct Dynamic {
    pub schema: &'static Schema,
    pub members: Vec<Option<Any>>,
}

/// A value of any schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Any {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    String(String),
    Blob(Vec<u8>),
    Timestamp(i64),
    Document(Document),
    List(Vec<Any>),
    Map(BTreeMap<String, Any>),
    Structure(Dynamic),
}

impl PartialEq for Dynamic {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

impl Dynamic {
    pub(crate) fn new(schema: &'static Schema) -> Self {
        Self { schema, members: vec![None; schema.members().len()] }
    }

    /// The members with their values.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static shapes::Member, &Any)> {
        let members = self.schema.members().iter();
        members.zip(&self.members).filter_map(|(member, value)| Some((member, value.as_ref()?)))
    }

    /// Takes out the members that a request or answer does not carry where they are bound to.
    pub(crate) fn without(mut self, location: Location) -> Self {
        for (member, value) in self.schema.members().iter().zip(&mut self.members) {
            if member.location == location {
                *value = None;
            }
        }
        self
    }
}

impl Shape for Dynamic {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn member(&self, index: usize) -> Option<&dyn Value> {
        self.members.get(index)?.as_ref().map(|value| value as &dyn Value)
    }

    fn read_member(&mut self, index: usize, decoder: &mut dyn Decoder) -> Result<(), DecodeError> {
        let schema = self.schema.members()[index].schema;
        self.members[index] = Some(read(schema, decoder)?);
        Ok(())
    }
}

impl Value for Any {
    fn write(&self, encoder: &mut dyn Encoder) {
        match self {
            Self::Boolean(value) => encoder.boolean(*value),
            Self::Integer(value) => encoder.integer(*value),
            Self::Double(value) => encoder.double(*value),
            Self::String(value) => encoder.string(value),
            Self::Blob(value) => encoder.blob(value),
            Self::Timestamp(value) => encoder.timestamp(Timestamp(*value)),
            Self::Document(value) => encoder.document(value),
            Self::List(items) => encoder.list(&mut items.iter().map(|it| it as &dyn Value)),
            Self::Map(entries) => {
                let mut entries = entries.iter().map(|(key, it)| (key.as_str(), it as &dyn Value));
                encoder.map(&mut entries);
            }
            Self::Structure(shape) => encoder.structure(shape),
        }
    }

    fn read(decoder: &mut dyn Decoder) -> Result<Self, DecodeError> {
        decoder.document().map(Self::Document)
    }
}

/// Reads what the schema asks for.
fn read(schema: &'static Schema, decoder: &mut dyn Decoder) -> Result<Any, DecodeError> {
    Ok(match &schema.kind {
        Kind::Boolean => Any::Boolean(decoder.boolean()?),
        Kind::Integer => Any::Integer(i64::from(decoder.integer()?)),
        Kind::Long => Any::Integer(decoder.long()?),
        Kind::Double => Any::Double(decoder.double()?),
        Kind::String | Kind::Enum(_) => Any::String(decoder.string()?),
        Kind::Blob => Any::Blob(decoder.blob()?),
        Kind::Timestamp => Any::Timestamp(decoder.timestamp()?.0),
        Kind::Document => Any::Document(decoder.document()?),
        Kind::List(member) => {
            let mut items = Vec::new();
            decoder.list(&mut |decoder| {
                items.push(read(member.schema, decoder)?);
                Ok(())
            })?;
            Any::List(items)
        }
        Kind::Map(_, member) => {
            let mut entries = BTreeMap::new();
            decoder.map(&mut |key, decoder| {
                entries.insert(key, read(member.schema, decoder)?);
                Ok(())
            })?;
            Any::Map(entries)
        }
        Kind::Structure(_) => {
            let mut shape = Dynamic::new(schema);
            decoder.structure(&mut shape)?;
            Any::Structure(shape)
        }
    })
}

/// A value as free-form data, by the names of the model.
pub(crate) fn document(value: &Any) -> Document {
    match value {
        Any::Boolean(value) => Document::Boolean(*value),
        Any::Integer(value) => Document::Integer(*value),
        Any::Double(value) => Document::Double(*value),
        Any::String(value) => Document::String(value.clone()),
        Any::Document(value) => value.clone(),
        Any::List(items) => Document::List(items.iter().map(document).collect()),
        Any::Map(entries) => {
            Document::Map(entries.iter().map(|(key, it)| (key.clone(), document(it))).collect())
        }
        Any::Structure(shape) => {
            let members = shape.given().map(|(it, value)| (it.name.to_owned(), document(value)));
            Document::Map(members.collect())
        }
        Any::Blob(_) | Any::Timestamp(_) => panic!("errors of the models have neither"),
    }
}
