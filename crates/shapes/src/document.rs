//! Free-form data: the shape of members for which the model gives no structure.

use std::collections::BTreeMap;

/// A value whose structure only its sender knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Document {
    /// Nothing.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Double(f64),
    /// Text.
    String(String),
    /// Many values.
    List(Vec<Document>),
    /// Values by name.
    Map(BTreeMap<String, Document>),
}
