//! The machine's hosts file: a marked block in it has the region's names, everything else is left as
//! it is.

use core::fmt::Write as _;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use plan::names::resolve;
use rustix::fs::{FlockOperation, flock};
use state::State;

/// Lines of one region at most: every program of the machine reads the file from its beginning.
const LINES_MAX: usize = 4_096;

/// Where SDKs ask DiscoverInstances of a region on this machine: they put a word before the host of
/// the endpoint, whatever the host is. Source: model of AWS Cloud Map, `endpoint.hostPrefix`.
const DATA_ENDPOINT: &str = "data-127.0.0.1";

/// One line: an address and the name that stands for it.
pub type Entry = (String, IpAddr);

/// The hosts file that a region has a block in.
#[derive(Debug, Clone)]
pub struct HostsFile {
    path: PathBuf,
    region: String,
}

/// The names that a hosts file can tell: those of load balancers, and those in hosted zones that lead
/// to addresses, wildcards left out, sorted; before them, where there are namespaces of Cloud Map, the
/// name under which SDKs ask about them.
pub fn entries(state: &State) -> Vec<Entry> {
    let of_balancers = state.load_balancers().values().map(|it| it.dns_name.to_lowercase());
    let classic = state.classic_load_balancers().values().map(|it| it.dns_name.to_lowercase());
    let of_sets = state.record_sets().values().map(|it| it.name.clone());
    let mut names: Vec<String> = of_balancers
        .chain(classic)
        .chain(of_sets)
        .map(|it| it.trim_end_matches('.').to_owned())
        .collect();
    names.retain(|it| is_plain(it));
    names.sort();
    names.dedup();
    let addresses = |name: &String| {
        let found = ["A", "AAAA"].map(|kind| resolve(state, name, kind, 0).records);
        let name = name.clone();
        let records = found.into_iter().flatten();
        let parsed = records.filter_map(|it| it.value.parse().ok());
        parsed.map(move |it| (name.clone(), it)).collect::<Vec<Entry>>()
    };
    let endpoint = (!state.namespaces().is_empty())
        .then(|| (DATA_ENDPOINT.to_owned(), Ipv4Addr::LOCALHOST.into()));
    endpoint.into_iter().chain(names.iter().flat_map(addresses)).take(LINES_MAX).collect()
}

/// Whether a name can stand in the file without being taken for something else.
fn is_plain(name: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
    // A single word such as `localhost` is the machine's own.
    name.contains('.') && name.bytes().all(plain)
}

impl HostsFile {
    /// The block of the region with this tag (a word) in that file.
    pub fn new(path: PathBuf, region: &str) -> Self {
        Self { path, region: region.to_owned() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the block say this, and takes it away if that is nothing. Blocks.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the file is as before then.
    pub fn keep(&self, entries: &[Entry]) -> io::Result<()> {
        // The file itself, where the path is a link to it.
        let path = fs::canonicalize(&self.path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        // Other regions have blocks in the same file: one of us at a time.
        let lock = File::open(folder)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let before = fs::read(&path)?;
        let after = self.with_block(&before, entries);
        if after == before {
            return Ok(());
        }
        replace(&path, folder, &self.region, &after)
    }

    /// The file's bytes with this block instead of the one that it has.
    fn with_block(&self, before: &[u8], entries: &[Entry]) -> Vec<u8> {
        let (begin, end) = self.marks();
        let mut after = without(before, &begin, &end);
        if entries.is_empty() {
            return after;
        }
        if !after.is_empty() && !after.ends_with(b"\n") {
            after.push(b'\n');
        }
        let mut block = format!("{begin}: names of `landfall up`, which keeps this block\n");
        for (name, address) in entries {
            // Writing to a text does not fail.
            let _ = writeln!(block, "{address}\t{name}");
        }
        block.push_str(&end);
        block.push('\n');
        after.extend_from_slice(block.as_bytes());
        after
    }

    fn marks(&self) -> (String, String) {
        let region = &self.region;
        (format!("# landfall {region} begin"), format!("# landfall {region} end"))
    }
}

/// The bytes without the lines from the one mark to the other. A block without an end loses its mark
/// only: what follows may be somebody else's.
fn without(bytes: &[u8], begin: &str, end: &str) -> Vec<u8> {
    let is_begin = |it: &[u8]| it.starts_with(begin.as_bytes());
    let is_end = |it: &[u8]| it.trim_ascii_end() == end.as_bytes();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|it| *it == b'\n').collect();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = lines.as_slice();
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        if !is_begin(line) {
            kept.extend_from_slice(line);
            continue;
        }
        let next_mark = after.iter().position(|it| is_begin(it) || is_end(it));
        if let Some(last) = next_mark.filter(|at| after.get(*at).is_some_and(|it| is_end(it))) {
            rest = after.get(last + 1..).unwrap_or_default();
        }
    }
    kept
}

/// Puts the new file in the place of the old one, in one step where that is possible.
fn replace(path: &Path, folder: &Path, region: &str, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!(".{name}.landfall-{region}"));
    let written = write_like(&fresh, &fs::metadata(path)?, bytes);
    match written.and_then(|()| fs::rename(&fresh, path)) {
        Ok(()) => Ok(()),
        // In a container the file is often a mount of its own, which nothing can be put in place of,
        // or its folder cannot be written to.
        Err(_) => {
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            overwrite(path, bytes)
        }
    }
}

/// Writes a new file with the mode and the owner of the old one.
fn write_like(fresh: &Path, old: &Metadata, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(fresh)?;
    file.write_all(bytes)?;
    std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
    file.set_permissions(old.permissions())?;
    file.sync_all()
}

/// Never empty in between, and cut only after all of it is written.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
