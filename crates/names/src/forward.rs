//! Asking the machine's own resolvers about what is not ours.

use core::time::Duration;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use domain::base::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::query::Way;

/// So many resolvers are asked, as C libraries do. Source: resolv.conf(5), MAXNS.
const RESOLVERS_MAX: usize = 3;
/// How long one resolver may take. Clients themselves wait for five seconds.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);
/// The port of name servers.
const PORT: u16 = 53;

/// Who is asked about names that are not the region's.
#[derive(Debug, Clone)]
pub enum Resolvers {
    /// Those in this file, as it stands at the moment; usually `/etc/resolv.conf`.
    File(PathBuf),
    /// These.
    These(Vec<SocketAddr>),
}

impl Resolvers {
    /// Asks one after the other. `None` if none answers.
    pub(crate) async fn ask(&self, query: &[u8], way: Way, own: &[SocketAddr]) -> Option<Vec<u8>> {
        let mut query = query.to_vec();
        for resolver in self.list(own) {
            // A number that nobody else can guess, so that nobody else can answer.
            getrandom::fill(query.get_mut(..2)?).ok()?;
            let answer = async {
                match way {
                    Way::Udp => by_udp(resolver, &query).await,
                    Way::Tcp => by_tcp(resolver, &query).await,
                }
            };
            match timeout(ANSWER_WITHIN, answer).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%resolver, %error, "a resolver does not answer"),
                Err(_) => tracing::debug!(%resolver, "a resolver takes too long"),
            }
        }
        None
    }

    /// Without ourselves, who would ask ourselves again.
    fn list(&self, own: &[SocketAddr]) -> Vec<SocketAddr> {
        let all = match self {
            Self::These(these) => these.clone(),
            // A line or two, in the kernel's memory: no thread waits for it.
            Self::File(path) => in_file(&std::fs::read_to_string(path).unwrap_or_default()),
        };
        all.into_iter().filter(|it| !own.contains(it)).take(RESOLVERS_MAX).collect()
    }
}

/// Source: resolv.conf(5).
fn in_file(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| -> Option<SocketAddr> {
        let mut words = line.split_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, PORT))
    };
    text.lines().filter_map(address).collect()
}

/// Forged answers go by: whoever sends them knows neither our port nor our number.
async fn by_udp(resolver: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match resolver {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(resolver).await?;
    socket.send(query).await?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut answer).await?;
        let answer = answer.get(..length).unwrap_or_default();
        if answers(answer, query) {
            return Ok(answer.to_vec());
        }
    }
}

async fn by_tcp(resolver: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    if answers(&answer, query) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn answers(answer: &[u8], query: &[u8]) -> bool {
    match (Message::from_octets(answer), Message::from_octets(query)) {
        (Ok(answer), Ok(query)) => answer.is_answer(&query),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_as_c_libraries_read_them() {
        let text = "# nameserver 192.0.2.9\nsearch example.com\nnameserver 192.0.2.1\n\
                    nameserver\t2001:db8::1 # two\nnameserver\nnameserver nonsense\n\
                    options ndots:2\n nameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("writes");
        let resolvers = Resolvers::File(file.path().to_owned());
        let shown = |own: &[SocketAddr]| -> Vec<String> {
            resolvers.list(own).iter().map(ToString::to_string).collect()
        };
        assert_eq!(shown(&[]), ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"]);
        let own = "192.0.2.1:53".parse().expect("an address");
        assert_eq!(shown(&[own]), ["[2001:db8::1]:53", "192.0.2.3:53", "192.0.2.4:53"]);
    }

    #[test]
    fn a_file_that_is_not_there_names_nobody() {
        assert_eq!(Resolvers::File("/nowhere/resolv.conf".into()).list(&[]), []);
    }
}
