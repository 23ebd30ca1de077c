//! What is asked of an archive, and what it answers.

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use super::Key;

/// By what entries are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// All there are.
    Everything,
    /// The upper halves of their identities.
    Identity(RangeInclusive<u64>),
    /// A key that they came with.
    Key(Key),
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// By what.
    pub by: By,
    /// Entries of these times, in milliseconds since 1970.
    pub times: RangeInclusive<i64>,
    /// Where an earlier answer ended.
    pub before: Option<Place>,
    /// So many entries.
    pub limit: usize,
}

impl Query {
    /// All entries there are, so many at once.
    pub fn everything(limit: usize) -> Self {
        Self { by: By::Everything, times: i64::MIN..=i64::MAX, before: None, limit }
    }

    /// The field, and the values in it.
    pub(super) fn keys(&self) -> (u8, RangeInclusive<u64>) {
        match &self.by {
            By::Everything => (Key::ALL, 0..=0),
            By::Identity(range) => (Key::IDENTITY, range.clone()),
            By::Key(key) => (key.field, key.value..=key.value),
        }
    }
}

/// Where an entry lies. `Display` and `FromStr` are for tokens of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the segment.
    pub(super) segment: u64,
    /// Byte in it.
    pub(super) offset: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.segment, self.offset)
    }
}

impl FromStr for Place {
    type Err = core::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (segment, offset) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { segment: segment.parse()?, offset: offset.parse()? })
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Those that came last first.
    pub entries: Vec<super::Entry>,
    /// Where to go on; `None` if there is nothing more.
    pub next: Option<Place>,
}
