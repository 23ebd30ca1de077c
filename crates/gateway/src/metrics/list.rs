//! `ListMetrics`.

use shapes::cloudwatch as shape;
use telemetry::metrics::{Filter, Series};
use wire::Fault;

use super::{Desk, value};

/// Metrics of a page. Source: CloudWatch API Reference, `ListMetrics`.
const PAGE: usize = 500;
/// Three hours in seconds: `PT3H`.
const RECENT: i64 = 3 * 60 * 60;
/// Stands between the parts of a token.
const BETWEEN: char = '\u{1f}';
/// A unit behind all units: metrics are listed once, whatever units they have.
const LAST_UNIT: &str = "\u{10ffff}";

pub(super) fn list(
    desk: &Desk<'_>,
    ask: shape::ListMetricsInput,
) -> Result<shape::ListMetricsOutput, Fault> {
    let after = match ask.next_token.as_deref().filter(|it| !it.is_empty()) {
        Some(token) => Some(place(token).ok_or_else(|| value("Invalid nextToken"))?),
        None => None,
    };
    if ask.owning_account.is_some_and(|it| it != desk.home.account.to_string()) {
        return Ok(shape::ListMetricsOutput::default());
    }
    let wanted = ask.dimensions.unwrap_or_default();
    let filter = Filter {
        namespace: ask.namespace,
        metric: ask.metric_name,
        dimensions: wanted.into_iter().map(|it| (it.name.unwrap_or_default(), it.value)).collect(),
        since: ask.recently_active.map(|_| desk.now.0 / 1000 - RECENT),
    };
    // There are at most some thousands.
    let mut found = desk.store.list(&filter, after.as_ref(), usize::MAX);
    found.dedup_by(|a, b| {
        (&a.namespace, &a.metric, &a.dimensions) == (&b.namespace, &b.metric, &b.dimensions)
    });
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let next_token = found.last().filter(|_| is_more).map(token);
    let metrics = found.into_iter().map(|it| shape::Metric {
        namespace: Some(it.namespace),
        metric_name: Some(it.metric),
        dimensions: Some(it.dimensions.into_iter().map(dimension).collect()),
    });
    Ok(shape::ListMetricsOutput {
        metrics: Some(metrics.collect()),
        next_token,
        owning_accounts: None,
    })
}

fn dimension((name, value): (String, String)) -> shape::Dimension {
    shape::Dimension { name: Some(name), value: Some(value) }
}

/// Where the next page begins, told in hexadecimal so that nobody reads meaning into it.
fn token(last: &Series) -> String {
    let mut text = format!("{}{BETWEEN}{}", last.namespace, last.metric);
    for (name, value) in &last.dimensions {
        text.extend([BETWEEN.to_string().as_str(), name, BETWEEN.to_string().as_str(), value]);
    }
    types::hex(text.as_bytes())
}

fn place(token: &str) -> Option<Series> {
    let text = crate::logs::unhex(token)?;
    let mut parts = text.split(BETWEEN);
    let (namespace, metric) = (parts.next()?, parts.next()?);
    let rest: Vec<&str> = parts.collect();
    let dimensions = rest.chunks(2).map(|it| match it {
        [name, value] => Some(((*name).to_owned(), (*value).to_owned())),
        _ => None,
    });
    let dimensions: Vec<_> = dimensions.collect::<Option<_>>()?;
    Some(Series::new(namespace, metric, dimensions, LAST_UNIT))
}
