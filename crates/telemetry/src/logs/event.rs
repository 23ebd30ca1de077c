//! One event, and how it lies in a file.

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened, in milliseconds since 1970.
    pub timestamp: i64,
    /// When it was taken in, likewise.
    pub ingested: i64,
    /// What it says.
    pub message: String,
}

/// Length, checksum, two times before the message; the length again behind it, so that files can
/// be read backwards.
pub(super) const HEAD: usize = 4 + 4 + 8 + 8;
pub(super) const TAIL: usize = 4;

/// The longest message, in bytes. Source: CloudWatch Logs quotas (1 MiB).
pub(super) const MESSAGE_MAX: usize = 1024 * 1024;

impl Event {
    /// Bytes of the event in a file.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let length = u32::try_from(self.message.len()).unwrap_or(u32::MAX);
        let start = into.len();
        into.extend(length.to_le_bytes());
        into.extend([0; 4]);
        into.extend(self.timestamp.to_le_bytes());
        into.extend(self.ingested.to_le_bytes());
        into.extend(self.message.as_bytes());
        let sum = into.get(start + 8..).map_or(0, crc32c::crc32c);
        if let Some(place) = into.get_mut(start + 4..start + 8) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        into.extend(length.to_le_bytes());
    }

    /// The event that these bytes hold, if they hold one whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let number =
            |from: usize| Some(i64::from_le_bytes(bytes.get(from..from + 8)?.try_into().ok()?));
        let sum = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        let end = bytes.len().checked_sub(TAIL)?;
        (crc32c::crc32c(bytes.get(8..end)?) == sum).then_some(())?;
        Some(Self {
            timestamp: number(8)?,
            ingested: number(16)?,
            message: String::from_utf8_lossy(bytes.get(HEAD..end)?).into_owned(),
        })
    }

    /// Bytes of an event whose message has that length.
    pub(super) fn size(message: u32) -> u64 {
        u64::from(message) + (HEAD + TAIL) as u64
    }
}
