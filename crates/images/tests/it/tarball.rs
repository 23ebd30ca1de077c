//! Layers byte by byte, also such as no honest tool writes.

use std::fmt::Write as _;
use std::io::Write;

/// A tar archive under construction. Later calls add to the end.
#[derive(Clone, Default)]
pub(crate) struct Tarball(Vec<u8>);

/// The parts of a header that tests care about.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) owner: u64,
    pub(crate) link: &'a str,
    pub(crate) device: (u32, u32),
    pub(crate) content: &'a [u8],
    /// What the header says of the content's size, if not the truth.
    pub(crate) size: Option<u64>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(name: &'a str, kind: u8) -> Self {
        Self {
            name: name.as_bytes(),
            kind,
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            owner: 0,
            link: "",
            device: (0, 0),
            content: b"",
            size: None,
        }
    }
}

impl Tarball {
    pub(crate) fn entry(mut self, entry: &Entry<'_>) -> Self {
        let mut header = tar::Header::new_gnu();
        if entry.name.len() > 100 {
            return self.long_name(entry);
        }
        header.as_old_mut().name[..entry.name.len()].copy_from_slice(entry.name);
        header.as_old_mut().linkname[..entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.as_old_mut().linkflag = [entry.kind];
        header.set_mode(entry.mode);
        header.set_uid(entry.owner);
        header.set_gid(entry.owner);
        header.set_mtime(1_700_000_000);
        header.set_size(entry.size.unwrap_or(entry.content.len() as u64));
        header.set_device_major(entry.device.0).expect("a GNU header");
        header.set_device_minor(entry.device.1).expect("a GNU header");
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.padded(entry.content)
    }

    fn long_name(self, entry: &Entry<'_>) -> Self {
        let name = [entry.name, b"\0"].concat();
        self.entry(&Entry { content: &name, ..Entry::new("././@LongLink", b'L') })
            .entry(&Entry { name: &entry.name[..100], ..*entry })
    }

    fn padded(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.entry(&Entry { content: content.as_bytes(), ..Entry::new(name, b'0') })
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.entry(&Entry::new(name, b'5'))
    }

    pub(crate) fn symlink(self, name: &str, to: &str) -> Self {
        self.entry(&Entry { link: to, ..Entry::new(name, b'2') })
    }

    pub(crate) fn hard_link(self, name: &str, to: &str) -> Self {
        self.entry(&Entry { link: to, ..Entry::new(name, b'1') })
    }

    /// Records that go before the next entry, `key=value` each.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            writeln!(text, "{length} {key}={value}").expect("memory");
        }
        self.entry(&Entry { content: text.as_bytes(), ..Entry::new("PaxHeaders/x", b'x') })
    }

    /// The archive with its end mark.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    /// The archive cut off as it stands.
    pub(crate) fn cut(self) -> Vec<u8> {
        self.0
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}
