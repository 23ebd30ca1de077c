//! Segments that have come of age become a coarser one.

use std::collections::BTreeMap;

use crate::history::{Attempt as _, File, Files};

use super::segment::{Line, Segment, Title, Writer};
use super::series::{Identity, Statistics};
use super::{LEVELS, MetricError};

/// The oldest group that is to be folded, in order of arrival, and the level that it goes to.
pub(super) fn due(sealed: &BTreeMap<Title, Segment>, now: i64) -> Option<(usize, Vec<Segment>)> {
    for (level, next) in (1..).zip(LEVELS.iter().skip(1)) {
        let from = level - 1;
        let kept = LEVELS.get(from).map_or(0, |it| it.kept);
        let mut all: Vec<&Segment> = sealed.values().filter(|it| it.title.level == from).collect();
        all.sort_unstable_by_key(|it| it.title.first);
        let Some(first) = all.first() else { continue };
        let span = first.arrived.div_euclid(next.span);
        // A group whose last part may still come is not whole.
        if (span + 1) * next.span + kept > now {
            continue;
        }
        let in_span = |it: &&&Segment| it.arrived.div_euclid(next.span) == span;
        return Some((level, all.iter().take_while(in_span).copied().cloned().collect()));
    }
    None
}

/// Writes the segment that takes the place of a group; it is durable when this returns. Each series
/// is read and written by itself.
pub(super) fn fold(
    files: &dyn Files,
    group: &[Segment],
    level: usize,
) -> Result<Segment, MetricError> {
    let first = group.iter().map(|it| it.title.first).min().unwrap_or(0);
    let last = group.iter().map(|it| it.title.last).max().unwrap_or(0);
    let arrived = group.iter().map(|it| it.arrived).max().unwrap_or(0);
    let title = Title { level, first, last };
    let step = LEVELS.get(level).map_or(1, |it| it.step);
    let write = || {
        let opened = |it: &Segment| files.open(&it.title.file_name());
        let sources = group.iter().map(opened).collect::<std::io::Result<Vec<_>>>()?;
        let mut directory: BTreeMap<Identity, Vec<(&dyn File, Line)>> = BTreeMap::new();
        for (segment, file) in group.iter().zip(&sources) {
            for line in segment.lines(file.as_ref())? {
                directory.entry(line.identity).or_default().push((file.as_ref(), line));
            }
        }
        let mut writer = Writer::begin(files, title)?;
        for (identity, lines) in directory {
            fold_series(&mut writer, identity, &lines, step)?;
        }
        writer.finish(arrived)
    };
    write().attempt("folding into", &title.file_name())
}

fn fold_series(
    writer: &mut Writer<'_>,
    identity: Identity,
    lines: &[(&dyn File, Line)],
    step: i64,
) -> std::io::Result<()> {
    let mut series = None;
    let mut points: BTreeMap<i64, Statistics> = BTreeMap::new();
    for (file, line) in lines {
        for (at, statistics) in line.points(*file)? {
            points.entry(at.div_euclid(step) * step).or_default().add(statistics);
        }
        if series.is_none() {
            series = line.series(*file)?;
        }
    }
    match series {
        Some(series) => writer.series(identity, &series, &points),
        None => Ok(()),
    }
}
