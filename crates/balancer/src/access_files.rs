//! Access logs as files: what S3 would get, in a folder of this machine.
//!
//! A file of each load balancer every five minutes, gzipped, written beside its place and renamed,
//! so that whoever looks finds whole files only. Source: Application Load Balancers User Guide,
//! "Access logs": files and their names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use core::time::Duration;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::watch;
use tokio::time::sleep;
use types::{Timestamp, hex};

use crate::access_log::{Line, Lines};
use crate::metrics::behind;
use crate::snapshot::Snapshot;
use crate::thread::Clock;

/// How often files are written, in milliseconds. Source: as above.
const EVERY: i64 = 5 * 60 * 1000;
/// A file of so many bytes is written at once.
const FILE_MAX: usize = 16 << 20;
/// Files that one load balancer may fill within five minutes; further lines are dropped.
const FILES_MAX: u32 = 16;
/// The attributes that say where to.
const ENABLED: &str = "access_logs.s3.enabled";
const BUCKET: &str = "access_logs.s3.bucket";
const PREFIX: &str = "access_logs.s3.prefix";

/// Where the lines of a load balancer go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Bucket, prefix and what AWS puts behind it, to the region's name.
    folder: PathBuf,
    /// The file's name before the time.
    stem: String,
    address: IpAddr,
}

/// By the load balancer's ARN.
pub(crate) type Destinations = BTreeMap<String, Destination>;

/// Where the lines of all load balancers go that have access logs on.
pub(crate) fn destinations(snapshot: &Snapshot) -> Destinations {
    let mut all = Destinations::new();
    for balanced in &snapshot.compiled.load_balancers {
        let told = &balanced.told;
        let address = told.nodes.first().map_or(Ipv4Addr::UNSPECIFIED.into(), |it| it.1);
        match destination(&told.arn, &told.attributes, address) {
            Some(Ok(it)) => drop(all.insert(told.arn.clone(), it)),
            Some(Err(why)) => tracing::error!(arn = told.arn, why, "access logs cannot be written"),
            None => {}
        }
    }
    all
}

fn destination(
    arn: &str,
    attributes: &BTreeMap<String, String>,
    address: IpAddr,
) -> Option<Result<Destination, &'static str>> {
    let says = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
    if says(ENABLED) != "true" {
        return None;
    }
    let mut parts = arn.split(':').skip(3);
    let (region, account) = (parts.next()?, parts.next()?);
    let (bucket, prefix) = (says(BUCKET), says(PREFIX));
    let is_fine = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.".contains(it);
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_fine) || bucket.contains("..") {
        return Some(Err("the bucket's name is none"));
    }
    // The folder is the region's own: nothing may lead out of it.
    let is_part = |it: &str| !it.is_empty() && it != "." && it != ".." && !it.contains('\0');
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Some(Err("the prefix is no path"));
    }
    let folder = Path::new(bucket).join(prefix).join("AWSLogs").join(account);
    let name = behind(arn, "loadbalancer/").replace('/', ".");
    Some(Ok(Destination {
        folder: folder.join("elasticloadbalancing").join(region),
        stem: format!("{account}_elasticloadbalancing_{region}_{name}"),
        address,
    }))
}

/// Lines that wait for their file.
struct Open {
    destination: Destination,
    packed: GzEncoder<Vec<u8>>,
}

/// The files of all load balancers.
struct Files {
    root: PathBuf,
    open: BTreeMap<String, Open>,
    /// Files of the current five minutes.
    written: BTreeMap<String, u32>,
    dropped: u64,
}

impl Files {
    fn new(root: PathBuf) -> Self {
        Self { root, open: BTreeMap::new(), written: BTreeMap::new(), dropped: 0 }
    }

    fn add(&mut self, line: &Line, destinations: &Destinations, now: Timestamp) {
        let is_over = self.written.get(&line.load_balancer).is_some_and(|it| *it >= FILES_MAX);
        let destination = destinations.get(&line.load_balancer).filter(|_| !is_over);
        let Some(destination) = destination else {
            self.dropped += 1;
            return;
        };
        let open = self.open.entry(line.load_balancer.clone()).or_insert_with(|| Open {
            destination: destination.clone(),
            packed: GzEncoder::new(Vec::new(), Compression::fast()),
        });
        // Packing into memory does not fail.
        let packed = open.packed.write_all(line.text.as_bytes());
        drop(packed.and_then(|()| open.packed.write_all(b"\n")));
        if open.packed.get_ref().len() >= FILE_MAX
            && let Some(open) = self.open.remove(&line.load_balancer)
        {
            *self.written.entry(line.load_balancer.clone()).or_default() += 1;
            self.write(open, now);
        }
    }

    /// Writes everything that waits. The next five minutes begin.
    fn flush(&mut self, now: Timestamp) {
        for open in core::mem::take(&mut self.open).into_values() {
            self.write(open, now);
        }
        self.written.clear();
    }

    fn write(&self, open: Open, now: Timestamp) {
        let Destination { folder, stem, address } = open.destination;
        let time = now.rfc3339();
        let part = |from: usize, to: usize| time.get(from..to).unwrap_or_default();
        let day: PathBuf = [part(0, 4), part(5, 7), part(8, 10)].iter().collect();
        let folder = self.root.join(folder).join(day);
        let minute = [part(0, 4), part(5, 7), part(8, 10), "T", part(11, 13), part(14, 16), "Z"];
        let name = format!("{stem}_{}_{address}_{}.log.gz", minute.concat(), random());
        let written = open.packed.finish().and_then(|bytes| write(&folder, &name, &bytes));
        if let Err(error) = written {
            tracing::error!(%error, folder = %folder.display(), "a file of an access log is lost");
        }
    }
}

