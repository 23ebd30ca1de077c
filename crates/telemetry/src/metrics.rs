//! The metric store: statistics of series over time, in files that only grow.
//!
//! What arrives is written to a log and added up in memory. A full log becomes a segment that is
//! sorted by series, and with age segments are folded into coarser ones, so that memory and disk
//! stay bounded and a question costs some reads for each segment of its time:
//!
//! | age | finest step |
//! |---|---|
//! | to 3 hours | 1 second, for samples that come with it |
//! | to 15 days | 1 minute |
//! | to 63 days | 5 minutes |
//! | to 455 days | 1 hour |
//!
//! Source of the steps: Amazon CloudWatch User Guide, "Metrics retention". Age counts from arrival.
//!
//! What [`MetricStore::put`] has taken in survives the death of the process at once, and a power cut
//! once [`MetricStore::tend`] has run after it. Statistics are merged by addition, so that it does
//! not matter in which segment, or in how many, those of a series lie.

mod catalog;
mod encoding;
mod fold;
mod segment;
mod series;
mod young;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use crate::history::HistoryError as MetricError;
use crate::history::{Attempt as _, Files};

use catalog::Catalog;
use segment::{Segment, Title};
use young::Young;

pub use catalog::Filter;
pub use series::{Resolution, Sample, Series, Statistics};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// A kind of segment: how fine, how long, and how much of the time one of them covers.
struct Level {
    /// Seconds between two points.
    step: i64,
    /// Seconds that it is kept as it is.
    kept: i64,
    /// Seconds of arrival in one segment.
    span: i64,
}

/// From young to old; see above.
const LEVELS: [Level; 4] = [
    Level { step: 1, kept: 3 * HOUR, span: HOUR },
    Level { step: 60, kept: 15 * DAY, span: HOUR },
    Level { step: 5 * 60, kept: 63 * DAY, span: DAY },
    Level { step: HOUR, kept: 455 * DAY, span: DAY },
];

/// All segments together, in bytes. If they are more, the oldest go first.
const BYTES_MAX: u64 = 2 << 30;

/// Series of numbers over time, in one folder.
pub struct MetricStore {
    files: Arc<dyn Files + Sync>,
    /// Locked before what is young, where both are.
    sealed: RwLock<BTreeMap<Title, Segment>>,
    young: Mutex<Young>,
    /// One tends at a time.
    tending: Mutex<()>,
}

/// What tending has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tended {
    /// There is nothing more to do for now.
    Done,
    /// There is more to fold; coming again at once is right.
    More,
}

