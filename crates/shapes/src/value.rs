//! How generated structs meet the codecs: a struct is a table of members, a value writes itself
//! into an encoder and reads itself from a decoder.
//!
//! All traits are object-safe where codecs use them, so nothing here is compiled once per protocol.

use std::collections::BTreeMap;

use crate::{DecodeError, Document, Schema, Timestamp};

/// A struct of the wire: members by index, as in [`Schema::members`].
pub trait Shape {
    /// Names, bindings and limits of the members.
    fn schema(&self) -> &'static Schema;

    /// The value of a member, `None` if it is absent or there is no such member.
    fn member(&self, index: usize) -> Option<&dyn Value>;

    /// Sets a member from a decoder that stands before its value.
    fn read_member(&mut self, index: usize, decoder: &mut dyn Decoder) -> Result<(), DecodeError>;
}

/// Anything that can stand in a member, a list or a map.
pub trait Value {
    /// Writes this value.
    fn write(&self, encoder: &mut dyn Encoder);

    /// Reads a value.
    fn read(decoder: &mut dyn Decoder) -> Result<Self, DecodeError>
    where
        Self: Sized;
}

/// The items of a list, in order.
pub type Items<'a> = &'a mut dyn ExactSizeIterator<Item = &'a dyn Value>;

/// The entries of a map, in the order of their keys.
pub type Entries<'a> = &'a mut dyn ExactSizeIterator<Item = (&'a str, &'a dyn Value)>;

/// A protocol that values are written to.
pub trait Encoder {
    /// Writes a boolean.
    fn boolean(&mut self, value: bool);
    /// Writes a whole number of either size.
    fn integer(&mut self, value: i64);
    /// Writes a floating point number.
    fn double(&mut self, value: f64);
    /// Writes text.
    fn string(&mut self, value: &str);
    /// Writes bytes.
    fn blob(&mut self, value: &[u8]);
    /// Writes a point in time.
    fn timestamp(&mut self, value: Timestamp);
    /// Writes free-form data.
    fn document(&mut self, value: &Document);
    /// Writes a list.
    fn list(&mut self, items: Items<'_>);
    /// Writes a map.
    fn map(&mut self, entries: Entries<'_>);
    /// Writes a structure.
    fn structure(&mut self, shape: &dyn Shape);
}

/// Takes one item of a list: reads it from the decoder.
pub type ReadItem<'a> = &'a mut dyn FnMut(&mut dyn Decoder) -> Result<(), DecodeError>;

/// Takes one entry of a map: the key is given, the value is read from the decoder.
pub type ReadEntry<'a> = &'a mut dyn FnMut(String, &mut dyn Decoder) -> Result<(), DecodeError>;

/// A protocol that values are read from.
///
/// A decoder knows by the schemas which member it stands before; it skips what the schema does not
/// know, and leaves out members that are null.
pub trait Decoder {
    /// Reads a boolean.
    fn boolean(&mut self) -> Result<bool, DecodeError>;
    /// Reads a whole number of 32 bits.
    fn integer(&mut self) -> Result<i32, DecodeError>;
    /// Reads a whole number of 64 bits.
    fn long(&mut self) -> Result<i64, DecodeError>;
    /// Reads a floating point number.
    fn double(&mut self) -> Result<f64, DecodeError>;
    /// Reads text.
    fn string(&mut self) -> Result<String, DecodeError>;
    /// Reads bytes.
    fn blob(&mut self) -> Result<Vec<u8>, DecodeError>;
    /// Reads a point in time.
    fn timestamp(&mut self) -> Result<Timestamp, DecodeError>;
    /// Reads free-form data.
    fn document(&mut self) -> Result<Document, DecodeError>;
    /// Reads a list, one call of `item` for each of its items.
    fn list(&mut self, item: ReadItem<'_>) -> Result<(), DecodeError>;
    /// Reads a map, one call of `entry` for each of its entries.
    fn map(&mut self, entry: ReadEntry<'_>) -> Result<(), DecodeError>;
    /// Reads a structure into a shape.
    fn structure(&mut self, into: &mut dyn Shape) -> Result<(), DecodeError>;
}

/// Bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Blob(pub Vec<u8>);

impl<T: Shape + Default> Value for T {
    fn write(&self, encoder: &mut dyn Encoder) {
        encoder.structure(self);
    }

    fn read(decoder: &mut dyn Decoder) -> Result<Self, DecodeError> {
        let mut shape = Self::default();
        decoder.structure(&mut shape)?;
        Ok(shape)
    }
}

impl<T: Value> Value for Vec<T> {
    fn write(&self, encoder: &mut dyn Encoder) {
        encoder.list(&mut self.iter().map(|item| item as &dyn Value));
    }

    fn read(decoder: &mut dyn Decoder) -> Result<Self, DecodeError> {
        let mut items = Self::new();
        decoder.list(&mut |decoder| {
            items.push(T::read(decoder)?);
            Ok(())
        })?;
        Ok(items)
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    fn write(&self, encoder: &mut dyn Encoder) {
        encoder.map(&mut self.iter().map(|(key, value)| (key.as_str(), value as &dyn Value)));
    }

    fn read(decoder: &mut dyn Decoder) -> Result<Self, DecodeError> {
        let mut entries = Self::new();
        decoder.map(&mut |key, decoder| {
            entries.insert(key, T::read(decoder)?);
            Ok(())
        })?;
        Ok(entries)
    }
}

/// Scalars: a type, how it is written, how it is read.
macro_rules! scalars {
    ($($kind:ty: |$value:ident, $encoder:ident| $write:expr, |$decoder:ident| $read:expr;)*) => {$(
        impl Value for $kind {
            fn write(&self, $encoder: &mut dyn Encoder) {
                let $value = self;
                $write;
            }

            fn read($decoder: &mut dyn Decoder) -> Result<Self, DecodeError> {
                $read
            }
        }
    )*};
}

scalars! {
    bool: |value, encoder| encoder.boolean(*value), |decoder| decoder.boolean();
    i32: |value, encoder| encoder.integer(i64::from(*value)), |decoder| decoder.integer();
    i64: |value, encoder| encoder.integer(*value), |decoder| decoder.long();
    f64: |value, encoder| encoder.double(*value), |decoder| decoder.double();
    String: |value, encoder| encoder.string(value), |decoder| decoder.string();
    Blob: |value, encoder| encoder.blob(&value.0), |decoder| Ok(Self(decoder.blob()?));
    Timestamp: |value, encoder| encoder.timestamp(*value), |decoder| decoder.timestamp();
    Document: |value, encoder| encoder.document(value), |decoder| decoder.document();
}

/// The form in which generated structs give out a member.
#[expect(clippy::ref_option, reason = "what stands in the struct; keeps the generated text short")]
pub(crate) fn given<T: Value>(member: &Option<T>) -> Option<&dyn Value> {
    member.as_ref().map(|value| value as &dyn Value)
}

/// The form in which generated structs take in a member.
pub(crate) fn take<T: Value>(
    member: &mut Option<T>,
    decoder: &mut dyn Decoder,
) -> Result<(), DecodeError> {
    *member = Some(T::read(decoder)?);
    Ok(())
}
