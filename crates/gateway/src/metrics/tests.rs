use plan::routing::session;
use shapes::cloudwatch as shape;
use telemetry::history::MemoryFiles;
use types::{AccountId, Region};

use super::*;

/// A full hour.
const NOW: Timestamp = Timestamp(1_800_014_400_000);
const SECOND: i64 = NOW.0 / 1000;

struct World {
    home: Home,
    store: MetricStore,
}

impl World {
    fn new() -> Self {
        let files = std::sync::Arc::new(MemoryFiles::default());
        let home = Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        };
        Self { home, store: MetricStore::open(files).expect("opens") }
    }

    fn desk(&self) -> Desk<'_> {
        Desk { home: &self.home, store: &self.store, now: NOW }
    }

    fn put(&self, data: Vec<shape::MetricDatum>) -> Result<(), Fault> {
        let ask = shape::PutMetricDataInput {
            namespace: Some("mine".into()),
            metric_data: Some(data),
            ..Default::default()
        };
        put::put(&self.desk(), ask).map(drop)
    }
}

fn ask(from: i64, to: i64, period: i32) -> shape::GetMetricStatisticsInput {
    shape::GetMetricStatisticsInput {
        namespace: Some("mine".into()),
        metric_name: Some("m".into()),
        start_time: Some(timestamp(SECOND + from)),
        end_time: Some(timestamp(SECOND + to)),
        period: Some(period),
        statistics: Some(vec![shape::Statistic::Sum]),
        ..Default::default()
    }
}

fn datum(value: f64, at: i64) -> shape::MetricDatum {
    shape::MetricDatum {
        metric_name: Some("m".into()),
        value: Some(value),
        timestamp: Some(timestamp(SECOND + at)),
        ..Default::default()
    }
}

fn without_value() -> shape::MetricDatum {
    shape::MetricDatum { value: None, ..datum(0.0, 0) }
}

fn set(count: f64, min: f64, max: f64) -> shape::StatisticSet {
    shape::StatisticSet {
        sample_count: Some(count),
        sum: Some(1.0),
        minimum: Some(min),
        maximum: Some(max),
    }
}

#[test]
fn a_datum_that_makes_no_sense_is_refused_in_awss_words() {
    let world = World::new();
    let two_weeks = 14 * 24 * 60 * 60;
    let table = [
        (
            datum(f64::NAN, 0),
            "InvalidParameterValue",
            "The value NaN for parameter MetricData.member.1.Value is invalid.",
        ),
        (datum(f64::INFINITY, 0), "InvalidParameterValue", "The value inf"),
        (datum(2_f64.powi(361), 0), "InvalidParameterValue", "The value "),
        (
            datum(1.0, -two_weeks - 1),
            "InvalidParameterValue",
            "The parameter MetricData.member.1.Timestamp must specify a time no more than two weeks in the past.",
        ),
        (
            datum(1.0, 7201),
            "InvalidParameterValue",
            "The parameter MetricData.member.1.Timestamp must specify a time no more than two hours in the future.",
        ),
        (
            without_value(),
            "InvalidParameterCombination",
            "At least one of the parameters must be specified.",
        ),
        (
            shape::MetricDatum { statistic_values: Some(set(1.0, 0.0, 1.0)), ..datum(1.0, 0) },
            "InvalidParameterCombination",
            "The parameters MetricData.member.1.Value and MetricData.member.1.StatisticValues are mutually exclusive and you have specified both.",
        ),
        (
            shape::MetricDatum {
                values: Some(vec![1.0, 2.0]),
                counts: Some(vec![1.0]),
                ..without_value()
            },
            "InvalidParameterValue",
            "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.",
        ),
        (
            shape::MetricDatum { values: Some(vec![1.0; 151]), ..without_value() },
            "InvalidParameterValue",
            "The collection MetricData.member.1.Values must not have a size greater than 150.",
        ),
        (
            shape::MetricDatum { statistic_values: Some(set(1.0, 2.0, 1.0)), ..without_value() },
            "InvalidParameterCombination",
            "The parameter ",
        ),
        (
            shape::MetricDatum { statistic_values: Some(set(0.0, 0.0, 0.0)), ..without_value() },
            "InvalidParameterValue",
            "The value 0 ",
        ),
        (
            shape::MetricDatum { storage_resolution: Some(30), ..datum(1.0, 0) },
            "InvalidParameterValue",
            "The value 30 ",
        ),
    ];
    for (datum, code, message) in table {
        let refused = world.put(vec![datum.clone()]).expect_err("refused");
        assert_eq!(refused.code, code, "{datum:?}");
        assert!(refused.message.starts_with(message), "{}", refused.message);
    }
    assert_eq!(world.put(Vec::new()).expect_err("refused").code, "MissingParameter");
    let many = world.put(vec![datum(1.0, 0); 1001]).expect_err("refused");
    assert_eq!(many.message, "The collection MetricData must not have a size greater than 1000.");
    let ask = shape::PutMetricDataInput {
        namespace: Some("AWS/ECS".into()),
        metric_data: Some(vec![datum(1.0, 0)]),
        ..Default::default()
    };
    let refused = put::put(&world.desk(), ask).expect_err("refused");
    assert_eq!(refused.message, "The value AWS/ECS for parameter Namespace is invalid.");
}

