//! A segment: the points of some time, sorted by series, with a directory at its end.
//!
//! A file is a segment if its foot is whole, and its foot is written last. A segment that took the
//! place of others names their numbers, so that those can be told for left behind.

use std::collections::BTreeMap;

use crate::history::{Attempt as _, File, Files};

use super::catalog::Catalog;
use super::encoding::{self, Reader};
use super::series::{Identity, Series, Statistics};
use super::{LEVELS, MetricError};

/// First bytes of a segment.
const MAGIC: [u8; 8] = *b"LFMETR01";
/// Identity, place of the points, their length and checksum, length of the name before them, last
/// time.
const LINE: usize = 16 + 8 + 4 + 4 + 4 + 8;
/// Place of the directory, count of lines, first and last time, arrival, checksums of the directory
/// and of the foot.
const FOOT: usize = 8 + 4 + 8 + 8 + 8 + 4 + 4;
/// Bytes that are written at once.
const WRITE_AT: usize = 256 * 1024;

/// What a segment is called: its level, and the numbers of the logs that it was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Title {
    pub(super) level: usize,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Title {
    pub(super) fn file_name(self) -> String {
        format!("{}-{:010}-{:010}.met", self.level, self.first, self.last)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".met")?.split('-');
        let level = parts.next()?.parse().ok().filter(|it| *it < LEVELS.len())?;
        let (first, last) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { level, first, last })
    }

    /// Whether this one has taken the place of the other.
    fn covers(self, other: Self) -> bool {
        self.level > other.level && self.first <= other.first && other.last <= self.last
    }
}

/// What is kept in memory of a segment.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) title: Title,
    /// The earliest second of its points.
    pub(super) first: i64,
    /// The latest.
    pub(super) last: i64,
    /// The second at which the last of them arrived.
    pub(super) arrived: i64,
    pub(super) size: u64,
    directory: u64,
    lines: u32,
    directory_sum: u32,
}

/// Where a series lies in a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) identity: Identity,
    place: u64,
    length: u32,
    sum: u32,
    name: u32,
    last: i64,
}

impl Line {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Some(Self {
            identity: u128::from_le_bytes(reader.fixed()?),
            place: u64::from_le_bytes(reader.fixed()?),
            length: u32::from_le_bytes(reader.fixed()?),
            sum: u32::from_le_bytes(reader.fixed()?),
            name: u32::from_le_bytes(reader.fixed()?),
            last: i64::from_le_bytes(reader.fixed()?),
        })
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.extend(self.identity.to_le_bytes());
        into.extend(self.place.to_le_bytes());
        into.extend(self.length.to_le_bytes());
        into.extend(self.sum.to_le_bytes());
        into.extend(self.name.to_le_bytes());
        into.extend(self.last.to_le_bytes());
    }

    /// The points; none if they are damaged.
    pub(super) fn points(&self, file: &dyn File) -> std::io::Result<Vec<(i64, Statistics)>> {
        let mut bytes = vec![0; usize::try_from(self.length).map_err(std::io::Error::other)?];
        file.read_at(self.place, &mut bytes)?;
        let is_whole = crc32c::crc32c(&bytes) == self.sum;
        Ok(if is_whole { encoding::read_points(&bytes) } else { Vec::new() })
    }

    /// The series; `None` if its name is damaged.
    pub(super) fn series(&self, file: &dyn File) -> std::io::Result<Option<Series>> {
        let mut bytes = vec![0; usize::try_from(self.name).map_err(std::io::Error::other)?];
        file.read_at(self.place.saturating_sub(self.name.into()), &mut bytes)?;
        Ok(Reader(&bytes).name().filter(|it| it.identity() == self.identity))
    }
}

impl Segment {
    /// Opens a segment; `None` if the file is none, or only the beginning of one.
    fn open(files: &dyn Files, title: Title) -> std::io::Result<Option<Self>> {
        let file = files.open(&title.file_name())?;
        let size = file.size()?;
        let Some(foot_at) = size.checked_sub(FOOT as u64) else { return Ok(None) };
        let mut foot = [0; FOOT];
        file.read_at(foot_at, &mut foot)?;
        let read = || {
            let (facts, sum) = foot.split_last_chunk::<4>()?;
            let mut reader = Reader(facts);
            let it = Self {
                title,
                directory: u64::from_le_bytes(reader.fixed()?),
                lines: u32::from_le_bytes(reader.fixed()?),
                first: i64::from_le_bytes(reader.fixed()?),
                last: i64::from_le_bytes(reader.fixed()?),
                arrived: i64::from_le_bytes(reader.fixed()?),
                directory_sum: u32::from_le_bytes(reader.fixed()?),
                size,
            };
            let end = it.directory.checked_add(u64::from(it.lines) * LINE as u64)?;
            (crc32c::crc32c(facts) == u32::from_le_bytes(*sum) && end == foot_at).then_some(it)
        };
        Ok(read())
    }

    /// Points of a series. O(log series) reads, and one for the points.
    pub(super) fn points(
        &self,
        files: &dyn Files,
        identity: Identity,
    ) -> Result<Vec<(i64, Statistics)>, MetricError> {
        let name = self.title.file_name();
        let read = || {
            let file = files.open(&name)?;
            match self.find(file.as_ref(), identity)? {
                Some(line) => line.points(file.as_ref()),
                None => Ok(Vec::new()),
            }
        };
        read().attempt("reading", &name)
    }

