//! Which series there are.

use core::ops::Bound;
use std::collections::BTreeMap;

use super::DAY;
use super::series::Series;

/// Series that are known at once. A further one takes the places of those that have been silent for
/// longest; they can still be read by name.
pub(super) const SERIES_MAX: usize = 10_000;
/// So many make place at once, so that a flood of names costs little for each.
const GIVE_WAY: usize = SERIES_MAX / 16;
/// Seconds after its last sample that a series is listed. Source: CloudWatch API Reference,
/// `ListMetrics`.
const LISTED: i64 = 14 * DAY;

/// Which series are wanted; what is `None` or empty is not asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this namespace only.
    pub namespace: Option<String>,
    /// Of this metric only.
    pub metric: Option<String>,
    /// With all these dimensions; where a value is told, with this one.
    pub dimensions: Vec<(String, Option<String>)>,
    /// With a sample at or after this second since 1970.
    pub since: Option<i64>,
}

impl Filter {
    fn accepts(&self, series: &Series, last: i64) -> bool {
        self.namespace.as_ref().is_none_or(|it| *it == series.namespace)
            && self.metric.as_ref().is_none_or(|it| *it == series.metric)
            && self.since.is_none_or(|it| it <= last)
            && self.dimensions.iter().all(|(name, wanted)| {
                let value = series.dimensions.get(name);
                value.is_some_and(|it| wanted.as_ref().is_none_or(|wanted| wanted == it))
            })
    }
}

/// Series, and the second of the last sample of each.
#[derive(Debug, Default)]
pub(super) struct Catalog(BTreeMap<Series, i64>);

impl Catalog {
    pub(super) fn note(&mut self, series: &Series, at: i64) {
        if let Some(last) = self.0.get_mut(series) {
            *last = at.max(*last);
            return;
        }
        if self.0.len() >= SERIES_MAX {
            self.give_way();
        }
        self.0.insert(series.clone(), at);
    }

    fn give_way(&mut self) {
        let mut times: Vec<i64> = self.0.values().copied().collect();
        let (_, newest_gone, _) = times.select_nth_unstable(GIVE_WAY);
        let (newest_gone, mut room) = (*newest_gone, GIVE_WAY);
        self.0.retain(|_, last| {
            let goes = *last <= newest_gone && room > 0;
            room -= usize::from(goes);
            !goes
        });
    }

    /// Forgets those that are not listed any more. `now` is in milliseconds since 1970.
    pub(super) fn forget(&mut self, now: i64) {
        self.0.retain(|_, last| *last >= now / 1000 - LISTED);
    }

    pub(super) fn list(
        &self,
        filter: &Filter,
        after: Option<&Series>,
        limit: usize,
    ) -> Vec<Series> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.0.range::<Series, _>((from, Bound::Unbounded));
        let wanted = all.filter(|(series, last)| filter.accepts(series, **last));
        wanted.take(limit).map(|(series, _)| series.clone()).collect()
    }

    pub(super) fn in_every_unit(&self, series: &Series) -> Vec<Series> {
        let first = Series { unit: String::new(), ..series.clone() };
        let same = |it: &&Series| {
            (&it.namespace, &it.metric, &it.dimensions)
                == (&series.namespace, &series.metric, &series.dimensions)
        };
        self.0.range(first..).map(|(it, _)| it).take_while(same).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(number: usize) -> Series {
        Series::new("a", &format!("metric {number:06}"), [], "None")
    }

    #[test]
    fn those_that_were_silent_for_longest_make_place() {
        let mut catalog = Catalog::default();
        for number in 0..SERIES_MAX {
            // Every second one is old.
            catalog.note(&series(number), if number % 2 == 0 { 5 } else { 9 });
        }
        catalog.note(&series(SERIES_MAX), 9);
        assert_eq!(catalog.0.len(), SERIES_MAX - GIVE_WAY + 1);
        let old = Filter { since: Some(6), ..Filter::default() };
        assert_eq!(catalog.list(&old, None, usize::MAX).len(), SERIES_MAX / 2 + 1);
    }

    #[test]
    fn series_are_forgotten_after_two_weeks_of_silence() {
        let mut catalog = Catalog::default();
        catalog.note(&series(1), 0);
        catalog.note(&series(2), DAY);
        catalog.note(&series(2), 0);
        catalog.forget(15 * DAY * 1000);
        assert_eq!(catalog.list(&Filter::default(), None, 9), [series(2)]);
    }
}