impl MetricStore {
    /// Opens the store in a folder. Cuts off what a crash has torn and removes what it has left
    /// half done.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn open(files: Arc<dyn Files + Sync>) -> Result<Self, MetricError> {
        let mut sealed = segment::open_all(files.as_ref())?;
        let mut catalog = Catalog::default();
        // Coarser ones tell of times that are no longer listed.
        for segment in sealed.values().filter(|it| it.title.level <= 1) {
            segment.names(files.as_ref(), &mut catalog)?;
        }
        let young = Young::open(files.as_ref(), &mut sealed, catalog)?;
        let (sealed, young) = (RwLock::new(sealed), Mutex::new(young));
        Ok(Self { files, sealed, young, tending: Mutex::new(()) })
    }

    /// Takes samples in, all or none of up to a thousand at once. `now` is in milliseconds since
    /// 1970.
    ///
    /// # Errors
    ///
    /// The disk said no; those that were not taken in are lost unless they come again.
    pub fn put(&self, samples: &[Sample], now: i64) -> Result<(), MetricError> {
        for some in samples.chunks(young::BATCH_MAX) {
            if self.young().is_full(now) {
                self.seal()?;
            }
            self.young().put(self.files.as_ref(), some, now)?;
        }
        Ok(())
    }

    /// Series of the last two weeks that a filter lets through, in order, behind one if told so.
    pub fn list(&self, filter: &Filter, after: Option<&Series>, limit: usize) -> Vec<Series> {
        self.young().catalog.list(filter, after, limit)
    }

    /// The series of the last two weeks that differ from this one in nothing but their unit.
    pub fn in_every_unit(&self, series: &Series) -> Vec<Series> {
        self.young().catalog.in_every_unit(series)
    }

    /// What a series comes to in each period of a time, by the period's beginning. A period in
    /// which nothing was put is not there. All times are in seconds since 1970; the time's end is
    /// not part of it.
    ///
    /// Costs some reads for each segment of that time and the points of the series in it.
    ///
    /// # Errors
    ///
    /// The disk said no.
    pub fn read(
        &self,
        series: &Series,
        (from, to): (i64, i64),
        period: i64,
    ) -> Result<BTreeMap<i64, Statistics>, MetricError> {
        let identity = series.identity();
        let mut periods: BTreeMap<i64, Statistics> = BTreeMap::new();
        let mut add = |at: i64, statistics: Statistics| {
            if (from..to).contains(&at) {
                let begin = from + (at - from) / period.max(1) * period.max(1);
                periods.entry(begin).or_default().add(statistics);
            }
        };
        let sealed = self.sealed.read().unwrap_or_else(PoisonError::into_inner);
        self.young().points(identity).for_each(|(at, it)| add(at, it));
        for segment in sealed.values().filter(|it| it.first < to && from <= it.last) {
            segment
                .points(self.files.as_ref(), identity)?
                .into_iter()
                .for_each(|it| add(it.0, it.1));
        }
        Ok(periods)
    }

    /// Makes durable what was taken in, folds what has come of age, drops what is too old or too
    /// much. To be called every few seconds.
    ///
    /// # Errors
    ///
    /// The disk said no. Nothing that was durable is lost by that.
    pub fn tend(&self, now: i64) -> Result<Tended, MetricError> {
        let _one_at_a_time = self.tending.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = {
            let mut young = self.young();
            young.catalog.forget(now);
            young.sync().is_err() || young.is_full(now)
        };
        if is_full {
            // What a failed sync may have lost is written anew, from memory.
            self.seal()?;
        }
        self.expire(now)?;
        self.fold_one(now)
    }

    /// Makes a segment of what is young.
    fn seal(&self) -> Result<(), MetricError> {
        let mut sealed = self.sealed.write().unwrap_or_else(PoisonError::into_inner);
        self.young().seal(self.files.as_ref(), &mut sealed)
    }

    /// Folds the oldest group of segments that have come of age.
    fn fold_one(&self, now: i64) -> Result<Tended, MetricError> {
        let group = {
            let sealed = self.sealed.read().unwrap_or_else(PoisonError::into_inner);
            fold::due(&sealed, now / 1000)
        };
        let Some((level, group)) = group else { return Ok(Tended::Done) };
        let folded = fold::fold(self.files.as_ref(), &group, level)?;
        let mut sealed = self.sealed.write().unwrap_or_else(PoisonError::into_inner);
        for old in &group {
            sealed.remove(&old.title);
        }
        sealed.insert(folded.title, folded);
        drop(sealed);
        self.remove(group.iter().map(|it| it.title))?;
        Ok(Tended::More)
    }

    fn expire(&self, now: i64) -> Result<(), MetricError> {
        let mut sealed = self.sealed.write().unwrap_or_else(PoisonError::into_inner);
        let mut bytes: u64 = sealed.values().map(|it| it.size).sum();
        let mut by_age: Vec<_> =
            sealed.values().map(|it| (it.arrived, it.title, it.size)).collect();
        by_age.sort_unstable();
        let mut gone = Vec::new();
        for (arrived, title, size) in by_age {
            let kept: i64 = LEVELS.last().map_or(0, |it| it.kept);
            if arrived >= now / 1000 - kept && bytes <= BYTES_MAX {
                break;
            }
            bytes -= size;
            sealed.remove(&title);
            gone.push(title);
        }
        drop(sealed);
        self.remove(gone)
    }

    fn remove(&self, titles: impl IntoIterator<Item = Title>) -> Result<(), MetricError> {
        for name in titles.into_iter().map(Title::file_name) {
            self.files.remove(&name).attempt("removing", &name)?;
        }
        Ok(())
    }

    fn young(&self) -> MutexGuard<'_, Young> {
        self.young.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
