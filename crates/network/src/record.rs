//! What a host writes down about each attachment, so that a new agent finds it.
//!
//! A record stands beside the file that names the namespace. Both are as volatile as the kernel's
//! own state: after a restart of the machine the record names nothing and is dropped.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use types::Protocol;

use crate::address::Mac;
use crate::attachment::{
    Attached, Binding, Connection, HostPorts, Id, Interface, PortMapping, PortSpan,
};

const SUFFIX: &str = ".json";

/// An attachment and what it takes to undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) attached: Attached,
    /// The port of the bridge that leads to it; none if it is isolated.
    pub(crate) link: Option<String>,
    /// The Ethernet address at the far end of the link.
    pub(crate) mac: Option<Mac>,
    /// The mappings that were asked for.
    pub(crate) mappings: Vec<PortMapping>,
}

/// The folder of namespaces and records of one host.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder and makes it if it is missing.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// The file that names the namespace of an attachment.
    pub(crate) fn netns(&self, id: &Id) -> PathBuf {
        self.0.join(id.as_str())
    }

    fn record(&self, id: &Id) -> PathBuf {
        self.0.join(format!("{id}{SUFFIX}"))
    }

    /// Writes a record, whole or not at all.
    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        let path = self.record(&record.attached.id);
        let fresh = path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(&Stored::of(record)).map_err(io::Error::other)?)?;
        fs::rename(fresh, path)
    }

    /// Removes a record. Fine if there is none.
    pub(crate) fn remove(&self, id: &Id) -> io::Result<()> {
        match fs::remove_file(self.record(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Every record that can be read. What cannot was never finished: its attachment was never
    /// handed out.
    pub(crate) fn records(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let Some(id) = id_of_record(&path) else { continue };
            if let Ok(stored) = serde_json::from_slice::<Stored>(&fs::read(&path)?) {
                records.extend(stored.record(self, id));
            }
        }
        records.sort_by(|a, b| a.attached.id.cmp(&b.attached.id));
        Ok(records)
    }

    /// Whether the file is the namespace or the record of that id.
    pub(crate) fn is_of(&self, file: &Path, id: &Id) -> bool {
        file == self.netns(id) || file == self.record(id)
    }

    /// Every file of the folder.
    pub(crate) fn files(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.0)?.map(|entry| Ok(entry?.path())).collect()
    }
}

fn id_of_record(path: &Path) -> Option<Id> {
    Id::parse(path.file_name()?.to_str()?.strip_suffix(SUFFIX)?).ok()
}

/// The form on disk. Later versions only add optional members.
#[derive(Serialize, Deserialize)]
struct Stored {
    address: Option<Ipv4Addr>,
    mac: Option<String>,
    link: Option<String>,
    vpc: Option<StoredInterface>,
    ports: Vec<StoredPorts>,
}

#[derive(Serialize, Deserialize)]
struct StoredInterface {
    prefix: u8,
    gateway: Ipv4Addr,
}

#[derive(Serialize, Deserialize)]
struct StoredPorts {
    protocol: String,
    container: (u16, u16),
    host: (u16, u16),
    dynamic: bool,
}

impl Stored {
    fn of(record: &Record) -> Self {
        let vpc = match &record.attached.connection {
            Connection::Vpc(it) => Some(StoredInterface { prefix: it.prefix, gateway: it.gateway }),
            Connection::Bridge { .. } | Connection::Isolated => None,
        };
        let pairs = record.attached.bindings.iter().zip(&record.mappings);
        Self {
            address: record.attached.address(),
            mac: record.mac.map(|it| it.to_string()),
            link: record.link.clone(),
            vpc,
            ports: pairs.map(|(binding, mapping)| StoredPorts::of(binding, mapping)).collect(),
        }
    }

    fn record(self, folder: &Folder, id: Id) -> Option<Record> {
        let mac = self.mac.and_then(|it| it.parse().ok());
        let connection = match (self.address, self.vpc) {
            (Some(address), Some(StoredInterface { prefix, gateway })) => {
                Connection::Vpc(Interface { mac: mac?, address, prefix, gateway })
            }
            (Some(address), None) => Connection::Bridge { address },
            (None, _) => Connection::Isolated,
        };
        let pairs: Option<Vec<_>> = self.ports.iter().map(StoredPorts::pair).collect();
        let (bindings, mappings) = pairs?.into_iter().unzip();
        let attached = Attached { netns: folder.netns(&id), id, connection, bindings };
        Some(Record { attached, link: self.link, mac, mappings })
    }
}

impl StoredPorts {
    fn of(binding: &Binding, mapping: &PortMapping) -> Self {
        Self {
            protocol: binding.protocol.as_str().to_owned(),
            container: (binding.container.first(), binding.container.last()),
            host: (binding.host.first(), binding.host.last()),
            dynamic: mapping.host == HostPorts::Dynamic,
        }
    }

    fn pair(&self) -> Option<(Binding, PortMapping)> {
        let protocol = Protocol::parse(&self.protocol);
        let container = PortSpan::new(self.container.0, self.container.1).ok()?;
        let host = PortSpan::new(self.host.0, self.host.1).ok()?;
        let wish = if self.dynamic { HostPorts::Dynamic } else { HostPorts::Static(host.first()) };
        let mapping = PortMapping { protocol, container, host: wish };
        Some((Binding { protocol, container, host }, mapping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_disk() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(place.path().join("tasks")).expect("opens");
        let id = Id::parse("c-1").expect("an id");
        let port = PortSpan::one(80).expect("a port");
        let mapping =
            PortMapping { protocol: Protocol::Udp, container: port, host: HostPorts::Dynamic };
        let host = PortSpan::one(40_000).expect("a port");
        let address = Ipv4Addr::new(10, 201, 0, 2);
        let bridge = Record {
            attached: Attached {
                id: id.clone(),
                netns: folder.netns(&id),
                connection: Connection::Bridge { address },
                bindings: vec![Binding { protocol: Protocol::Udp, container: port, host }],
            },
            link: Some("lft1".into()),
            mac: Some(Mac::of(address)),
            mappings: vec![mapping],
        };
        let id = Id::parse("t-2").expect("an id");
        let interface = Interface { mac: Mac::of(address), address, prefix: 16, gateway: address };
        let vpc = Record {
            attached: Attached {
                netns: folder.netns(&id),
                id,
                connection: Connection::Vpc(interface),
                bindings: vec![],
            },
            link: Some("lft2".into()),
            mac: Some(interface.mac),
            mappings: vec![],
        };
        for record in [&bridge, &vpc] {
            folder.write(record).expect("writes");
        }
        fs::write(place.path().join("tasks/torn.json"), "{").expect("writes");
        assert_eq!(folder.records().expect("reads"), [bridge, vpc]);
    }
}
