//! Why bytes could not be read as a shape.

/// A body that does not say what its schema asks for.
///
/// The texts follow those that AWS sends as the message of a `SerializationException`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes do not follow the grammar of the protocol.
    #[error("Malformed input at byte {offset}: {problem}")]
    Syntax {
        /// Where in the body.
        offset: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A scalar of another type than the schema's.
    #[error("{found} can not be converted to {expected}")]
    WrongScalar {
        /// What stands there, in AWS's words, for example `NUMBER_VALUE`.
        found: &'static str,
        /// What the schema asks for, for example `a String`.
        expected: &'static str,
    },
    /// Something else where the schema asks for a structure, list or map.
    #[error("Expected {expected} or null")]
    WrongCollection {
        /// `list`, `map` or `structure`.
        expected: &'static str,
    },
    /// A structure, list or map where the schema asks for a scalar.
    #[error("Start of {found} found where not expected.")]
    UnexpectedCollection {
        /// `list`, or `structure or map`.
        found: &'static str,
    },
    /// A number that does not fit, or text that does not denote what it should.
    #[error("{text} can not be converted to {expected}")]
    Unparsable {
        /// The text as it was sent, cut short.
        text: String,
        /// What the schema asks for.
        expected: &'static str,
    },
    /// More nesting than [`crate::MAX_DEPTH`].
    #[error("The input is nested too deeply")]
    TooDeep,
}

impl DecodeError {
    /// An [`DecodeError::Unparsable`] that repeats at most 64 bytes of the text.
    pub fn unparsable(text: &str, expected: &'static str) -> Self {
        let end = text.floor_char_boundary(64);
        let text = text.get(..end).unwrap_or_default().to_owned();
        Self::Unparsable { text, expected }
    }
}

/// A number without a fraction as a whole number.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range before")]
pub(crate) fn whole(real: f64, expected: &'static str) -> Result<i64, DecodeError> {
    // Every f64 in this range is an i64; 2^63 itself is not.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&real);
    if fits && real.fract() == 0.0 {
        Ok(real as i64)
    } else {
        Err(DecodeError::unparsable(&real.to_string(), expected))
    }
}
