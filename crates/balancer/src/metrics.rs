//! What is counted, as the control plane takes it in: under CloudWatch's names, dimensions and units.
//!
//! A metric is absent where nothing happened, except how many targets are healthy. Source:
//! Application Load Balancers and Network Load Balancers User Guides, "CloudWatch metrics";
//! handbook 7.5.

mod classic;

use core::iter;
use std::collections::BTreeMap;

use plan::routing::session::Series;
pub(crate) use state::classic_name;
use types::{Timestamp, Zone};

use crate::counters::{BUCKETS, Count, Metric, Subject, bucket_start};

/// Microseconds of a second, the unit of response times.
const MICROS: f64 = 1_000_000.0;

/// Targets of a group, as this balancer's checks find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// ARNs of the load balancer and the group.
    pub(crate) subject: Subject,
    /// Those in this zone only; of Classic Load Balancers.
    pub(crate) zone: Option<Zone>,
    pub(crate) healthy: u32,
    pub(crate) unhealthy: u32,
    pub(crate) anomalies: Option<Anomalies>,
}

/// Healthy targets of a group that do worse than the others; groups of HTTP only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Anomalies {
    pub(crate) anomalous: u32,
    /// Those that get less for it, or still do.
    pub(crate) mitigated: u32,
}

/// What the control plane has been told of the counters.
#[derive(Debug, Default)]
pub(crate) struct Told {
    counts: BTreeMap<Subject, Count>,
    /// The minute in which it was said how many there are of what is not counted up.
    minute: i64,
}

impl Told {
    /// What has been counted since it was told last.
    pub(crate) fn news(
        &self,
        counts: &BTreeMap<Subject, Count>,
        hosts: &[Hosts],
        at: Timestamp,
    ) -> Vec<Series> {
        let is_new_minute = minute(at) != self.minute;
        let mut all = Vec::new();
        for (subject, count) in counts {
            let before = self.counts.get(subject);
            let told = Subjected { subject, at };
            told.counters(count, before, &mut all);
            told.times(count, before, &mut all);
            let healthy = hosts.iter().find(|it| it.subject == *subject).map(|it| it.healthy);
            told.requests(count, before, healthy, &mut all);
            // A sum over a minute would count those that stay as often as they are told.
            if is_new_minute {
                told.connections(count, &mut all);
            }
        }
        if is_new_minute {
            for hosts in hosts {
                let told = Subjected { subject: &hosts.subject, at };
                told.hosts(hosts, &mut all);
            }
        }
        all
    }

    /// It has been told: what comes after counts from here.
    pub(crate) fn note(&mut self, counts: BTreeMap<Subject, Count>, at: Timestamp) {
        self.counts = counts;
        self.minute = minute(at);
    }
}

fn minute(at: Timestamp) -> i64 {
    at.0.div_euclid(60_000)
}

/// A subject at a time.
struct Subjected<'a> {
    subject: &'a Subject,
    at: Timestamp,
}

