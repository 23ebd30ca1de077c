//! `landfall image`: the images of the region on this machine.

use core::cell::Cell;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use images::{Config, Listed, Progress, Store};
use serde_json::json;
use types::Timestamp;

use super::output::{print, print_json, say};
use super::table::{Table, age, size};
use crate::args::Place;
use crate::clock::now;
use crate::home::Folder;

/// How long a load may take in silence, and how often it then says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// How many digits of a digest are shown.
const DIGITS_SHOWN: usize = 12;

/// Load, list and remove images of the region in this machine's folder.
///
/// All instances that `landfall up` runs share one store, so an image that is loaded once is there
/// for all of them, without a registry.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  docker save nginx:1.27 | gzip > nginx.tar.gz
  landfall image load nginx.tar.gz
  landfall image ls
  landfall image rm nginx:1.27

An agent on another machine keeps images of its own and pulls them from registries.")]
pub(crate) struct ImageFlags {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum ImageCommand {
    /// Load all images of a `docker save` archive or an OCI layout (also gzip, zstd, a directory).
    Load {
        #[command(flatten)]
        place: Place,
        /// Archive or directory.
        file: PathBuf,
    },
    /// List images.
    Ls {
        #[command(flatten)]
        place: Place,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Remove images that no task uses.
    Rm {
        #[command(flatten)]
        place: Place,
        /// Names, as `ls` shows them.
        #[arg(required = true, value_name = "IMAGE")]
        names: Vec<String>,
    },
}

pub(crate) fn run(flags: &ImageFlags) -> anyhow::Result<()> {
    match &flags.command {
        ImageCommand::Load { place, file } => load(&open(place)?, file),
        ImageCommand::Ls { place, json: true } => list_json(&open(place)?),
        ImageCommand::Ls { place, json: false } => list(&open(place)?),
        ImageCommand::Rm { place, names } => remove(&open(place)?, names),
    }
}

fn open(place: &Place) -> anyhow::Result<Store> {
    let folder = Folder::of(place)?;
    folder.make()?;
    let path = folder.images();
    Store::open(Config::new(&path))
        .with_context(|| format!("cannot open the images in {}", path.display()))
}

fn load(store: &Store, file: &Path) -> anyhow::Result<()> {
    let said = Cell::new(Instant::now());
    let progress = |it: Progress| {
        if said.get().elapsed() >= SAY_EVERY {
            said.set(Instant::now());
            say(&how_far(it));
        }
    };
    let loaded = store
        .import(file, now(), &progress)
        .with_context(|| format!("cannot load {}", file.display()))?;
    print(&loaded.iter().map(|it| it.name.clone() + "\n").collect::<Vec<_>>().concat())
}

fn how_far(it: Progress) -> String {
    let bytes = format!("read {} of {}", size(it.bytes_done), size(it.bytes_total));
    match it.layers_total {
        0 => bytes,
        all => format!("{bytes}, unpacked {} of {all} layers", it.layers_done),
    }
}

fn list_json(store: &Store) -> anyhow::Result<()> {
    print_json(&store.list()?.iter().map(document).collect())
}

fn list(store: &Store) -> anyhow::Result<()> {
    let images = store.list()?;
    if images.is_empty() {
        say("No images yet. `landfall image load FILE` brings some; tasks pull what is missing.");
    }
    print(&table(&images, now()).to_string())
}

fn table(images: &[Listed], now: Timestamp) -> Table {
    let mut table = Table::new(&["IMAGE", "DIGEST", "SIZE", "FROM", "USED", "TASKS"]);
    for it in images {
        let digest = it.digest.hex();
        table.row([
            it.name.clone(),
            digest.chars().take(DIGITS_SHOWN).collect(),
            size(it.bytes),
            format!("{:?}", it.origin).to_lowercase(),
            age(Some(shapes::Timestamp(it.used.0)), now),
            it.holders.len().to_string(),
        ]);
    }
    table
}

fn document(it: &Listed) -> serde_json::Value {
    json!({
        "name": it.name,
        "digest": it.digest.to_string(),
        "bytes": it.bytes,
        "origin": format!("{:?}", it.origin).to_lowercase(),
        "addedAt": it.added.rfc3339(),
        "usedAt": it.used.rfc3339(),
        "tasks": it.holders,
    })
}

fn remove(store: &Store, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        store.remove(name).with_context(|| format!("cannot remove {name}"))?;
        say(&format!("removed {name}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use images::{Digest, Origin};

    use super::*;

    #[test]
    fn an_image_is_one_line() {
        let image = Listed {
            name: "docker.io/library/nginx:1".into(),
            digest: Digest::of(b""),
            origin: Origin::Loaded,
            added: Timestamp(0),
            used: Timestamp(0),
            bytes: 3 << 20,
            holders: vec!["t".into()],
        };
        let text = table(&[image], Timestamp(60_000)).to_string();
        let row: Vec<_> = text.lines().nth(1).expect("a row").split_whitespace().collect();
        assert_eq!(
            row,
            ["docker.io/library/nginx:1", "e3b0c44298fc", "3.0", "MiB", "loaded", "1m", "1"]
        );
    }

    #[test]
    fn progress_is_told_in_bytes_then_layers() {
        let early = Progress { bytes_done: 512, bytes_total: 2048, ..Progress::default() };
        assert_eq!(how_far(early), "read 512 B of 2.0 KiB");
        let late = Progress { layers_done: 1, layers_total: 3, ..early };
        assert_eq!(how_far(late), "read 512 B of 2.0 KiB, unpacked 1 of 3 layers");
    }
}
