//! `landfall journal`: what operators can see of a region's journal.
//!
//! Both commands only read, so they may be used beside a running region.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use store::journal::disk::{Disk, RealDisk};
use store::journal::file::tools::{self, Entry, FileKind, FileReport, Report, What};
use store::journal::{JournalError, Op, Row};
use types::hex;

use super::output::{print, say};
use super::table::{Table, size};
use crate::args::Place;
use crate::home::Folder;

/// Check or read a region's journal: the log and the snapshots that it is restored from.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall journal check                 every byte of the usual region's journal
  landfall journal dump | less           its rows and records in readable form
  landfall journal dump --json /backup/journal | jq 'select(.table==\"Task\")'

Both only read. Beside a running region the last record may look torn, which is no damage. Secrets
of access keys are not shown.")]
pub(crate) struct JournalFlags {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum JournalCommand {
    /// Check every byte of every file; exits with 1 if anything is damaged.
    Check {
        #[command(flatten)]
        place: Place,
        /// Folder of the journal. Default: journal, in the region's folder.
        folder: Option<PathBuf>,
    },
    /// Print the rows of the newest snapshot, then every record of the log.
    Dump {
        #[command(flatten)]
        place: Place,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        /// Folder of the journal. Default: journal, in the region's folder.
        folder: Option<PathBuf>,
    },
}

/// How a dump looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

pub(crate) fn run(flags: &JournalFlags) -> anyhow::Result<()> {
    match &flags.command {
        JournalCommand::Check { place, folder } => check(&open(place, folder.as_deref())?),
        JournalCommand::Dump { place, json, folder } => {
            let form = if *json { Form::Json } else { Form::Text };
            dump(&open(place, folder.as_deref())?, form)
        }
    }
}

/// Opens the journal's folder, which has to be there.
fn open(place: &Place, folder: Option<&Path>) -> anyhow::Result<RealDisk> {
    let path = match folder {
        Some(path) => path.to_owned(),
        None => Folder::of(place)?.journal(),
    };
    if !path.is_dir() {
        bail!(
            "there is no journal in {}: name the region's folder with --data, or the journal's \
             own folder",
            path.display()
        );
    }
    let disk = RealDisk::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    // The lock's guard is let go at once: this only asks who else is there.
    if disk.lock().is_err_and(|it| it.kind() == std::io::ErrorKind::WouldBlock) {
        say("A region uses this journal: what it writes meanwhile may be missing or look torn.");
    }
    Ok(disk)
}

fn check(disk: &RealDisk) -> anyhow::Result<()> {
    let report = tools::verify(disk).context("cannot check the journal")?;
    print(&table(&report).to_string())?;
    let faults: Vec<&JournalError> =
        report.files.iter().filter_map(|it| it.fault.as_ref()).collect();
    for fault in &faults {
        say(&format!("{:#}", anyhow::anyhow!("{fault}")));
    }
    if !faults.is_empty() {
        bail!(
            "{} of {} files are damaged: keep a copy of the folder before anything else, and see \
             docs/runbook/journal-damaged.md",
            faults.len(),
            report.files.len()
        );
    }
    say(&format!("Sound up to record {}.", report.end.lsn));
    Ok(())
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(&["FILE", "KIND", "SIZE", "ENTRIES", "UP TO", "STATE"]);
    for it in &report.files {
        table.row([
            it.name.clone(),
            match it.kind {
                FileKind::Snapshot => "snapshot".to_owned(),
                FileKind::Segment => "log".to_owned(),
            },
            size(it.bytes),
            it.entries.to_string(),
            it.end.to_string(),
            standing(it),
        ]);
    }
    table
}

fn standing(it: &FileReport) -> String {
    match (&it.fault, it.torn_at) {
        (Some(_), _) => "DAMAGED".to_owned(),
        (None, Some(at)) => format!("sound; torn last write at byte {at} will be cut off"),
        (None, None) => "sound".to_owned(),
    }
}

fn dump(disk: &RealDisk, form: Form) -> anyhow::Result<()> {
    let write =
        |text: String| print(&text).map_err(|error| JournalError::Unsuitable(format!("{error:#}")));
    tools::rows(disk, &mut |row| write(snapshot_row(&row, form)))
        .context("cannot read the snapshot")?;
    tools::records(disk, &mut |entry| write(record(&entry, form))).context("cannot read the log")
}

fn snapshot_row(row: &Row, form: Form) -> String {
    let shown = Shown::of(row.table, &row.key, Some(&row.value));
    match form {
        Form::Text => format!("row       {shown}\n"),
        Form::Json => line(&shown.document("row")),
    }
}

fn record(entry: &Entry, form: Form) -> String {
    let Entry { file, offset, lsn, epoch, what } = entry;
    let (name, batch) = match what {
        What::Acquired => ("acquired", None),
        What::Closed => ("closed", None),
        What::Batch(batch) => ("batch", Some(batch)),
    };
    let ops = batch.iter().flat_map(|it| &it.ops).map(change);
    match form {
        Form::Text => {
            let operation = batch.map(|it| format!(" operation {}", it.id)).unwrap_or_default();
            let head = format!("{name:<9} {lsn} epoch {epoch} {file}@{offset}{operation}\n");
            let lines = ops.map(|(verb, it)| format!("  {verb:<7} {it}\n"));
            head + &lines.collect::<Vec<_>>().concat()
        }
        Form::Json => {
            let changes: Vec<Value> = ops.map(|(verb, it)| it.document(verb)).collect();
            line(&json!({
                "what": name, "lsn": lsn.0, "epoch": epoch.0, "file": file, "offset": offset,
                "operation": batch.map(|it| it.id.to_string()), "changes": changes,
            }))
        }
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn change(op: &Op) -> (&'static str, Shown) {
    match op {
        Op::Put(row) => ("put", Shown::of(row.table, &row.key, Some(&row.value))),
        Op::Delete { table, key } => ("delete", Shown::of(*table, key, None)),
    }
}

/// A row in readable form.
struct Shown {
    /// Name of its record, or number of its table where the record is gone or cannot be read.
    table: String,
    /// As stored, in hexadecimal digits.
    key: String,
    record: String,
}

impl Shown {
    fn of(table: u8, key: &[u8], value: Option<&[u8]>) -> Self {
        let raw = |record: String| Self { table: format!("table {table}"), key: hex(key), record };
        let Some(value) = value else { return raw(String::new()) };
        match state::decode(table, value) {
            // The `Debug` of keys and tokens leaves their secrets out.
            Ok(change) => {
                let record = compact(&format!("{change:?}"));
                let name = record.split('(').next().unwrap_or_default().to_owned();
                Self { table: name, key: hex(key), record }
            }
            Err(error) => raw(format!("unreadable ({error}): {}", hex(value))),
        }
    }

    fn document(&self, what: &str) -> Value {
        json!({ "what": what, "table": self.table, "key": self.key, "record": self.record })
    }
}

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // A record names itself and its key.
        if self.record.starts_with(&self.table) {
            return f.write_str(&self.record);
        }
        write!(f, "{} {} {}", self.table, self.key, self.record)
    }
}

/// The least count of numbers in a row that are taken for bytes.
const BYTES_MIN: usize = 8;

/// Lists of bytes, `[161, 104, …]`, as hexadecimal digits.
fn compact(text: &str) -> String {
    let mut pieces = text.split('[');
    let start = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| {
        let bytes = piece.split_once(']').and_then(|(list, rest)| Some((bytes(list)?, rest)));
        match bytes {
            Some((bytes, rest)) => format!("0x{}{rest}", hex(&bytes)),
            None => format!("[{piece}"),
        }
    });
    start + &rest.collect::<Vec<_>>().concat()
}

