//! The folder of a region, and the note in it that tells tools how to reach the region.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::args::Place;

/// Where everything of a region lies.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder that the flags name, or the usual one.
    pub(crate) fn of(place: &Place) -> anyhow::Result<Self> {
        match &place.data {
            Some(path) => Ok(Self(std::path::absolute(path)?)),
            None => usual(),
        }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub(crate) fn metrics(&self) -> PathBuf {
        self.0.join("metrics")
    }

    pub(crate) fn buckets(&self) -> PathBuf {
        self.0.join("buckets")
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.0.join("history")
    }

    fn note(&self) -> PathBuf {
        self.0.join("region.json")
    }

    /// Makes the folder, for its owner alone: it holds secrets.
    pub(crate) fn make(&self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.0)
            .and_then(|()| fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700)))
            .with_context(|| format!("cannot make the region's folder {}", self.0.display()))
    }

    /// Writes down how to reach the region.
    pub(crate) fn write_note(&self, note: &Note) -> anyhow::Result<()> {
        let path = self.note();
        let fresh = path.with_extension("new");
        let text = serde_json::to_vec_pretty(note)?;
        let write = || -> std::io::Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&fresh)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads how to reach the region.
    pub(crate) fn read_note(&self) -> anyhow::Result<Note> {
        let path = self.note();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "there is no region in {}: start one with `landfall up`, or name its folder with \
                 --data",
                self.0.display()
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }
}

/// The user's data home: `$XDG_DATA_HOME`, else `~/.local/share`.
fn usual() -> anyhow::Result<Folder> {
    let set = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    match home {
        Some(home) => Ok(Folder(home.join("landfall"))),
        None => {
            bail!("neither XDG_DATA_HOME nor HOME is set: name the region's folder with --data")
        }
    }
}

/// How to reach a region, for tools on its machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// Range of the default VPC.
    pub(crate) vpc: Option<String>,
}
