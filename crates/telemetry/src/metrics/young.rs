//! What has come in the last hour: in a log that grows, and added up in memory.

use std::collections::BTreeMap;

use crate::history::{Attempt as _, File, Files};

use super::catalog::Catalog;
use super::encoding::{self, Reader};
use super::segment::{Segment, Title, Writer};
use super::series::{Identity, Sample, Series, Statistics};
use super::{LEVELS, MetricError};

/// Samples that are written together.
pub(super) const BATCH_MAX: usize = 1000;
/// A log of so many bytes is full.
const LOG_MAX: u64 = 8 << 20;
/// Points in memory that make a log full: some 30 MiB.
const POINTS_MAX: usize = 250_000;
/// Series that make a log full: some 20 MiB.
const SERIES_MAX: usize = 20_000;
/// First bytes of a log.
const MAGIC: [u8; 8] = *b"LFMLOG01";
/// Length and checksum before each batch.
const HEAD: usize = 4 + 4;
/// The longest batch: each sample may name a series with thirty dimensions.
const FRAME_MAX: usize = 64 << 20;
/// What follows in a batch.
const NAME: u8 = 0;
const POINT: u8 = 1;

pub(super) struct Young {
    pub(super) catalog: Catalog,
    log: Option<Log>,
    /// Number of the next log.
    next: u64,
    /// The second of the last arrival; never earlier than one before.
    arrived: i64,
}

struct Log {
    number: u64,
    began: i64,
    file: Box<dyn File>,
    end: u64,
    /// Whether something may lie behind the end that no batch has promised.
    is_torn: bool,
    /// Whether something is not durable yet.
    is_behind: bool,
    series: BTreeMap<Identity, Points>,
    count: usize,
}

struct Points {
    series: Series,
    /// Its number in the log.
    number: u64,
    points: BTreeMap<i64, Statistics>,
}

fn log_name(number: u64) -> String {
    format!("{number:010}.log")
}

impl Young {
    /// Reads the log that a process has left. One that has become a segment is removed.
    pub(super) fn open(
        files: &dyn Files,
        sealed: &mut BTreeMap<Title, Segment>,
        catalog: Catalog,
    ) -> Result<Self, MetricError> {
        let next = sealed.keys().map(|it| it.last + 1).max().unwrap_or(1);
        let arrived = sealed.values().map(|it| it.arrived).max().unwrap_or(0);
        let mut it = Self { catalog, log: None, next, arrived };
        let names = files.list().attempt("listing", "the metrics")?;
        let stems = names.iter().filter_map(|it| it.strip_suffix(".log"));
        let numbers: Vec<u64> = stems.filter_map(|it| it.parse().ok()).collect();
        for number in numbers {
            if sealed.keys().any(|it| (it.first..=it.last).contains(&number)) {
                let name = log_name(number);
                files.remove(&name).attempt("removing", &name)?;
                continue;
            }
            it.seal(files, sealed)?;
            it.next = it.next.max(number + 1);
            if let Some(log) = Log::read(files, number)? {
                it.adopt(log);
            }
        }
        Ok(it)
    }

    fn adopt(&mut self, log: Log) {
        for points in log.series.values() {
            if let Some(last) = points.points.keys().next_back() {
                self.catalog.note(&points.series, *last);
            }
        }
        self.arrived = self.arrived.max(log.began);
        self.log = Some(log);
    }

    /// Whether the log is to become a segment before more comes.
    pub(super) fn is_full(&self, now: i64) -> bool {
        let span = LEVELS.first().map_or(1, |it| it.span);
        let hour = |second: i64| second.div_euclid(span);
        self.log.as_ref().is_some_and(|log| {
            let is_large = log.end >= LOG_MAX || log.count >= POINTS_MAX;
            is_large || log.series.len() >= SERIES_MAX || hour(log.began) < hour(now / 1000)
        })
    }

    pub(super) fn put(
        &mut self,
        files: &dyn Files,
        samples: &[Sample],
        now: i64,
    ) -> Result<(), MetricError> {
        self.arrived = self.arrived.max(now / 1000);
        let log = match &mut self.log {
            Some(log) => log,
            none => {
                let begun = Log::begin(files, self.next, self.arrived)?;
                self.next += 1;
                none.insert(begun)
            }
        };
        log.put(samples)?;
        for sample in samples {
            self.catalog.note(&sample.series, sample.second());
        }
        Ok(())
    }

