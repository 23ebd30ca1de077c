//! Takes a host's network down, whatever is left of it. Every step is fine if it was done before,
//! and the folder, which tells what is to be done, goes last.

use std::fs;
use std::io;
use std::path::Path;

use super::build::{UPLINK, claim, machine_file, netns_file, tasks_folder};
use crate::error::{Doing, Error};
use crate::link::Links;
use crate::namespace::{self, Namespace};
use crate::ruleset::{CONTAINER_BRIDGE, HOST_TABLE, PORT_PREFIX};
use crate::{nft, sysctl};

pub(super) fn destroy(folder: &Path) -> Result<(), Error> {
    let netns = netns_file(folder);
    if namespace::names_one(&netns) {
        let host = Namespace::open(&netns).doing(|| format!("open {}", netns.display()))?;
        host.enter(|| disconnect(folder)).doing(|| "enter the host's namespace".into())??;
    } else if machine_file(folder).exists() {
        let _claim = claim()?;
        clear_tasks(folder).doing(|| "remove what is attached".into())?;
        clear_machine()?;
    } else {
        clear_tasks(folder).doing(|| "remove what is attached".into())?;
    }
    clear_folder(folder).doing(|| format!("remove {}", folder.display()))
}

/// Ends the attachments and the uplink of the host whose namespace the calling thread is in.
fn disconnect(folder: &Path) -> Result<(), Error> {
    let _claim = claim()?;
    clear_tasks(folder).doing(|| "remove what is attached".into())?;
    let remove = || Links::open()?.remove(UPLINK);
    remove().doing(|| "remove the uplink".into())
}

fn clear_tasks(folder: &Path) -> io::Result<()> {
    let tasks = tasks_folder(folder);
    let entries = match fs::read_dir(&tasks) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        namespace::remove(&entry?.path())?;
    }
    fs::remove_dir(&tasks)
}

fn clear_machine() -> Result<(), Error> {
    let clear = || -> io::Result<()> {
        let mut links = Links::open()?;
        let was_marked = sysctl::is_marked(&mut links)?;
        for link in links.list()?.iter().filter(|it| it.name.starts_with(PORT_PREFIX)) {
            links.remove(&link.name)?;
        }
        links.remove(CONTAINER_BRIDGE)?;
        sysctl::stop_forwarding(&mut links, was_marked)
    };
    clear().doing(|| format!("remove {CONTAINER_BRIDGE}"))?;
    nft::remove_table("ip", HOST_TABLE)?;
    nft::remove_table("bridge", HOST_TABLE)
}

fn clear_folder(folder: &Path) -> io::Result<()> {
    namespace::remove(&netns_file(folder))?;
    let steps = [fs::remove_file(machine_file(folder)), fs::remove_dir(folder)];
    for step in steps {
        match step {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
