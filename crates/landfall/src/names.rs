//! Where the region's names are answered: its DNS server, and the machine's hosts file.

use core::str::FromStr;
use core::time::Duration;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gateway::RegionNames;
use names::hosts::{Entry, HostsFile};
use names::{Clients, Desk, Range, Resolvers};
use state::RegionRow;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::args::ServerFlags;
use crate::server::Extra;
use crate::up::{Runtime, say};

/// The port of name servers.
const PORT: u16 = 53;
/// Where the machine names its resolvers.
const RESOLVERS: &str = "/etc/resolv.conf";
/// Changes that come within this time are written at once.
const GATHER: Duration = Duration::from_millis(50);
/// Name of the file, in a region's run folder, that names the hosts file with its block.
const NOTE: &str = "hosts-file";

/// The sockets of the region's DNS server.
pub(crate) struct Listening {
    server: names::Server,
    clients: Vec<Range>,
    /// Where tasks reach it, if it is there for them.
    pub(crate) for_tasks: Option<Ipv4Addr>,
}

/// Opens the sockets that the flags ask for, and that of the VPC's gateway in a region on one machine.
///
/// # Errors
///
/// If an address of the flags cannot be had. Without the gateway's the region goes on, and tasks ask
/// the machine's resolvers.
pub(crate) async fn listen(
    flags: &ServerFlags,
    extra: &Extra,
) -> anyhow::Result<Option<Listening>> {
    let mut addresses: Vec<SocketAddr> = flags.dns.into_iter().collect();
    let mut for_tasks = None;
    if let Some(gateway) = extra.gateway {
        let address = SocketAddr::from((gateway, PORT));
        let named = addresses.contains(&address);
        match names::Server::bind(&[address]).await {
            Ok(_) => {
                for_tasks = Some(gateway);
                addresses.extend((!named).then_some(address));
            }
            Err(error) if !named => {
                let cause = &error.source;
                say(&format!("{error}: {cause}; tasks will not find load balancers by name"));
            }
            // The attempt below tells the same.
            Err(_) => {}
        }
    }
    if addresses.is_empty() {
        return Ok(None);
    }
    let server = names::Server::bind(&addresses).await?;
    Ok(Some(Listening { server, clients: flags.dns_clients.clone(), for_tasks }))
}

impl Listening {
    /// Answers until the signal says `true`.
    pub(crate) fn serve(
        self,
        names: Arc<RegionNames>,
        region: &RegionRow,
        close: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let vpc = Range::around(Ipv4Addr::from(region.vpc_base).into(), region.vpc_prefix);
        let clients = self.clients.into_iter().chain([vpc]).collect();
        let desk = Desk {
            names,
            clients: Clients::new(clients),
            resolvers: Resolvers::File(RESOLVERS.into()),
        };
        tokio::spawn(self.server.serve(Arc::new(desk), close))
    }
}

/// The hosts file that has a block with the region's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostsChoice {
    /// None.
    Off,
    /// This one.
    File(PathBuf),
}

impl FromStr for HostsChoice {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "off" => Self::Off,
            path => Self::File(path.into()),
        })
    }
}

/// Who keeps the block.
pub(crate) struct HostsKeeper(Option<(watch::Sender<bool>, JoinHandle<()>)>);

impl HostsKeeper {
    /// Keeps the block from now on, and notes for `down` where it is.
    pub(crate) fn start(
        choice: &HostsChoice,
        runtime: &Runtime,
        names: Arc<RegionNames>,
    ) -> anyhow::Result<Self> {
        let HostsChoice::File(path) = choice else { return Ok(Self(None)) };
        let path = std::path::absolute(path)?;
        let note = runtime.path.join(NOTE);
        // A block that an earlier `up` has left in another file would stay for ever.
        take_away(&runtime.path)?;
        fs::write(&note, path.as_os_str().as_encoded_bytes())
            .with_context(|| format!("cannot write {}", note.display()))?;
        let file = HostsFile::new(path, &tag(&runtime.path));
        let (close, closed) = watch::channel(false);
        Ok(Self(Some((close, tokio::spawn(keep(file, names, closed))))))
    }

    /// Takes the block away.
    pub(crate) async fn stop(self) {
        if let Some((close, keeper)) = self.0 {
            close.send_replace(true);
            drop(keeper.await);
        }
    }
}

async fn keep(file: HostsFile, names: Arc<RegionNames>, mut close: watch::Receiver<bool>) {
    let mut turns = names.turns();
    let mut said = Vec::new();
    loop {
        turns.borrow_and_update();
        let (known, known_names) = (said.clone(), names.clone());
        let writer = file.clone();
        let written = tokio::task::spawn_blocking(move || {
            let entries = known_names.entries();
            if entries != known {
                write(&writer, &entries);
            }
            entries
        });
        let Ok(entries) = written.await else { return };
        said = entries;
        tokio::select! {
            _ = turns.changed() => {}
            _ = close.wait_for(|it| *it) => break,
        }
        tokio::time::sleep(GATHER).await;
    }
    drop(tokio::task::spawn_blocking(move || write(&file, &[])).await);
}

/// The next change of a name tries again.
fn write(file: &HostsFile, entries: &[Entry]) {
    if let Err(error) = file.keep(entries) {
        let path = file.path().display();
        tracing::warn!(%error, "names of the region cannot be written to {path}");
    }
}

/// Takes away the block that the region with this run folder has left.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn take_away(run: &Path) -> anyhow::Result<()> {
    let Ok(path) = fs::read_to_string(run.join(NOTE)) else { return Ok(()) };
    let file = HostsFile::new(path.into(), &tag(run));
    match file.keep(&[]) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| {
                format!("cannot take the region's names out of {}", file.path().display())
            })
        }
        _ => Ok(()),
    }
}

/// What tells the blocks of regions apart: the name of the region's run folder.
fn tag(run: &Path) -> String {
    run.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Which name server the tasks of an agent with these arguments are given.
pub(crate) fn argument(server: Option<Ipv4Addr>) -> Option<(&'static str, String)> {
    server.map(|it| ("--dns", IpAddr::from(it).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_a_killed_region_has_left_is_found_by_its_note() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, hosts) = (folder.path().join("abc1234"), folder.path().join("hosts"));
        fs::create_dir(&run).expect("makes");
        fs::write(&hosts, "127.0.0.1 localhost\n").expect("writes");
        take_away(&run).expect("nothing is noted");

        fs::write(run.join(NOTE), hosts.as_os_str().as_encoded_bytes()).expect("writes");
        let entry = ("web.example.com".to_owned(), IpAddr::from([172, 31, 0, 9]));
        HostsFile::new(hosts.clone(), "abc1234").keep(&[entry]).expect("writes");
        take_away(&run).expect("takes it away");
        assert_eq!(fs::read_to_string(&hosts).expect("reads"), "127.0.0.1 localhost\n");

        fs::remove_file(&hosts).expect("removes");
        take_away(&run).expect("a file that is gone has no block");
    }

    #[test]
    fn off_is_no_file() {
        assert_eq!("off".parse(), Ok(HostsChoice::Off));
        assert_eq!("/etc/hosts".parse(), Ok(HostsChoice::File("/etc/hosts".into())));
    }
}