impl Subjected<'_> {
    fn counters(&self, count: &Count, before: Option<&Count>, into: &mut Vec<Series>) {
        for metric in Metric::ALL {
            let Some(name) = self.name(*metric) else { continue };
            let more = since(count.of(*metric), before.map(|it| it.of(*metric)));
            if more > 0 && self.classic().is_some() {
                self.add(name, classic::value(name, more), into);
            } else if more > 0 {
                self.add(name, One(number(more)), into);
            }
        }
    }

    /// What a metric that is counted up is called; `None` for one that load balancers of this kind
    /// do not have, and for those that are told otherwise.
    fn name(&self, metric: Metric) -> Option<&'static str> {
        match metric {
            Metric::ActiveConnections
            | Metric::ActiveTcpFlows
            | Metric::ActiveTlsFlows
            | Metric::ActiveUdpFlows
            | Metric::TargetResponseMicros => None,
            _ if self.classic().is_some() => classic::name(metric),
            _ if !self.is_network() => Some(metric.name()),
            Metric::NewConnections => Some("NewFlowCount"),
            Metric::RejectedConnections => Some("RejectedFlowCount"),
            Metric::ProcessedBytes
            | Metric::ClientTlsErrors
            | Metric::TargetTlsErrors
            | Metric::NewTcpFlows
            | Metric::NewTlsFlows
            | Metric::NewUdpFlows
            | Metric::TcpBytes
            | Metric::TlsBytes
            | Metric::UdpBytes
            | Metric::ClientResets
            | Metric::ElbResets
            | Metric::TargetResets => Some(metric.name()),
            _ => None,
        }
    }

    /// Response times: how many, their sum; the least and the greatest as finely as they are kept.
    fn times(&self, count: &Count, before: Option<&Count>, into: &mut Vec<Series>) {
        let of = |it: &Count| it.of(Metric::TargetResponseMicros);
        let sum = number(since(of(count), before.map(of))) / MICROS;
        let more = |bucket: usize| {
            let of = |it: &Count| it.times.get(bucket).copied().unwrap_or(0);
            since(of(count), before.map(of))
        };
        let many: u64 = (0..BUCKETS).map(more).sum();
        let Some(first) = (0..BUCKETS).find(|it| more(*it) > 0) else { return };
        let last = (0..BUCKETS).rfind(|it| more(*it) > 0).unwrap_or(first);
        let mean = sum / number(many);
        // The first bucket takes in everything shorter, the last everything longer.
        let least = if first == 0 { 0.0 } else { number(bucket_start(first)) / MICROS };
        let greatest = number(bucket_start(last + 1)) / MICROS;
        let (min, max) = (least.min(mean), greatest.max(mean));
        let name = if self.classic().is_some() { "Latency" } else { "TargetResponseTime" };
        self.add(name, Many { count: number(many), sum, min, max }, into);
    }

    /// Requests that a group's targets have answered: a load balancer counts its own.
    fn requests(
        &self,
        count: &Count,
        before: Option<&Count>,
        healthy: Option<u32>,
        into: &mut Vec<Series>,
    ) {
        let answers = [Metric::Target2xx, Metric::Target3xx, Metric::Target4xx, Metric::Target5xx];
        let more = |it: Metric| since(count.of(it), before.map(|before| before.of(it)));
        let requests: u64 = answers.into_iter().map(more).sum();
        if self.subject.group.is_some() && requests > 0 {
            let each = number(requests) / f64::from(healthy.unwrap_or(1).max(1));
            self.add_to_group("RequestCount", One(number(requests)), into);
            self.add_to_group("RequestCountPerTarget", One(each), into);
        }
    }

    fn connections(&self, count: &Count, into: &mut Vec<Series>) {
        if self.classic().is_some() {
            return;
        }
        let all = if self.is_network() { "ActiveFlowCount" } else { "ActiveConnectionCount" };
        let by_protocol = [Metric::ActiveTcpFlows, Metric::ActiveTlsFlows, Metric::ActiveUdpFlows];
        let by_protocol = by_protocol.into_iter().map(|it| (it.name(), it));
        for (name, metric) in iter::once((all, Metric::ActiveConnections)).chain(by_protocol) {
            let now = count.of(metric);
            if now > 0 {
                self.add(name, One(number(now)), into);
            }
        }
    }

    fn hosts(&self, hosts: &Hosts, into: &mut Vec<Series>) {
        if self.classic().is_some() {
            let zone = hosts.zone.as_ref().map(|it| ("AvailabilityZone".into(), it.to_string()));
            let dimensions: Vec<_> = zone.into_iter().chain([self.balancer()]).collect();
            let told =
                [("HealthyHostCount", hosts.healthy), ("UnHealthyHostCount", hosts.unhealthy)];
            for (metric, count) in told {
                let value = One(count.into()).into();
                into.push(self.series(metric, value, dimensions.clone()));
            }
            return;
        }
        self.add_to_group("HealthyHostCount", One(hosts.healthy.into()), into);
        self.add_to_group("UnHealthyHostCount", One(hosts.unhealthy.into()), into);
        if let Some(Anomalies { anomalous, mitigated }) = hosts.anomalies {
            self.add_to_group("AnomalousHostCount", One(anomalous.into()), into);
            self.add_to_group("MitigatedHostCount", One(mitigated.into()), into);
        }
    }

    /// The name of the load balancer, if it is a Classic one.
    fn classic(&self) -> Option<&str> {
        classic_name(&self.subject.load_balancer)
    }

    fn is_network(&self) -> bool {
        behind(&self.subject.load_balancer, "loadbalancer/").starts_with("net/")
    }

    /// Adds a value for the load balancer, and for the group that it is about, as AWS does.
    fn add(&self, metric: &str, value: impl Into<Many> + Copy, into: &mut Vec<Series>) {
        self.add_to_group(metric, value, into);
        into.push(self.series(metric, value.into(), vec![self.balancer()]));
    }

    /// Adds a value for the group only; nothing without one.
    fn add_to_group(&self, metric: &str, value: impl Into<Many>, into: &mut Vec<Series>) {
        let group = self.subject.group.as_ref().filter(|_| self.classic().is_none());
        let Some(group) = group else { return };
        let group = group.rsplit(':').next().unwrap_or(group).to_owned();
        let dimensions = vec![("TargetGroup".to_owned(), group), self.balancer()];
        into.push(self.series(metric, value.into(), dimensions));
    }

    fn balancer(&self) -> (String, String) {
        if let Some(name) = self.classic() {
            return ("LoadBalancerName".to_owned(), name.to_owned());
        }
        let name = behind(&self.subject.load_balancer, "loadbalancer/");
        ("LoadBalancer".to_owned(), name.to_owned())
    }

    fn series(&self, metric: &str, value: Many, dimensions: Vec<(String, String)>) -> Series {
        let Many { count, sum, min, max } = value;
        Series { metric: metric.to_owned(), dimensions, at: self.at, count, sum, min, max }
    }
}