    fn find(&self, file: &dyn File, identity: Identity) -> std::io::Result<Option<Line>> {
        let (mut low, mut high) = (0, self.lines);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut bytes = [0; LINE];
            file.read_at(self.directory + u64::from(middle) * LINE as u64, &mut bytes)?;
            match Line::read(&bytes) {
                Some(line) if line.identity == identity => return Ok(Some(line)),
                Some(line) if line.identity < identity => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(None)
    }

    /// Its whole directory; empty if it is damaged.
    pub(super) fn lines(&self, file: &dyn File) -> std::io::Result<Vec<Line>> {
        let count = usize::try_from(self.lines).map_err(std::io::Error::other)?;
        let mut bytes = vec![0; count * LINE];
        file.read_at(self.directory, &mut bytes)?;
        let is_whole = crc32c::crc32c(&bytes) == self.directory_sum;
        let lines = if is_whole { bytes.chunks(LINE) } else { [].chunks(LINE) };
        Ok(lines.filter_map(Line::read).collect())
    }

    /// Tells the catalog of its series.
    pub(super) fn names(
        &self,
        files: &dyn Files,
        catalog: &mut Catalog,
    ) -> Result<(), MetricError> {
        let name = self.title.file_name();
        let mut read = || {
            let file = files.open(&name)?;
            for line in self.lines(file.as_ref())? {
                if let Some(series) = line.series(file.as_ref())? {
                    catalog.note(&series, line.last);
                }
            }
            Ok(())
        };
        read().attempt("reading", &name)
    }
}

/// Every segment of a folder. Removes those whose place another has taken, and those that a crash
/// has left half written.
pub(super) fn open_all(files: &dyn Files) -> Result<BTreeMap<Title, Segment>, MetricError> {
    let names = files.list().attempt("listing", "the metrics")?;
    let mut all = BTreeMap::new();
    let mut left: Vec<Title> = Vec::new();
    for title in names.iter().filter_map(|it| Title::parse(it)) {
        match Segment::open(files, title).attempt("opening", &title.file_name())? {
            Some(segment) => drop(all.insert(title, segment)),
            None => left.push(title),
        }
    }
    let is_covered = |title: &Title| all.keys().any(|it| it.covers(*title));
    let covered: Vec<Title> = all.keys().copied().filter(is_covered).collect();
    for title in covered {
        all.remove(&title);
        left.push(title);
    }
    for name in left.into_iter().map(Title::file_name) {
        files.remove(&name).attempt("removing", &name)?;
    }
    Ok(all)
}

/// Writes a segment, series by series in order of their identities.
pub(super) struct Writer<'a> {
    files: &'a dyn Files,
    title: Title,
    file: Box<dyn File>,
    written: u64,
    waiting: Vec<u8>,
    directory: Vec<u8>,
    times: (i64, i64),
    lines: u32,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(files: &'a dyn Files, title: Title) -> std::io::Result<Self> {
        let file = files.create(&title.file_name())?;
        let (waiting, directory) = (MAGIC.to_vec(), Vec::new());
        let times = (i64::MAX, i64::MIN);
        Ok(Self { files, title, file, written: 0, waiting, directory, times, lines: 0 })
    }

    pub(super) fn series(
        &mut self,
        identity: Identity,
        series: &Series,
        points: &BTreeMap<i64, Statistics>,
    ) -> std::io::Result<()> {
        let Some((first, last)) = points.keys().next().zip(points.keys().next_back()) else {
            return Ok(());
        };
        let start = self.waiting.len();
        encoding::write_name(&mut self.waiting, series);
        let place = self.waiting.len();
        encoding::write_points(&mut self.waiting, points);
        let bytes = self.waiting.get(place..).unwrap_or_default();
        let size = |it: usize| u32::try_from(it).map_err(std::io::Error::other);
        let line = Line {
            identity,
            place: self.written + place as u64,
            length: size(bytes.len())?,
            sum: crc32c::crc32c(bytes),
            name: size(place - start)?,
            last: *last,
        };
        line.write(&mut self.directory);
        self.lines += 1;
        self.times = (self.times.0.min(*first), self.times.1.max(*last));
        if self.waiting.len() >= WRITE_AT { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.write_at(self.written, &self.waiting)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Makes the segment whole and durable.
    pub(super) fn finish(mut self, arrived: i64) -> std::io::Result<Segment> {
        self.flush()?;
        let segment = Segment {
            title: self.title,
            first: self.times.0,
            last: self.times.1,
            arrived,
            size: self.written + (self.directory.len() + FOOT) as u64,
            directory: self.written,
            lines: self.lines,
            directory_sum: crc32c::crc32c(&self.directory),
        };
        let mut end = self.directory;
        let foot = end.len();
        end.extend(segment.directory.to_le_bytes());
        end.extend(segment.lines.to_le_bytes());
        end.extend(segment.first.to_le_bytes());
        end.extend(segment.last.to_le_bytes());
        end.extend(segment.arrived.to_le_bytes());
        end.extend(segment.directory_sum.to_le_bytes());
        let sum = end.get(foot..).map_or(0, crc32c::crc32c);
        end.extend(sum.to_le_bytes());
        self.file.write_at(self.written, &end)?;
        self.file.sync()?;
        self.files.sync_names()?;
        Ok(segment)
    }
}
