//! Takes over what an earlier process of this host left: keeps what is whole, clears the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::{Book, dispose, host_ports, speakers};
use crate::attachment::{Connection, Interface};
use crate::element::{Element, Set};
use crate::namespace;
use crate::ports::Ports;
use crate::record::{Folder, Record};
use crate::ruleset::{HOST_PORTS, PORT_PREFIX, SPEAKERS};
use crate::slot::{Workshop, lock};

/// Makes kernel, folder and book agree.
pub(super) fn adopt(workshop: &Workshop, folder: &Folder, ports: Ports) -> io::Result<Book> {
    let mut book = Book { records: BTreeMap::new(), ports, vpc_addresses: BTreeSet::new() };
    let links: BTreeSet<_> = lock(&workshop.links).list()?.into_iter().map(|it| it.name).collect();
    for record in folder.records()? {
        let connected = record.link.as_ref().is_none_or(|it| links.contains(it));
        if connected && namespace::names_one(&record.attached.netns) {
            hold(workshop, &mut book, record);
        } else {
            dispose(workshop, folder, &record)?;
        }
    }
    restore(workshop, HOST_PORTS, book.records.values().flat_map(host_ports).collect())?;
    restore(workshop, SPEAKERS, book.records.values().flat_map(speakers).collect())?;
    clear_links(workshop, &book, &links)?;
    clear_files(folder, &book)?;
    Ok(book)
}

fn hold(workshop: &Workshop, book: &mut Book, record: Record) {
    match record.attached.connection {
        Connection::Bridge { address } => lock(&workshop.addresses).hold(address),
        Connection::Vpc(Interface { address, .. }) => {
            book.vpc_addresses.insert(address);
        }
        Connection::Isolated => {}
    }
    book.ports.hold(&record.attached.id, &record.attached.bindings);
    book.records.insert(record.attached.id.clone(), record);
}

/// Puts what is missing (someone flushed the rules) and takes what belongs to nobody (namespaces
/// that were ready and never used). What is right is not touched.
fn restore(workshop: &Workshop, set: Set, wanted: BTreeSet<Element>) -> io::Result<()> {
    let mut elements = lock(&workshop.elements);
    let present: BTreeSet<_> = elements.list(set)?.into_iter().collect();
    let stray: Vec<_> = present.difference(&wanted).cloned().collect();
    let missing: Vec<_> = wanted.difference(&present).cloned().collect();
    elements.take(set, &stray)?;
    elements.put(set, &missing)
}

fn clear_links(workshop: &Workshop, book: &Book, links: &BTreeSet<String>) -> io::Result<()> {
    let used: BTreeSet<_> = book.records.values().filter_map(|it| it.link.as_ref()).collect();
    for link in links.iter().filter(|it| it.starts_with(PORT_PREFIX) && !used.contains(it)) {
        workshop.remove_link(link)?;
    }
    Ok(())
}

fn clear_files(folder: &Folder, book: &Book) -> io::Result<()> {
    for file in folder.files()? {
        let known = book.records.keys().any(|id| folder.is_of(&file, id));
        if !known {
            namespace::remove(&file)?;
        }
    }
    Ok(())
}
