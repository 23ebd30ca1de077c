//! One entry, and how it lies in a file.

/// What an entry can be found by: a field of the archive's user, and a value in it.
///
/// Fields from 2 on are free. Values that are texts go in as [`Key::of_text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Which field.
    pub field: u8,
    /// Its value, or a digest of it.
    pub value: u64,
}

impl Key {
    /// Every entry has it.
    pub(super) const ALL: u8 = 0;
    /// The upper half of the identity.
    pub(super) const IDENTITY: u8 = 1;

    /// The key of a text. FNV-1a: whoever looks for a text compares the text itself afterwards.
    pub fn of_text(field: u8, text: &str) -> Self {
        let value = text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { field, value }
    }
}

/// Something that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is told apart by. Identities with the same upper half lie together.
    pub identity: u128,
    /// When it was over, in milliseconds since 1970. Equal for equal identities.
    pub at: i64,
    /// What it is found by besides.
    pub keys: Vec<Key>,
    /// What there is to tell.
    pub body: Vec<u8>,
}

/// Length of the rest, checksum of the rest.
pub(super) const HEAD: usize = 4 + 4;
/// Identity, time, count of keys.
const FACTS: usize = 16 + 8 + 2;
/// Field, value.
const KEY: usize = 1 + 8;

/// The longest body, in bytes: a request has at most 4 MiB, and what it leaves is shorter.
pub(super) const BODY_MAX: usize = 8 << 20;
/// Most keys of an entry.
pub(super) const KEYS_MAX: usize = 1000;
/// The longest entry behind its head.
const ENTRY_MAX: usize = FACTS + KEYS_MAX * KEY + BODY_MAX;

impl Entry {
    /// Every key it is found by, those that all entries have included.
    pub(super) fn all_keys(&self) -> impl Iterator<Item = Key> + '_ {
        let upper = u64::try_from(self.identity >> 64).unwrap_or(u64::MAX);
        let own = [Key { field: Key::ALL, value: 0 }, Key { field: Key::IDENTITY, value: upper }];
        own.into_iter().chain(self.keys.iter().copied())
    }

    /// Adds the entry's bytes in a file.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend([0; HEAD]);
        into.extend(self.identity.to_le_bytes());
        into.extend(self.at.to_le_bytes());
        let count = u16::try_from(self.keys.len()).unwrap_or(u16::MAX);
        into.extend(count.to_le_bytes());
        for key in self.keys.iter().take(count.into()) {
            into.push(key.field);
            into.extend(key.value.to_le_bytes());
        }
        into.extend(&self.body);
        let length = u32::try_from(into.len() - start - HEAD).unwrap_or(u32::MAX);
        let sum = into.get(start + HEAD..).map_or(0, crc32c::crc32c);
        if let Some(place) = into.get_mut(start..start + HEAD) {
            let (first, second) = place.split_at_mut(4);
            first.copy_from_slice(&length.to_le_bytes());
            second.copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// The length of the rest that a head announces; `None` where no entry begins.
    pub(super) fn length(head: [u8; HEAD]) -> Option<usize> {
        let [a, b, c, d, ..] = head;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        (FACTS..=ENTRY_MAX).contains(&length).then_some(length)
    }

    /// The entry behind a head, if it is whole.
    pub(super) fn read(head: [u8; HEAD], rest: &[u8]) -> Option<Self> {
        let [_, _, _, _, a, b, c, d] = head;
        if crc32c::crc32c(rest) != u32::from_le_bytes([a, b, c, d]) {
            return None;
        }
        let (facts, rest) = rest.split_at_checked(FACTS)?;
        let count = usize::from(u16::from_le_bytes(facts.get(24..26)?.try_into().ok()?));
        let (keys, body) = rest.split_at_checked(count * KEY)?;
        let key = |bytes: &[u8]| {
            let (field, value) = bytes.split_first()?;
            Some(Key { field: *field, value: u64::from_le_bytes(value.try_into().ok()?) })
        };
        Some(Self {
            identity: u128::from_le_bytes(facts.get(..16)?.try_into().ok()?),
            at: i64::from_le_bytes(facts.get(16..24)?.try_into().ok()?),
            keys: keys.chunks(KEY).map(key).collect::<Option<_>>()?,
            body: body.to_vec(),
        })
    }
}
