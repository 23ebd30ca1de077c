//! A layer's bytes on their way from the blob to the archive: counted, decompressed, hashed.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use super::{Limits, Refusal, child::machine};
use crate::digest::Hashing;

/// Bytes read from the blob at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// How a layer is compressed. Read from its first bytes: media types are often wrong, and
/// archives made by `docker save` have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    pub(crate) fn sniff(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A zstd stream may start with a skippable frame (RFC 8878, section 3.1.2).
            [low, 0x2a, 0x4d, 0x18, ..] if (0x50..=0x5f).contains(low) => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// A reader of what is inside.
    pub(crate) fn decode<'a>(self, from: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Plain => Box::new(from),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(from)?),
        })
    }
}

/// What has passed, and what was said when it was too much.
#[derive(Clone)]
pub(super) struct Meter(Rc<Counts>);

struct Counts {
    limits: Limits,
    compressed: Cell<u64>,
    uncompressed: Cell<u64>,
    refusal: RefCell<Option<Refusal>>,
}

impl Meter {
    /// Refuses when this many bytes are too many for what was read of the blob so far.
    pub(super) fn check(&self, bytes: u64) -> Result<(), Refusal> {
        let Limits { bytes: most, ratio, ratio_from, .. } = self.0.limits;
        if bytes > most {
            return Err(Refusal::Limit { limit: "bytes".into(), allowed: most });
        }
        // A whole buffer is read ahead, so the count of the blob is never behind.
        if bytes > ratio_from && bytes / ratio.max(1) > self.0.compressed.get() {
            let limit = "uncompressed bytes for each compressed byte".into();
            return Err(Refusal::Limit { limit, allowed: ratio });
        }
        Ok(())
    }

    /// Why reading stopped, if a limit stopped it.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.refusal.borrow().clone()
    }
}

/// Counts the blob's bytes.
struct Counted<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let counts = &self.meter.0;
        counts.compressed.set(counts.compressed.get() + count as u64);
        Ok(count)
    }
}

/// Counts and bounds the archive's bytes.
pub(super) struct Metered {
    inner: Box<dyn Read>,
    meter: Meter,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let counts = &self.meter.0;
        counts.uncompressed.set(counts.uncompressed.get() + count as u64);
        match self.meter.check(counts.uncompressed.get()) {
            Ok(()) => Ok(count),
            Err(refusal) => {
                counts.refusal.replace(Some(refusal));
                Err(io::Error::other("too much"))
            }
        }
    }
}

/// The archive inside a blob; its hash is that of what has been read.
pub(super) type Archive = Hashing<Metered>;

/// Opens a blob: gzip, zstd or a plain archive.
pub(super) fn open(blob: File, limits: &Limits) -> Result<(Archive, Meter), Refusal> {
    let counts = Counts {
        limits: *limits,
        compressed: Cell::new(0),
        uncompressed: Cell::new(0),
        refusal: RefCell::new(None),
    };
    let meter = Meter(Rc::new(counts));
    let counted = Counted { inner: blob, meter: meter.clone() };
    let mut buffered = BufReader::with_capacity(BUFFER_BYTES, counted);
    let start = buffered.fill_buf().map_err(|it| machine("read the layer", &it))?;
    let inner = Compression::sniff(start)
        .decode(buffered)
        .map_err(|it| machine("set up the decompressor", &it))?;
    Ok((Hashing::new(Metered { inner, meter: meter.clone() }), meter))
}

/// Reads what follows the archive's end: padding belongs to the hash too.
pub(super) fn drain(archive: &mut Archive) -> Result<(), Refusal> {
    io::copy(archive, &mut io::sink())
        .map(|_| ())
        .map_err(|it| Refusal::Damaged(format!("after its end: {it}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_shows_in_the_first_bytes() {
        for (start, expected) in [
            (&[0x1f, 0x8b, 8, 0][..], Compression::Gzip),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0], Compression::Zstd),
            (&[0x5a, 0x2a, 0x4d, 0x18], Compression::Zstd),
            (b"etc/passwd\0", Compression::Plain),
            (&[0x1f], Compression::Plain),
            (&[], Compression::Plain),
        ] {
            assert_eq!(Compression::sniff(start), expected, "{start:x?}");
        }
    }
}
