mod crashes;

use super::*;
use crate::history::MemoryFiles;

/// Noon of a day, in seconds since 1970; 12:00 is the beginning of an hour.
const NOON: i64 = 1_800_014_400;

fn open(files: &MemoryFiles) -> MetricStore {
    MetricStore::open(Arc::new(files.clone())).expect("opens")
}

fn series(metric: &str) -> Series {
    let dimensions = [("LoadBalancer".to_owned(), "app/web/1".to_owned())];
    Series::new("AWS/ApplicationELB", metric, dimensions, "Count")
}

fn sample(metric: &str, at: i64, value: f64) -> Sample {
    let statistics = Statistics::of(value);
    Sample { series: series(metric), at: at * 1000, resolution: Resolution::Second, statistics }
}

/// Tends until there is nothing more to do.
fn settle(store: &MetricStore, now: i64) {
    while store.tend(now * 1000).expect("tends") == Tended::More {}
}

/// What a metric comes to by seconds after noon: count, sum, least and greatest.
fn read(store: &MetricStore, metric: &str, time: (i64, i64), period: i64) -> Vec<(i64, [f64; 4])> {
    let time = (NOON + time.0, NOON + time.1);
    let found = store.read(&series(metric), time, period).expect("reads");
    found.into_iter().map(|(at, it)| (at - NOON, [it.count, it.sum, it.min, it.max])).collect()
}

fn names(files: &MemoryFiles) -> Vec<String> {
    files.list().expect("lists")
}

#[test]
fn values_of_a_period_are_added_up_and_an_empty_period_is_absent() {
    let files = MemoryFiles::default();
    let store = open(&files);
    let values = [(0, 1.0), (59, 3.0), (60, 5.0), (180, 0.5), (181, -2.0)];
    let samples: Vec<Sample> =
        values.iter().map(|(at, value)| sample("m", NOON + at, *value)).collect();
    store.put(&samples, NOON * 1000).expect("is taken in");
    let expected =
        [(0, [2.0, 4.0, 1.0, 3.0]), (60, [1.0, 5.0, 5.0, 5.0]), (180, [2.0, -1.5, -2.0, 0.5])];
    assert_eq!(read(&store, "m", (0, 240), 60), expected);
    assert_eq!(read(&store, "m", (0, 240), 300), [(0, [5.0, 7.5, -2.0, 5.0])]);
    assert_eq!(read(&store, "m", (60, 180), 60), [(60, [1.0, 5.0, 5.0, 5.0])]);
    assert_eq!(read(&store, "n", (0, 240), 60), []);
    // Another process finds the same, and a sealed store too.
    drop(store);
    let store = open(&files);
    assert_eq!(read(&store, "m", (0, 240), 60), expected);
    store.seal().expect("seals");
    assert_eq!(names(&files), ["0-0000000001-0000000001.met"]);
    assert_eq!(read(&store, "m", (0, 240), 60), expected);
    assert_eq!(read(&open(&files), "m", (0, 240), 60), expected);
}

#[test]
fn samples_are_kept_as_finely_as_they_say() {
    let store = open(&MemoryFiles::default());
    let coarse = |resolution| Sample { resolution, ..sample("m", NOON + 77, 1.0) };
    let all = [Resolution::Second, Resolution::TenSeconds, Resolution::Minute].map(coarse);
    store.put(&all, NOON * 1000).expect("is taken in");
    let seconds: Vec<i64> = read(&store, "m", (0, 240), 1).iter().map(|it| it.0).collect();
    assert_eq!(seconds, [60, 70, 77]);
}

#[test]
fn samples_grow_coarser_with_age_and_go_in_the_end() {
    let files = MemoryFiles::default();
    let store = open(&files);
    for at in [0, 1, 61, 3600, 7200] {
        store.put(&[sample("m", NOON + at, 1.0)], (NOON + at) * 1000).expect("is taken in");
    }
    let times = |store: &MetricStore| -> Vec<i64> {
        read(store, "m", (0, DAY), 1).into_iter().map(|it| it.0).collect()
    };
    let ages = [
        (2 * HOUR, vec![0, 1, 61, 3600, 7200], 3),
        (3 * HOUR, vec![0, 1, 61, 3600, 7200], 3),
        (4 * HOUR, vec![0, 60, 3600, 7200], 3),
        (DAY, vec![0, 60, 3600, 7200], 3),
        (16 * DAY, vec![0, 3600, 7200], 1),
        (70 * DAY, vec![0, 3600, 7200], 1),
        (400 * DAY, vec![0, 3600, 7200], 1),
        (456 * DAY, vec![], 0),
    ];
    for (age, expected, files_left) in ages {
        settle(&store, NOON + age);
        assert_eq!(times(&store), expected, "after {age} s");
        assert_eq!(names(&files).len(), files_left, "after {age} s: {:?}", names(&files));
        assert_eq!(times(&open(&files)), expected, "after {age} s and a start");
    }
}