/// Eight letters or digits, so that no two files have one name.
fn random() -> String {
    let mut bytes = [0; 4];
    // Without randomness the time still tells files apart.
    let _ = getrandom::fill(&mut bytes);
    hex(&bytes)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let fresh = folder.join(format!(".{name}.new"));
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, folder.join(name)));
    if written.is_err() {
        drop(fs::remove_file(&fresh));
    }
    written
}

/// Writes lines into files below a folder until nobody gives any more; then what waits is written
/// too.
pub(crate) async fn keep(
    root: PathBuf,
    mut lines: Lines,
    destinations: watch::Receiver<Destinations>,
    clock: Clock,
) {
    let mut files = Files::new(root);
    let mut said = 0;
    loop {
        let left = EVERY - clock().0.rem_euclid(EVERY);
        let next = sleep(Duration::from_millis(left.unsigned_abs()));
        tokio::pin!(next);
        let is_over = loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => files.add(&line, &destinations.borrow(), clock()),
                    None => break true,
                },
                () = &mut next => break false,
            }
        };
        let now = clock();
        let flushed = tokio::task::spawn_blocking(move || {
            files.flush(now);
            files
        });
        let Ok(same) = flushed.await else { return };
        files = same;
        if files.dropped > said {
            tracing::warn!(lines = files.dropped - said, "lines of access logs were dropped");
            said = files.dropped;
        }
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Arc;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::access_log::Sink;

    const ARN: &str =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c49";

    fn attributes(bucket: &str, prefix: &str) -> BTreeMap<String, String> {
        let pairs = [(ENABLED, "true"), (BUCKET, bucket), (PREFIX, prefix)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn of(bucket: &str, prefix: &str) -> Option<Result<Destination, &'static str>> {
        destination(ARN, &attributes(bucket, prefix), [10, 0, 0, 7].into())
    }

    fn line(text: &str) -> Line {
        Line { load_balancer: ARN.into(), text: text.into() }
    }

    /// Every file below a folder, and what it unpacks to.
    fn found(folder: &Path) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).expect("lists") {
                let path = entry.expect("lists").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let mut text = String::new();
                let file = fs::File::open(&path).expect("opens");
                GzDecoder::new(file).read_to_string(&mut text).expect("unpacks");
                let name = path.strip_prefix(folder).expect("is below").display().to_string();
                all.push((name, text));
            }
        }
        all
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let table = [
            ("logs", "", true),
            ("my.logs-1", "a/b", true),
            ("logs", "/a/", true),
            ("..", "", false),
            ("a/b", "", false),
            ("..a", "", false),
            ("Logs", "", false),
            ("lo", "", false),
            ("logs", "../x", false),
            ("logs", "a//b", false),
            ("logs", "a/./b", false),
        ];
        for (bucket, prefix, is_fine) in table {
            let found = of(bucket, prefix).expect("is on");
            assert_eq!(found.is_ok(), is_fine, "{bucket} {prefix}");
        }
        assert_eq!(destination(ARN, &BTreeMap::new(), [10, 0, 0, 7].into()), None);
    }

    #[tokio::test]
    async fn lines_become_a_file_of_awss_name_when_the_balancer_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let (sink, lines) = Sink::new();
        let destinations = [(ARN.to_owned(), of("logs", "web").expect("is on").expect("is fine"))];
        let (_told, told) = watch::channel(Destinations::from(destinations));
        let clock: Clock = Arc::new(|| Timestamp(1_530_570_180_186));
        sink.put(line("one"));
        sink.put(Line { load_balancer: "another".into(), text: "dropped".into() });
        sink.put(line("two"));
        drop(sink);
        keep(folder.path().to_owned(), lines, told, clock).await;
        let files = found(folder.path());
        let [(name, text)] = files.as_slice() else { panic!("one file: {files:?}") };
        assert_eq!(text, "one\ntwo\n");
        let stem = "logs/web/AWSLogs/123456789012/elasticloadbalancing/us-east-1/2018/07/02/\
            123456789012_elasticloadbalancing_us-east-1_app.web.50dc6c49_20180702T2223Z_10.0.0.7_";
        assert!(name.starts_with(stem) && name.ends_with(".log.gz"), "{name}");
        assert_eq!(name.len(), stem.len() + 8 + ".log.gz".len());
    }

    #[test]
    fn a_load_balancer_fills_so_many_files_in_five_minutes_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let destination = of("logs", "").expect("is on").expect("is fine");
        let destinations: Destinations = [(ARN.to_owned(), destination)].into();
        let mut files = Files::new(folder.path().to_owned());
        let now = Timestamp(1_530_570_180_186);
        files.written.insert(ARN.into(), FILES_MAX);
        files.add(&line("too much"), &destinations, now);
        assert_eq!(files.dropped, 1);
        files.flush(now);
        files.add(&line("next"), &destinations, now);
        files.flush(now);
        assert_eq!(found(folder.path()).len(), 1);
    }
}