/// One value.
#[derive(Clone, Copy)]
struct One(f64);

/// Many values together.
#[derive(Clone, Copy)]
struct Many {
    count: f64,
    sum: f64,
    min: f64,
    max: f64,
}

impl From<One> for Many {
    fn from(One(value): One) -> Self {
        Self { count: 1.0, sum: value, min: value, max: value }
    }
}

/// What an ARN says behind a word: `app/name/id`.
pub(crate) fn behind<'a>(arn: &'a str, word: &str) -> &'a str {
    arn.split_once(word).map_or(arn, |it| it.1)
}

/// How much more there is. A count that is less than before has begun anew.
fn since(now: u64, before: Option<u64>) -> u64 {
    now.checked_sub(before.unwrap_or(0)).unwrap_or(now)
}

#[expect(clippy::cast_precision_loss, reason = "counts of days are exact")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::counters::Meters;

    const ARN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:";

    fn subject(kind: &str, group: Option<&str>) -> Subject {
        Subject {
            load_balancer: format!("{ARN}loadbalancer/{kind}/web/1"),
            group: group.map(|it| format!("{ARN}targetgroup/{it}/2")),
        }
    }

    /// Metric, dimensions and values, line by line.
    fn lines(series: &[Series]) -> Vec<String> {
        let mut lines: Vec<String> = series
            .iter()
            .map(|it| {
                let dimensions: Vec<&str> = it.dimensions.iter().map(|it| it.1.as_str()).collect();
                let values = format!("{} {:.4} {:.4} {:.4}", it.count, it.sum, it.min, it.max);
                format!("{} {} {values}", it.metric, dimensions.join("+"))
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_was_counted_is_told_once_under_awss_names() {
        let meters = Meters::default();
        let balancer = meters.meter(&subject("app", None));
        let group = meters.meter(&subject("app", Some("blue")));
        balancer.add(Metric::Requests, 3);
        balancer.add(Metric::ActiveConnections, 2);
        group.add(Metric::Target2xx, 3);
        group.time(Duration::from_millis(1));
        group.time(Duration::from_millis(3));
        let mut told = Told::default();
        let at = |seconds: i64| Timestamp(1_800_014_400_000 + seconds * 1000);
        let anomalies = Some(Anomalies { anomalous: 1, mitigated: 0 });
        let subject = subject("app", Some("blue"));
        let hosts = [Hosts { subject, zone: None, healthy: 2, unhealthy: 0, anomalies }];
        let first = told.news(&meters.read(), &hosts, at(0));
        assert_eq!(
            lines(&first),
            [
                "ActiveConnectionCount app/web/1 1 2.0000 2.0000 2.0000",
                "AnomalousHostCount targetgroup/blue/2+app/web/1 1 1.0000 1.0000 1.0000",
                "HTTPCode_Target_2XX_Count app/web/1 1 3.0000 3.0000 3.0000",
                "HTTPCode_Target_2XX_Count targetgroup/blue/2+app/web/1 1 3.0000 3.0000 3.0000",
                "HealthyHostCount targetgroup/blue/2+app/web/1 1 2.0000 2.0000 2.0000",
                "MitigatedHostCount targetgroup/blue/2+app/web/1 1 0.0000 0.0000 0.0000",
                "RequestCount app/web/1 1 3.0000 3.0000 3.0000",
                "RequestCount targetgroup/blue/2+app/web/1 1 3.0000 3.0000 3.0000",
                "RequestCountPerTarget targetgroup/blue/2+app/web/1 1 1.5000 1.5000 1.5000",
                "TargetResponseTime app/web/1 2 0.0040 0.0009 0.0031",
                "TargetResponseTime targetgroup/blue/2+app/web/1 2 0.0040 0.0009 0.0031",
                "UnHealthyHostCount targetgroup/blue/2+app/web/1 1 0.0000 0.0000 0.0000",
            ]
        );
        told.note(meters.read(), at(0));
        // Within the minute only what has come since; of what did not happen, nothing.
        balancer.add(Metric::Elb503, 1);
        let second = told.news(&meters.read(), &hosts, at(10));
        assert_eq!(lines(&second), ["HTTPCode_ELB_503_Count app/web/1 1 1.0000 1.0000 1.0000"]);
        // Not noted, because nobody took it: told again.
        assert_eq!(lines(&told.news(&meters.read(), &hosts, at(20))), lines(&second));
    }

    #[test]
    fn a_classic_load_balancer_has_names_of_its_own() {
        let meters = Meters::default();
        let subject = |group: Option<&str>| Subject {
            load_balancer: "classic/web".into(),
            group: group.map(ToOwned::to_owned),
        };
        let balancer = meters.meter(&subject(None));
        balancer.add(Metric::Requests, 3);
        balancer.add(Metric::NewTcpFlows, 2);
        balancer.add(Metric::NewConnections, 9);
        balancer.add(Metric::ActiveConnections, 1);
        balancer.add(Metric::Elb503, 1);
        balancer.add(Metric::Elb5xx, 1);
        let group = meters.meter(&subject(Some("classic/web/80")));
        group.add(Metric::Target2xx, 2);
        group.add(Metric::TargetConnectionErrors, 4);
        group.time(Duration::from_millis(2));
        let hosts = |zone: Option<&str>, healthy: u32| Hosts {
            subject: subject(Some("classic/web/80")),
            zone: zone.map(|it| Zone::parse(it).expect("a zone")),
            healthy,
            unhealthy: 1,
            anomalies: None,
        };
        let hosts = [hosts(Some("us-east-1a"), 2), hosts(None, 3)];
        let told = Told::default().news(&meters.read(), &hosts, Timestamp(1_800_014_400_000));
        assert_eq!(
            lines(&told),
            [
                "BackendConnectionErrors web 1 4.0000 4.0000 4.0000",
                "HTTPCode_Backend_2XX web 2 2.0000 1.0000 1.0000",
                "HTTPCode_ELB_5XX web 1 1.0000 1.0000 1.0000",
                "HealthyHostCount us-east-1a+web 1 2.0000 2.0000 2.0000",
                "HealthyHostCount web 1 3.0000 3.0000 3.0000",
                "Latency web 1 0.0020 0.0018 0.0020",
                "RequestCount web 2 2.0000 1.0000 1.0000",
                "RequestCount web 3 3.0000 1.0000 1.0000",
                "UnHealthyHostCount us-east-1a+web 1 1.0000 1.0000 1.0000",
                "UnHealthyHostCount web 1 1.0000 1.0000 1.0000",
            ]
        );
        assert!(told.iter().all(|it| it.dimensions.iter().any(|it| it.0 == "LoadBalancerName")));
    }

    #[test]
    fn a_network_load_balancer_has_flows() {
        let meters = Meters::default();
        let meter = meters.meter(&subject("net", None));
        meter.add(Metric::NewConnections, 4);
        meter.add(Metric::ActiveConnections, 1);
        meter.add(Metric::NewTlsFlows, 3);
        meter.add(Metric::ActiveTlsFlows, 1);
        meter.add(Metric::TargetResets, 2);
        meter.add(Metric::ProcessedBytes, 9);
        meter.add(Metric::Requests, 1);
        let told = Told::default().news(&meters.read(), &[], Timestamp(1_800_014_400_000));
        assert_eq!(
            lines(&told),
            [
                "ActiveFlowCount net/web/1 1 1.0000 1.0000 1.0000",
                "ActiveFlowCount_TLS net/web/1 1 1.0000 1.0000 1.0000",
                "NewFlowCount net/web/1 1 4.0000 4.0000 4.0000",
                "NewFlowCount_TLS net/web/1 1 3.0000 3.0000 3.0000",
                "ProcessedBytes net/web/1 1 9.0000 9.0000 9.0000",
                "TCP_Target_Reset_Count net/web/1 1 2.0000 2.0000 2.0000",
            ]
        );
    }
}