#[test]
fn late_samples_count_at_their_own_time() {
    let store = open(&MemoryFiles::default());
    for hours in 0..5 {
        let now = NOON + hours * HOUR;
        store.put(&[sample("m", NOON, 1.0)], now * 1000).expect("is taken in");
        settle(&store, now);
    }
    assert_eq!(read(&store, "m", (0, 60), 60), [(0, [5.0, 5.0, 1.0, 1.0])]);
}

#[test]
fn series_are_listed_by_namespace_metric_and_dimensions() {
    let files = MemoryFiles::default();
    let store = open(&files);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let all = [
        Series::new("A", "m", [pair("x", "1"), pair("y", "1")], "Count"),
        Series::new("A", "m", [pair("x", "2")], "Count"),
        Series::new("A", "n", [], "Count"),
        Series::new("B", "m", [pair("x", "1")], "Bytes"),
        Series::new("B", "m", [pair("x", "1")], "Count"),
    ];
    for (series, at) in all.iter().cloned().zip(NOON..) {
        let sample = Sample { series, ..sample("", at, 1.0) };
        store.put(&[sample], NOON * 1000).expect("is taken in");
    }
    let named = |namespace: &str| Filter { namespace: Some(namespace.into()), ..Filter::default() };
    let with = |name: &str, value: Option<&str>| Filter {
        dimensions: vec![(name.into(), value.map(Into::into))],
        ..Filter::default()
    };
    let table = [
        (Filter::default(), vec![0, 1, 2, 3, 4]),
        (named("B"), vec![3, 4]),
        (Filter { metric: Some("n".into()), ..named("A") }, vec![2]),
        (with("x", None), vec![0, 1, 3, 4]),
        (with("x", Some("1")), vec![0, 3, 4]),
        (Filter { since: Some(NOON + 3), ..Filter::default() }, vec![3, 4]),
    ];
    let mut sorted = all.to_vec();
    sorted.sort();
    let check = |store: &MetricStore| {
        for (filter, expected) in &table {
            let mut expected: Vec<Series> = expected.iter().map(|it| all[*it].clone()).collect();
            expected.sort();
            assert_eq!(store.list(filter, None, 9), expected, "{filter:?}");
        }
        let after = store.list(&Filter::default(), Some(&sorted[1]), 2);
        assert_eq!(after, sorted[2..4]);
        assert_eq!(store.in_every_unit(&all[4]), [all[3].clone(), all[4].clone()]);
    };
    check(&store);
    check(&open(&files));
    store.seal().expect("seals");
    check(&open(&files));
}

#[test]
fn a_damaged_series_hides_no_other() {
    let files = MemoryFiles::default();
    let store = open(&files);
    let samples = [sample("m", NOON, 1.0), sample("n", NOON, 1.0)];
    store.put(&samples, NOON * 1000).expect("is taken in");
    store.seal().expect("seals");
    let mut segment = Files::open(&files, "0-0000000001-0000000001.met").expect("opens");
    segment.write_at(12, b"xxxx").expect("is damaged");
    let store = open(&files);
    // Which of them lies first depends on their identities.
    let found = ["m", "n"].map(|it| read(&store, it, (0, 60), 60).len());
    assert_eq!(found.iter().sum::<usize>() + store.list(&Filter::default(), None, 9).len(), 3);
}

#[test]
fn a_folder_of_this_machine_does_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || {
        let files = crate::history::RealFiles::open(folder.path().join("metrics")).expect("opens");
        MetricStore::open(Arc::new(files)).expect("opens")
    };
    let store = open();
    for hour in 0..5 {
        let now = NOON + hour * HOUR;
        store.put(&[sample("m", now, 1.0), sample("n", now, 2.0)], now * 1000).expect("is taken");
        settle(&store, now);
    }
    drop(store);
    let store = open();
    assert_eq!(read(&store, "n", (0, DAY), DAY), [(0, [5.0, 10.0, 2.0, 2.0])]);
}
