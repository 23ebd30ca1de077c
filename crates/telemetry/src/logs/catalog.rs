//! Which groups and streams there are, and their files.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::stream::Reader;
use super::{Attempt as _, LogError, retention};

/// Name of the file in a group's folder that says what the group is.
const GROUP_FILE: &str = "group.json";

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFacts {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// How many days events are kept; `None` is for ever.
    pub retention_days: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What is known of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// Time of its first event.
    pub first: Option<i64>,
    /// Time of its last event.
    pub last: Option<i64>,
    /// When its last event was taken in.
    pub ingested: Option<i64>,
    /// Bytes of its events.
    pub bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StreamHead {
    name: String,
    created: i64,
}

#[derive(Debug)]
struct Stream {
    facts: StreamFacts,
    file: Arc<File>,
    path: PathBuf,
    head: u64,
    end: u64,
}

#[derive(Debug)]
struct Group {
    facts: GroupFacts,
    folder: PathBuf,
    streams: BTreeMap<String, Stream>,
}

#[derive(Debug)]
pub(super) struct Catalog {
    root: PathBuf,
    groups: BTreeMap<String, Group>,
    /// Numbers of folders and files; names of groups may be longer than names of files.
    next: u64,
}

impl Catalog {
    pub(super) fn open(root: PathBuf) -> Result<Self, LogError> {
        fs::create_dir_all(&root).attempt("making", &root)?;
        let mut catalog = Self { root: root.clone(), groups: BTreeMap::new(), next: 1 };
        for entry in fs::read_dir(&root).attempt("listing", &root)? {
            let folder = entry.attempt("listing", &root)?.path();
            catalog.number_taken(&folder);
            match read_group(&folder)? {
                Some(facts) => catalog.adopt(facts, folder)?,
                // A group that a crash left half made or half removed.
                None => fs::remove_dir_all(&folder).attempt("removing", &folder)?,
            }
        }
        Ok(catalog)
    }

    fn adopt(&mut self, facts: GroupFacts, folder: PathBuf) -> Result<(), LogError> {
        let mut streams = BTreeMap::new();
        for entry in fs::read_dir(&folder).attempt("listing", &folder)? {
            let path = entry.attempt("listing", &folder)?.path();
            if path.extension().is_some_and(|it| it == "begin") {
                remove_orphan(&path)?;
            }
            if path.extension().is_none_or(|it| it != "log") {
                continue;
            }
            self.number_taken(&path);
            match open_stream(&path)? {
                Some(stream) => drop(streams.insert(stream.facts.name.clone(), stream)),
                None => fs::remove_file(&path).attempt("removing", &path)?,
            }
        }
        self.groups.insert(facts.name.clone(), Group { facts, folder, streams });
        Ok(())
    }

    fn number_taken(&mut self, path: &Path) {
        let stem = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
        if let Ok(number) = stem.parse::<u64>() {
            self.next = self.next.max(number + 1);
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    pub(super) fn create_group(&mut self, facts: GroupFacts) -> Result<(), LogError> {
        if self.groups.contains_key(&facts.name) {
            return Err(LogError::GroupExists);
        }
        let number = self.number();
        let folder = self.root.join(number.to_string());
        fs::create_dir(&folder).attempt("making", &folder)?;
        write_group(&folder, &facts)?;
        sync(&self.root)?;
        let group = Group { facts, folder, streams: BTreeMap::new() };
        self.groups.insert(group.facts.name.clone(), group);
        Ok(())
    }

    pub(super) fn delete_group(&mut self, name: &str) -> Result<(), LogError> {
        let folder = self.group(name)?.folder.clone();
        // Without its file the folder is no group any more, whatever happens next.
        let file = folder.join(GROUP_FILE);
        fs::remove_file(&file).attempt("removing", &file)?;
        self.groups.remove(name);
        fs::remove_dir_all(&folder).attempt("removing", &folder)
    }

    pub(super) fn change_group(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut GroupFacts),
    ) -> Result<(), LogError> {
        let group = self.groups.get_mut(name).ok_or(LogError::NoGroup)?;
        let mut facts = group.facts.clone();
        change(&mut facts);
        write_group(&group.folder, &facts)?;
        group.facts = facts;
        Ok(())
    }

    pub(super) fn groups(&self, prefix: &str) -> Vec<(GroupFacts, u64)> {
        let from = self.groups.range(prefix.to_owned()..);
        from.take_while(|(name, _)| name.starts_with(prefix))
            .map(|(_, it)| (it.facts.clone(), it.streams.values().map(Stream::size).sum()))
            .collect()
    }

    pub(super) fn create_stream(
        &mut self,
        group: &str,
        name: &str,
        now: i64,
    ) -> Result<(), LogError> {
        let number = self.number();
        let group = self.groups.get_mut(group).ok_or(LogError::NoGroup)?;
        if group.streams.contains_key(name) {
            return Err(LogError::StreamExists);
        }
        let path = group.folder.join(format!("{number}.log"));
        let head = StreamHead { name: name.to_owned(), created: now };
        let mut line = serde_json::to_vec(&head).expect("a name and a number have a JSON form");
        line.push(b'\n');
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)
            .attempt("making", &path)?;
        file.write_all(&line).and_then(|()| file.sync_all()).attempt("writing", &path)?;
        sync(&group.folder)?;
        let bytes = line.len() as u64;
        let facts = StreamFacts {
            name: head.name,
            created: now,
            first: None,
            last: None,
            ingested: None,
            bytes: 0,
        };
        let stream = Stream { facts, file: Arc::new(file), path, head: bytes, end: bytes };
        group.streams.insert(name.to_owned(), stream);
        Ok(())
    }

    pub(super) fn delete_stream(&mut self, group: &str, name: &str) -> Result<(), LogError> {
        let group = self.groups.get_mut(group).ok_or(LogError::NoGroup)?;
        let stream = group.streams.get(name).ok_or(LogError::NoStream)?;
        fs::remove_file(&stream.path).attempt("removing", &stream.path)?;
        // Left by a crash, it goes at the next start.
        drop(fs::remove_file(retention::mark(&stream.path)));
        group.streams.remove(name);
        Ok(())
    }

    /// Names of streams of groups with a retention, group first.
    pub(super) fn ageing(&self) -> Vec<(String, String)> {
        let groups = self.groups.values().filter(|it| it.facts.retention_days.is_some());
        let streams = |it: &Group| {
            let group = it.facts.name.clone();
            it.streams.keys().map(move |it| (group.clone(), it.clone())).collect::<Vec<_>>()
        };
        groups.flat_map(streams).collect()
    }

    /// Gives back what is past its time in a stream; gives its bytes. Nothing if the stream or its
    /// group's retention is gone meanwhile.
    pub(super) fn expire(&mut self, group: &str, name: &str, now: i64) -> Result<u64, LogError> {
        let Some(group) = self.groups.get_mut(group) else { return Ok(0) };
        let Some(days) = group.facts.retention_days else { return Ok(0) };
        let Some(stream) = group.streams.get_mut(name) else { return Ok(0) };
        let reader = stream.reader();
        let kept = retention::first_kept(&reader, retention::cutoff(now, days))?;
        if !retention::is_worth_it(&reader, kept) {
            return Ok(0);
        }
        retention::give_back(&reader, kept)?;
        let given = kept - stream.head;
        stream.head = kept;
        stream.facts.bytes = stream.size();
        // What is left begins with it; an older one behind it is found at the next start.
        stream.facts.first = stream.reader().next(kept)?.map(|(event, _)| event.timestamp);
        Ok(given)
    }

    pub(super) fn streams(&self, group: &str, prefix: &str) -> Result<Vec<StreamFacts>, LogError> {
        let from = self.group(group)?.streams.range(prefix.to_owned()..);
        let fits = from.take_while(|(name, _)| name.starts_with(prefix));
        Ok(fits.map(|(_, it)| it.facts.clone()).collect())
    }

    /// An append that failed half way is cut off again; if even that fails, the next start does it.
    pub(super) fn append(
        &mut self,
        group: &str,
        stream: &str,
        events: &[Event],
    ) -> Result<(), LogError> {
        let group = self.groups.get_mut(group).ok_or(LogError::NoGroup)?;
        let stream = group.streams.get_mut(stream).ok_or(LogError::NoStream)?;
        let mut bytes = Vec::new();
        for event in events {
            event.write(&mut bytes);
        }
        let mut file = stream.file.as_ref();
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            drop(stream.file.set_len(stream.end));
        }
        written.attempt("writing", &stream.path)?;
        stream.end += bytes.len() as u64;
        note(&mut stream.facts, events);
        stream.facts.bytes = stream.size();
        Ok(())
    }

    pub(super) fn reader(&self, group: &str, stream: &str) -> Result<Reader, LogError> {
        let stream = self.group(group)?.streams.get(stream).ok_or(LogError::NoStream)?;
        Ok(stream.reader())
    }

    pub(super) fn readers(
        &self,
        group: &str,
        includes: impl Fn(&str) -> bool,
    ) -> Result<Vec<Reader>, LogError> {
        let streams = self.group(group)?.streams.values();
        Ok(streams.filter(|it| includes(&it.facts.name)).map(Stream::reader).collect())
    }

    fn group(&self, name: &str) -> Result<&Group, LogError> {
        self.groups.get(name).ok_or(LogError::NoGroup)
    }
}

