//! Access logs: one line for each request, in the format of Application Load Balancers.
//!
//! Source: Application Load Balancers User Guide, "Access log entries".

use core::fmt::Write as _;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::net::SocketAddr;

use tokio::sync::mpsc;
use types::Timestamp;

use crate::date;
use crate::http1::desync::Reason;
use crate::rewrite::TlsFacts;
use crate::transform::Transformed;

/// Lines that wait to be written; more are dropped and counted.
const WAITING: usize = 16_384;

/// A line of a load balancer's access log, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// ARN of the load balancer.
    pub load_balancer: String,
    /// The line.
    pub text: String,
}

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Sink {
    lines: mpsc::Sender<Line>,
    dropped: AtomicU64,
}

/// Where lines come from.
pub(crate) type Lines = mpsc::Receiver<Line>;

impl Sink {
    pub(crate) fn new() -> (Self, Lines) {
        let (lines, taken) = mpsc::channel(WAITING);
        (Self { lines, dropped: AtomicU64::new(0) }, taken)
    }

    pub(crate) fn put(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// What a client spoke, as the first field says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Https,
    H2,
    Grpcs,
    Ws,
    Wss,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2 => "h2",
            Self::Grpcs => "grpcs",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// All that a line says.
pub(crate) struct Entry<'a> {
    pub(crate) kind: Kind,
    pub(crate) ended: Timestamp,
    /// `app/name/id`
    pub(crate) load_balancer: &'a str,
    pub(crate) client: SocketAddr,
    pub(crate) target: Option<SocketAddr>,
    /// Until it was sent to the target, until that answered, until the answer was sent on.
    pub(crate) times: [Option<Duration>; 3],
    pub(crate) status: u16,
    pub(crate) target_status: Option<u16>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Method, address and version.
    pub(crate) request: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) tls: Option<&'a TlsFacts>,
    pub(crate) group: Option<&'a str>,
    pub(crate) trace: &'a str,
    /// `Some(0)` is the default rule.
    pub(crate) priority: Option<u32>,
    pub(crate) began: Timestamp,
    pub(crate) actions: &'a str,
    pub(crate) redirect: &'a str,
    pub(crate) found: Option<Reason>,
    /// What all requests of one connection have in common.
    pub(crate) connection: u64,
    pub(crate) transformed: &'a Transformed,
}

/// The line of an entry.
pub(crate) fn line(entry: &Entry<'_>) -> String {
    let mut line = String::with_capacity(512);
    // Writing into memory does not fail.
    let _ = write_line(&mut line, entry);
    line
}

fn write_line(line: &mut String, entry: &Entry<'_>) -> core::fmt::Result {
    let target = entry.target.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let target_status = entry.target_status.map_or_else(|| "-".to_owned(), |it| it.to_string());
    write!(
        line,
        "{} {} {} {} {target}",
        entry.kind.word(),
        date::iso(entry.ended),
        entry.load_balancer,
        entry.client,
    )?;
    for time in entry.times {
        match time {
            Some(time) => write!(line, " {:.3}", time.as_secs_f64())?,
            None => line.push_str(" -1"),
        }
    }
    write!(line, " {} {target_status} {} {}", entry.status, entry.received, entry.sent)?;
    quote(line, entry.request);
    quote(line, entry.user_agent);
    let (cipher, version) = entry.tls.map_or(("-", "-"), |it| (it.cipher_suite, it.version));
    write!(line, " {cipher} {version} {}", entry.group.unwrap_or("-"))?;
    quote(line, entry.trace);
    quote(line, entry.tls.and_then(|it| it.server_name.as_deref()).unwrap_or("-"));
    quote(
        line,
        match entry.tls {
            Some(tls) if tls.is_resumed => "session-reused",
            Some(tls) => &tls.certificate,
            None => "-",
        },
    );
    match entry.priority {
        Some(priority) => write!(line, " {priority}")?,
        None => line.push_str(" -"),
    }
    write!(line, " {}", date::iso(entry.began))?;
    quote(line, entry.actions);
    quote(line, entry.redirect);
    quote(line, "-");
    quote(line, &target);
    quote(line, &target_status);
    quote(line, entry.found.map_or("-", |it| it.class().word()));
    quote(line, entry.found.map_or("-", Reason::word));
    write!(line, " TID_{:016x}", entry.connection)?;
    let Transformed { host, target } = entry.transformed;
    quote(line, host.as_deref().unwrap_or("-"));
    quote(line, target.as_deref().unwrap_or("-"));
    let is_changed = host.is_some() || target.is_some();
    quote(line, if is_changed { "TransformSuccess" } else { "-" });
    Ok(())
}