#[test]
fn values_counts_and_sets_are_added_up() {
    let world = World::new();
    let values = shape::MetricDatum {
        values: Some(vec![1.0, 5.0]),
        counts: Some(vec![3.0, 2.0]),
        ..without_value()
    };
    let of_set =
        shape::MetricDatum { statistic_values: Some(set(4.0, 0.5, 9.0)), ..without_value() };
    world.put(vec![values, of_set, datum(2.0, 59), datum(7.0, 60)]).expect("put");
    let ask = shape::GetMetricStatisticsInput {
        statistics: Some(shape::Statistic::KNOWN.iter().map(|it| (*it).into()).collect()),
        ..ask(0, 120, 60)
    };
    let answer = statistics::get(&world.desk(), ask).expect("answers");
    let expected = |at, count, sum, min, max| shape::Datapoint {
        average: Some(sum / count),
        maximum: Some(max),
        minimum: Some(min),
        sample_count: Some(count),
        sum: Some(sum),
        timestamp: Some(timestamp(SECOND + at)),
        unit: Some(shape::StandardUnit::None),
        extended_statistics: None,
    };
    let points = [expected(0, 10.0, 16.0, 0.5, 9.0), expected(60, 1.0, 7.0, 7.0, 7.0)];
    assert_eq!(answer.datapoints.as_deref(), Some(points.as_slice()));
    assert_eq!(answer.label.as_deref(), Some("m"));
}

#[test]
fn questions_that_cost_too_much_or_ask_for_what_is_not_kept_are_refused() {
    let world = World::new();
    let day = 24 * 60 * 60;
    let percentile = shape::GetMetricStatisticsInput {
        extended_statistics: Some(vec!["p99".into()]),
        ..ask(0, 60, 60)
    };
    let nothing = shape::GetMetricStatisticsInput { statistics: None, ..ask(0, 60, 60) };
    let table = [
        (
            ask(-3 * day, 0, 60),
            "InvalidParameterCombination",
            "You have requested up to 4,320 datapoints, which exceeds the limit of 1,440.",
        ),
        (
            ask(0, 0, 60),
            "InvalidParameterValue",
            "The parameter StartTime must not equal parameter EndTime.",
        ),
        (
            ask(60, 0, 60),
            "InvalidParameterValue",
            "The parameter StartTime must be less than the parameter EndTime.",
        ),
        (ask(0, 60, 61), "InvalidParameterValue", "The value 61 for parameter Period is invalid."),
        (percentile, "InvalidParameterValue", "The parameter ExtendedStatistics is not supported"),
        (
            nothing,
            "InvalidParameterCombination",
            "Must specify either Statistics or ExtendedStatistics",
        ),
    ];
    for (ask, code, message) in table {
        let refused = statistics::get(&world.desk(), ask).expect_err("refused");
        assert_eq!(refused.code, code);
        assert!(refused.message.starts_with(message), "{}", refused.message);
    }
}

#[test]
fn metrics_are_listed_once_in_pages() {
    let world = World::new();
    let dimension = |value: usize| shape::Dimension {
        name: Some("n".into()),
        value: Some(format!("{value:04}")),
    };
    let with = |number: usize, unit: shape::StandardUnit| shape::MetricDatum {
        dimensions: Some(vec![dimension(number)]),
        unit: Some(unit),
        ..datum(1.0, 0)
    };
    world.put((0..700).map(|it| with(it, shape::StandardUnit::Count)).collect()).expect("put");
    world.put((0..700).map(|it| with(it, shape::StandardUnit::Bytes)).collect()).expect("put");
    let page = |next_token| {
        let ask = shape::ListMetricsInput {
            namespace: Some("mine".into()),
            next_token,
            ..Default::default()
        };
        list::list(&world.desk(), ask).expect("lists")
    };
    let (first, second) = (page(None), page(page(None).next_token));
    let values: Vec<_> = [first.metrics, second.metrics]
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|it| it.dimensions?.first()?.value.clone())
        .collect();
    assert_eq!(values, (0..700).map(|it| format!("{it:04}")).collect::<Vec<_>>());
    assert_eq!(second.next_token, None);
    let wrong = shape::ListMetricsInput { next_token: Some("xyz".into()), ..Default::default() };
    assert_eq!(
        list::list(&world.desk(), wrong).expect_err("refused").code,
        "InvalidParameterValue"
    );
}