impl Stream {
    /// Bytes of its events.
    fn size(&self) -> u64 {
        self.end - self.head
    }

    fn reader(&self) -> Reader {
        Reader {
            name: self.facts.name.clone(),
            file: self.file.clone(),
            path: self.path.clone(),
            head: self.head,
            end: self.end,
        }
    }
}

fn note(facts: &mut StreamFacts, events: &[Event]) {
    for event in events {
        facts.first = Some(facts.first.map_or(event.timestamp, |it| it.min(event.timestamp)));
        facts.last = Some(facts.last.map_or(event.timestamp, |it| it.max(event.timestamp)));
        facts.ingested = Some(event.ingested);
    }
}

fn read_group(folder: &Path) -> Result<Option<GroupFacts>, LogError> {
    let path = folder.join(GROUP_FILE);
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).attempt("reading", &path),
    }
}

fn write_group(folder: &Path, facts: &GroupFacts) -> Result<(), LogError> {
    let path = folder.join(GROUP_FILE);
    let fresh = folder.join("group.new");
    let text = serde_json::to_vec(facts).expect("names and numbers have a JSON form");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    write().attempt("writing", &path)?;
    sync(folder)
}

fn sync(folder: &Path) -> Result<(), LogError> {
    File::open(folder).and_then(|it| it.sync_all()).attempt("syncing", folder)
}