/// A text between quotes; what could end it or the line is written by its number.
fn quote(line: &mut String, text: &str) {
    line.push_str(" \"");
    if text.bytes().all(|it| (b' '..=b'~').contains(&it) && it != b'"') {
        line.push_str(text);
    } else {
        for char in text.chars() {
            match char {
                '"' | '\0'..='\x1f' | '\x7f' => {
                    let _ = write!(line, "\\x{:02x}", u32::from(char));
                }
                _ => line.push(char),
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    static AS_IT_CAME: Transformed = Transformed { host: None, target: None };

    fn entry() -> Entry<'static> {
        Entry {
            kind: Kind::Http,
            ended: Timestamp(1_530_570_180_186),
            load_balancer: "app/my-loadbalancer/50dc6c495c0c9188",
            client: ([192, 168, 131, 39], 2817).into(),
            target: Some(([10, 0, 0, 1], 80).into()),
            times: [Some(Duration::ZERO), Some(Duration::from_micros(1_400)), Some(Duration::ZERO)],
            status: 200,
            target_status: Some(200),
            received: 34,
            sent: 366,
            request: "GET http://www.example.com:80/ HTTP/1.1",
            user_agent: "curl/7.46.0",
            tls: None,
            group: Some("arn:tg"),
            trace: "Root=1-58337262-36d228ad5d99923122bbe354",
            priority: Some(0),
            began: Timestamp(1_530_570_168_364),
            actions: "forward",
            redirect: "-",
            found: None,
            connection: 0x1234_abcd_5678_ef90,
            transformed: &AS_IT_CAME,
        }
    }

    #[test]
    fn a_line_has_the_fields_in_awss_order() {
        let expected = "http 2018-07-02T22:23:00.186000Z app/my-loadbalancer/50dc6c495c0c9188 \
            192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 \
            \"GET http://www.example.com:80/ HTTP/1.1\" \"curl/7.46.0\" - - arn:tg \
            \"Root=1-58337262-36d228ad5d99923122bbe354\" \"-\" \"-\" 0 \
            2018-07-02T22:22:48.364000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\" \
            TID_1234abcd5678ef90 \"-\" \"-\" \"-\"";
        assert_eq!(line(&entry()), expected);
    }

    #[test]
    fn what_was_not_reached_has_no_time_and_nothing_can_end_a_line_early() {
        let entry = Entry {
            target: None,
            times: [None; 3],
            target_status: None,
            user_agent: "a\"b\nc",
            found: Some(Reason::BothTeClPresent),
            ..entry()
        };
        let line = line(&entry);
        assert!(line.contains(" - -1 -1 -1 200 - 34 366 "), "{line}");
        assert!(line.contains("\"a\\x22b\\x0ac\""), "{line}");
        assert!(line.ends_with("\"-\" \"-\" \"Ambiguous\" \"BothTeClPresent\" TID_1234abcd5678ef90 \"-\" \"-\" \"-\""), "{line}");
    }

    #[test]
    fn lines_that_nobody_takes_are_counted() {
        let (sink, _lines) = Sink::new();
        for _ in 0..WAITING + 2 {
            sink.put(Line { load_balancer: String::new(), text: String::new() });
        }
        assert_eq!(sink.dropped(), 2);
    }
}