fn query(id: &str, stat: &str) -> shape::MetricDataQuery {
    shape::MetricDataQuery {
        id: Some(id.into()),
        metric_stat: Some(shape::MetricStat {
            metric: Some(shape::Metric {
                namespace: Some("mine".into()),
                metric_name: Some("m".into()),
                dimensions: None,
            }),
            period: Some(60),
            stat: Some(stat.into()),
            unit: None,
        }),
        ..Default::default()
    }
}

fn data(queries: Vec<shape::MetricDataQuery>) -> shape::GetMetricDataInput {
    shape::GetMetricDataInput {
        start_time: Some(timestamp(SECOND)),
        end_time: Some(timestamp(SECOND + 600)),
        metric_data_queries: Some(queries),
        ..Default::default()
    }
}

#[test]
fn many_metrics_come_in_pages_newest_first() {
    let world = World::new();
    world.put((0..3_i32).map(|it| datum(it.into(), i64::from(it) * 60)).collect()).expect("put");
    let mut ask = shape::GetMetricDataInput {
        max_datapoints: Some(2),
        ..data(vec![query("a", "Sum"), query("b", "SampleCount")])
    };
    let mut seen = Vec::new();
    loop {
        let answer = data::get(&world.desk(), ask.clone()).expect("answers");
        for it in answer.metric_data_results.into_iter().flatten() {
            seen.push((it.id.unwrap_or_default(), it.values.unwrap_or_default()));
        }
        ask.next_token = answer.next_token;
        if ask.next_token.is_none() {
            break;
        }
    }
    let expected: [(&str, &[f64]); 4] =
        [("a", &[2.0, 1.0]), ("a", &[0.0]), ("b", &[1.0]), ("b", &[1.0, 1.0])];
    assert_eq!(seen, expected.map(|(id, values)| (id.to_owned(), values.to_vec())));
}

#[test]
fn expressions_and_unknown_statistics_are_refused_by_name() {
    let world = World::new();
    let expression = shape::MetricDataQuery {
        id: Some("e".into()),
        expression: Some("a * 2".into()),
        ..Default::default()
    };
    let table = [
        (vec![expression], "The parameter MetricDataQueries.member.1.Expression is not supported"),
        (
            vec![query("a", "p99")],
            "The value p99 for parameter MetricDataQueries.member.1.MetricStat.Stat",
        ),
        (vec![query("A", "Sum")], "The value A for parameter MetricDataQueries.member.1.Id"),
        (
            vec![query("a", "Sum"), query("a", "Sum")],
            "The values for parameter Id in MetricDataQueries are not unique: a.",
        ),
        (vec![], "The collection MetricDataQueries must have a size between 1 and 500."),
    ];
    for (queries, message) in table {
        let refused = data::get(&world.desk(), data(queries)).expect_err("refused");
        assert_eq!(refused.code, "ValidationError");
        assert!(refused.message.starts_with(message), "{}", refused.message);
    }
}

#[test]
fn what_balancers_have_counted_is_told_under_awss_names() {
    let world = World::new();
    let counted = |metric: &str, load_balancer: &str, sum: f64| session::Series {
        metric: metric.into(),
        dimensions: vec![("LoadBalancer".into(), load_balancer.into())],
        at: Timestamp(NOW.0 + 10_000),
        count: 1.0,
        sum,
        min: sum,
        max: sum,
    };
    let all = [
        counted("RequestCount", "app/web/1", 7.0),
        counted("ProcessedBytes", "net/tcp/1", 9.0),
        counted("RequestCount", "app/web/1", f64::NAN),
        session::Series {
            dimensions: vec![("LoadBalancerName".into(), "app/old".into())],
            ..counted("Latency", "", 0.5)
        },
    ];
    put_counted(&world.store, "one", &all, NOW);
    let ask = shape::GetMetricStatisticsInput {
        namespace: Some("AWS/ApplicationELB".into()),
        metric_name: Some("RequestCount".into()),
        dimensions: Some(vec![shape::Dimension {
            name: Some("LoadBalancer".into()),
            value: Some("app/web/1".into()),
        }]),
        ..ask(0, 60, 60)
    };
    let points = statistics::get(&world.desk(), ask).expect("answers").datapoints;
    let found: Vec<_> = points.into_iter().flatten().map(|it| (it.sum, it.unit)).collect();
    assert_eq!(found, [(Some(7.0), Some(shape::StandardUnit::Count))]);
    let listed = world.store.list(&telemetry::metrics::Filter::default(), None, 9);
    let named: Vec<_> = listed.iter().map(|it| (it.namespace.as_str(), it.unit.as_str())).collect();
    let expected =
        [("AWS/ApplicationELB", "Count"), ("AWS/ELB", "Seconds"), ("AWS/NetworkELB", "Bytes")];
    assert_eq!(named, expected);
}
