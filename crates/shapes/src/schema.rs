//! What the AWS models say about a shape: names, bindings and limits, as static tables.
//!
//! Codecs and the validator are driven by these tables alone, so one codec serves every service.
//! The tables are generated; the `const` builders below keep the generated text short.

/// One shape of a model: a scalar, a list, a map or a structure.
#[derive(Debug)]
pub struct Schema {
    /// The name of the shape in the model, for example `RunTaskRequest`.
    pub name: &'static str,
    /// What values of this shape look like.
    pub kind: Kind,
    /// Limits of a number's value, or of the length of a string, blob, list or map.
    pub bounds: Bounds,
    /// A regular expression that the whole of a string has to match.
    pub pattern: Option<&'static str>,
    /// Whether a value must not be shown in logs.
    pub sensitive: bool,
}

/// The kinds of values that the AWS protocols know.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A floating point number.
    Double,
    /// Text.
    String,
    /// Text out of an open set; the listed values are those known today.
    Enum(&'static [&'static str]),
    /// Bytes.
    Blob,
    /// A point in time.
    Timestamp,
    /// Free-form data.
    Document,
    /// Many values of one shape.
    List(&'static Member),
    /// Values of one shape by text key: the key's member, then the value's.
    Map(&'static Member, &'static Member),
    /// Named members.
    Structure(Structure),
}

/// The part of a schema that only structures have.
#[derive(Debug)]
pub struct Structure {
    /// The members, in the model's order. A member's index is its place here.
    pub members: &'static [Member],
    /// How the structure is thrown, if it is an error.
    pub error: Option<ErrorTrait>,
    /// Whether exactly one of the members is set.
    pub union: bool,
}

/// How an error structure appears on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorTrait {
    /// The code that clients match on; often the shape's name, shorter in the Query protocols.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// Inclusive limits; an absent side is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The smallest value, or the shortest length.
    pub min: Option<f64>,
    /// The largest value, or the greatest length.
    pub max: Option<f64>,
}

/// A member of a structure, the item of a list, or the key or value of a map.
#[derive(Debug)]
pub struct Member {
    /// The name in the model, for example `taskDefinition`.
    pub name: &'static str,
    /// The name on the wire, in a header, query or path too.
    pub wire_name: &'static str,
    /// The name in EC2 Query requests where the model gives it one of its own.
    pub query_name: Option<&'static str>,
    /// The shape of the value.
    pub schema: &'static Schema,
    /// Where the REST protocols carry it.
    pub location: Location,
    /// The form of a timestamp where it is not the protocol's own.
    pub timestamp_format: Option<TimestampFormat>,
    /// Whether a request without it is invalid.
    pub required: bool,
    /// Whether items of a list or entries of a map stand without a wrapper in the Query and XML
    /// protocols.
    pub flattened: bool,
    /// Whether clients fill it by themselves to make a request repeatable.
    pub idempotency_token: bool,
}

/// Where a member travels in the REST protocols. The others put everything into the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// One member of the body.
    Body,
    /// The whole body.
    Payload,
    /// A header.
    Header,
    /// All headers whose names begin with the wire name, as a map.
    HeaderPrefix,
    /// A parameter of the query string; a map gives one parameter for each of its entries.
    Query,
    /// A label of the path.
    Path,
    /// The status of the answer.
    Status,
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since 1970 as a number, with a fraction if there is one.
    EpochSeconds,
    /// `2026-01-31T23:59:59.5Z`.
    Iso8601,
    /// `Sat, 31 Jan 2026 23:59:59 GMT`.
    HttpDate,
}

impl Schema {
    /// A shape without limits.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        let bounds = Bounds { min: None, max: None };
        Self { name, kind, bounds, pattern: None, sensitive: false }
    }

    /// A structure with these members.
    pub const fn structure(name: &'static str, members: &'static [Member]) -> Self {
        Self::new(name, Kind::Structure(Structure { members, error: None, union: false }))
    }

    /// A structure of which exactly one member is set.
    pub const fn union(name: &'static str, members: &'static [Member]) -> Self {
        Self::new(name, Kind::Structure(Structure { members, error: None, union: true }))
    }

    /// An error structure with these members.
    pub const fn error(
        name: &'static str,
        code: &'static str,
        status: u16,
        members: &'static [Member],
    ) -> Self {
        let error = Some(ErrorTrait { code, status });
        Self::new(name, Kind::Structure(Structure { members, error, union: false }))
    }

    /// Sets the smallest value or length.
    pub const fn min(mut self, min: f64) -> Self {
        self.bounds.min = Some(min);
        self
    }

    /// Sets the largest value or length.
    pub const fn max(mut self, max: f64) -> Self {
        self.bounds.max = Some(max);
        self
    }

    /// Sets the regular expression.
    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Marks the value as secret.
    pub const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The members of a structure; nothing for any other kind.
    pub const fn members(&self) -> &'static [Member] {
        match &self.kind {
            Kind::Structure(structure) => structure.members,
            _ => &[],
        }
    }

    /// The index of the first member that fits, looking at `expected` first and then at those
    /// behind it: clients and our own encoders mostly send members in the order of the model.
    pub fn place(&self, expected: usize, fits: impl Fn(&Member) -> bool) -> Option<usize> {
        let members = self.members();
        let ahead = members.get(expected..).unwrap_or_default();
        if let Some(distance) = ahead.iter().position(&fits) {
            return Some(expected + distance);
        }
        members.iter().take(expected).position(fits)
    }

    /// How the structure is thrown; `None` for everything that is not an error.
    pub const fn error_trait(&self) -> Option<ErrorTrait> {
        match &self.kind {
            Kind::Structure(structure) => structure.error,
            _ => None,
        }
    }
}

impl Member {
    /// An optional member of the body, named on the wire as in the model.
    pub const fn new(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            wire_name: name,
            query_name: None,
            schema,
            location: Location::Body,
            timestamp_format: None,
            required: false,
            flattened: false,
            idempotency_token: false,
        }
    }

    /// Sets the name on the wire.
    pub const fn named(mut self, wire_name: &'static str) -> Self {
        self.wire_name = wire_name;
        self
    }

    /// Sets the name in EC2 Query requests.
    pub const fn query_named(mut self, query_name: &'static str) -> Self {
        self.query_name = Some(query_name);
        self
    }

    /// Sets where the REST protocols carry it.
    pub const fn at(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    /// Sets the form of a timestamp.
    pub const fn timestamp_as(mut self, format: TimestampFormat) -> Self {
        self.timestamp_format = Some(format);
        self
    }

    /// Marks it as required.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Marks a list or map as unwrapped.
    pub const fn flattened(mut self) -> Self {
        self.flattened = true;
        self
    }

    /// Marks it as an idempotency token.
    pub const fn idempotency_token(mut self) -> Self {
        self.idempotency_token = true;
        self
    }
}