    /// Points of a series that are young.
    pub(super) fn points(
        &self,
        identity: Identity,
    ) -> impl Iterator<Item = (i64, Statistics)> + '_ {
        let found = self.log.as_ref().and_then(|it| it.series.get(&identity));
        found.into_iter().flat_map(|it| &it.points).map(|(at, it)| (*at, *it))
    }

    /// Makes durable what was put.
    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        match self.log.as_mut().filter(|it| it.is_behind) {
            Some(log) => {
                log.file.sync()?;
                log.is_behind = false;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Makes a segment of the log.
    pub(super) fn seal(
        &mut self,
        files: &dyn Files,
        sealed: &mut BTreeMap<Title, Segment>,
    ) -> Result<(), MetricError> {
        let Some(log) = &self.log else { return Ok(()) };
        let title = Title { level: 0, first: log.number, last: log.number };
        if log.count > 0 {
            let write = || {
                let mut writer = Writer::begin(files, title)?;
                for (identity, it) in &log.series {
                    writer.series(*identity, &it.series, &it.points)?;
                }
                writer.finish(log.began)
            };
            let segment = write().attempt("writing", &title.file_name())?;
            sealed.insert(title, segment);
        }
        // If it stays, the next start removes it: its segment is there.
        drop(files.remove(&log_name(log.number)));
        self.log = None;
        Ok(())
    }
}

impl Log {
    fn begin(files: &dyn Files, number: u64, now: i64) -> Result<Self, MetricError> {
        let name = log_name(number);
        let mut first = MAGIC.to_vec();
        first.extend(now.to_le_bytes());
        let make = || {
            let mut file = files.create(&name)?;
            file.write_at(0, &first)?;
            file.sync()?;
            files.sync_names()?;
            Ok(file)
        };
        let file = make().attempt("making", &name)?;
        Ok(Self::empty(number, now, file))
    }

    fn empty(number: u64, began: i64, file: Box<dyn File>) -> Self {
        let end = (MAGIC.len() + 8) as u64;
        let series = BTreeMap::new();
        Self { number, began, file, end, is_torn: false, is_behind: false, series, count: 0 }
    }

    /// Goes through the batches of a log; what lies behind the last whole one is not believed. A
    /// log that a crash has left without its first bytes has promised nothing and is removed.
    fn read(files: &dyn Files, number: u64) -> Result<Option<Self>, MetricError> {
        let name = log_name(number);
        let read = || {
            let file = files.open(&name)?;
            let mut bytes = vec![0; usize::try_from(file.size()?).map_err(std::io::Error::other)?];
            file.read_at(0, &mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = read().attempt("reading", &name)?;
        let mut reader = Reader(&bytes);
        let is_ours = reader.fixed() == Some(MAGIC);
        let Some(began) = reader.fixed().filter(|_| is_ours).map(i64::from_le_bytes) else {
            files.remove(&name).attempt("removing", &name)?;
            return Ok(None);
        };
        let mut it = Self { is_torn: true, is_behind: true, ..Self::empty(number, began, file) };
        let mut names = Vec::new();
        while let Some(batch) = frame(&mut reader) {
            if it.replay(batch, &mut names).is_none() {
                break;
            }
            it.end += (HEAD + batch.len()) as u64;
        }
        Ok(Some(it))
    }

    /// Takes in a batch that was written before.
    fn replay(&mut self, batch: &[u8], names: &mut Vec<Series>) -> Option<()> {
        let mut reader = Reader(batch);
        while !reader.is_empty() {
            if reader.byte()? == NAME {
                names.push(reader.name()?);
                continue;
            }
            let number = reader.number()?;
            let (at, statistics) = (reader.signed()?, reader.statistics()?);
            let series = names.get(usize::try_from(number).ok()?)?;
            self.note(series, series.identity(), number, (at, statistics));
        }
        Some(())
    }

    fn note(
        &mut self,
        series: &Series,
        identity: Identity,
        number: u64,
        (at, statistics): (i64, Statistics),
    ) {
        let fresh = || Points { series: series.clone(), number, points: BTreeMap::new() };
        let points = &mut self.series.entry(identity).or_insert_with(fresh).points;
        let before = points.len();
        points.entry(at).or_default().add(statistics);
        self.count += points.len() - before;
    }

    /// Adds a batch. After a failure nothing of it counts.
    fn put(&mut self, samples: &[Sample]) -> Result<(), MetricError> {
        let name = log_name(self.number);
        if self.is_torn {
            self.file.cut(self.end).attempt("cutting", &name)?;
            self.is_torn = false;
        }
        let mut bytes = vec![0; HEAD];
        let mut fresh: BTreeMap<Identity, u64> = BTreeMap::new();
        let mut noted = Vec::with_capacity(samples.len());
        for sample in samples {
            let identity = sample.series.identity();
            let known = self.series.get(&identity).map(|it| it.number);
            let number = known.or_else(|| fresh.get(&identity).copied()).unwrap_or_else(|| {
                let number = (self.series.len() + fresh.len()) as u64;
                fresh.insert(identity, number);
                bytes.push(NAME);
                encoding::write_name(&mut bytes, &sample.series);
                number
            });
            bytes.push(POINT);
            encoding::write_number(&mut bytes, number);
            encoding::write_signed(&mut bytes, sample.second());
            encoding::write_statistics(&mut bytes, sample.statistics);
            noted.push((identity, number));
        }
        seal_frame(&mut bytes);
        self.is_torn = true;
        self.file.write_at(self.end, &bytes).attempt("writing", &name)?;
        self.is_torn = false;
        self.is_behind = true;
        self.end += bytes.len() as u64;
        for (sample, (identity, number)) in samples.iter().zip(noted) {
            self.note(&sample.series, identity, number, (sample.second(), sample.statistics));
        }
        Ok(())
    }
}

/// Writes length and checksum before a batch.
fn seal_frame(bytes: &mut [u8]) {
    if let Some((head, batch)) = bytes.split_at_mut_checked(HEAD) {
        let length = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let sum = crc32c::crc32c(batch);
        let (first, second) = head.split_at_mut(4);
        first.copy_from_slice(&length.to_le_bytes());
        second.copy_from_slice(&sum.to_le_bytes());
    }
}

/// The next whole batch.
fn frame<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(reader.fixed()?)).ok()?;
    let sum = u32::from_le_bytes(reader.fixed()?);
    let batch = reader.bytes(length).filter(|it| it.len() <= FRAME_MAX)?;
    (crc32c::crc32c(batch) == sum).then_some(batch)
}