/// Removes what is left beside a stream that is gone: its number may be given again.
fn remove_orphan(mark: &Path) -> Result<(), LogError> {
    if mark.with_extension("log").exists() {
        return Ok(());
    }
    fs::remove_file(mark).attempt("removing", mark)
}

/// Opens a stream and goes through its events once; what a crash has torn is cut off. `None` for a
/// file that is no stream.
fn open_stream(path: &Path) -> Result<Option<Stream>, LogError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).open(path).attempt("opening", path)?;
    let mut start = Vec::new();
    // The longest stream name has 512 characters, each at most six bytes of JSON.
    (&file).take(4096).read_to_end(&mut start).attempt("reading", path)?;
    let Some(line) = start.split_inclusive(|it| *it == b'\n').next() else { return Ok(None) };
    let Ok(named) = serde_json::from_slice::<StreamHead>(line) else { return Ok(None) };
    let head = retention::read_mark(path)?.unwrap_or(line.len() as u64);
    let length = file.metadata().attempt("measuring", path)?.len();
    let mut facts = StreamFacts {
        name: named.name,
        created: named.created,
        first: None,
        last: None,
        ingested: None,
        bytes: 0,
    };
    let mut reader = Reader {
        name: facts.name.clone(),
        file: Arc::new(file),
        path: path.to_owned(),
        head,
        end: length,
    };
    let mut place = head;
    while let Some((event, next)) = reader.next(place).ok().flatten() {
        note(&mut facts, &[event]);
        place = next;
    }
    if place < length {
        reader.file.set_len(place).attempt("cutting", path)?;
        reader.end = place;
    }
    facts.bytes = place - head;
    Ok(Some(Stream { facts, file: reader.file, path: reader.path, head, end: place }))
}