fn bytes(list: &str) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = list.split(',').map(|it| it.trim().parse().ok()).collect::<Option<_>>()?;
    (bytes.len() >= BYTES_MIN).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use state::{AccessKey, Change, Purpose};
    use store::journal::{Batch, Epoch, Lsn, OperationId};
    use types::Timestamp;

    use super::*;

    fn key() -> Row {
        let key = AccessKey {
            id: "AKIAEXAMPLE".into(),
            secret: "very-secret".into(),
            session_token: None,
            expires_at: None,
            purpose: Purpose::Root,
            created_at: Timestamp(0),
        };
        let row = state::encode(&Change::from(key));
        Row { table: row.table, key: row.key, value: row.value.expect("a record") }
    }

    #[test]
    fn secrets_are_not_shown() {
        for form in [Form::Text, Form::Json] {
            let text = snapshot_row(&key(), form);
            assert!(text.contains("AKIAEXAMPLE"), "{text}");
            assert!(!text.contains("very-secret"), "{text}");
        }
    }

    #[test]
    fn a_record_is_shown_with_its_changes() {
        let delete = Op::Delete { table: 6, key: vec![0xab] };
        let batch = Batch { id: OperationId(7), ops: vec![Op::Put(key()), delete] };
        let entry = Entry {
            file: "log-0".into(),
            offset: 64,
            lsn: Lsn(3),
            epoch: Epoch(1),
            what: What::Batch(batch),
        };
        let text = record(&entry, Form::Text);
        assert!(text.starts_with("batch     3 epoch 1 log-0@64 operation 0000"), "{text}");
        assert!(text.contains("  put     AccessKey(\"AKIAEXAMPLE\", Some(AccessKey("), "{text}");
        assert!(text.contains("  delete  table 6 ab"), "{text}");
        let json: Value = serde_json::from_str(&record(&entry, Form::Json)).expect("JSON");
        assert_eq!(json["changes"][1]["what"], "delete");
    }

    #[test]
    fn bytes_are_shown_as_digits_and_other_lists_as_they_are() {
        for (text, expected) in [
            ("A { id: [1, 2, 3, 4, 5, 6, 7, 255] }", "A { id: 0x01020304050607ff }"),
            ("A { ports: [22, 80] }", "A { ports: [22, 80] }"),
            ("A { of: [B { n: [] }, C] }", "A { of: [B { n: [] }, C] }"),
            ("[1, 2, 3, 4, 5, 6, 7, 256]", "[1, 2, 3, 4, 5, 6, 7, 256]"),
        ] {
            assert_eq!(compact(text), expected);
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_shown_in_digits() {
        let row = Row { table: 200, key: vec![1], value: vec![2] };
        let text = snapshot_row(&row, Form::Text);
        assert!(text.contains("table 200 01 unreadable"), "{text}");
    }
}
