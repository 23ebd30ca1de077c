//! A server on loopback, a resolver made here, and a client.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, Record, Ttl};
use domain::rdata::{A, AllRecordData};
use names::{Clients, Desk, Names, Resolvers, Server};
use plan::names::{Answers, Outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for a loaded machine; only failing tests wait so long.
const WITHIN: Duration = Duration::from_mins(2);

/// Names of a region that is a table.
#[derive(Default)]
pub(crate) struct Book(pub(crate) BTreeMap<(String, String), Answers>);

impl Book {
    /// A name of this type with these values.
    pub(crate) fn with(mut self, name: &str, kind: &str, values: &[&str]) -> Self {
        let record = |value: &&str| record(name, kind, value);
        let records = values.iter().map(record).collect();
        let found = Answers { outcome: Outcome::Found, records, authority: None };
        self.0.insert((name.to_owned(), kind.to_owned()), found);
        self
    }

    /// A name of this type with this answer.
    pub(crate) fn saying(mut self, name: &str, kind: &str, answers: Answers) -> Self {
        self.0.insert((name.to_owned(), kind.to_owned()), answers);
        self
    }
}

/// A record of a table.
pub(crate) fn record(name: &str, kind: &str, value: &str) -> plan::names::Record {
    let (name, kind, value) = (name.to_owned(), kind.to_owned(), value.to_owned());
    plan::names::Record { name, kind, ttl: 60, value }
}

impl Names for Book {
    fn resolve(&self, name: &str, kind: &str, _: u64) -> Answers {
        let elsewhere = Answers {
            outcome: Outcome::Elsewhere(name.to_owned()),
            records: Vec::new(),
            authority: None,
        };
        self.0.get(&(name.to_owned(), kind.to_owned())).cloned().unwrap_or(elsewhere)
    }
}

/// A server that runs; it ends with this.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn new(book: Book, resolvers: Vec<SocketAddr>) -> Self {
        let server = Server::bind(&[(Ipv4Addr::LOCALHOST, 0).into()]).await.expect("binds");
        let address = *server.addresses().first().expect("one");
        let desk = Desk {
            names: Arc::new(book),
            clients: Clients::default(),
            // Asked up to three times, since each is waited for a short time only.
            resolvers: Resolvers::These([&*resolvers; 3].concat()),
        };
        let (close, closed) = watch::channel(false);
        let task = tokio::spawn(server.serve(Arc::new(desk), closed));
        Self { address, close, task }
    }

    pub(crate) async fn stop(self) {
        self.close.send_replace(true);
        timeout(WITHIN, self.task).await.expect("ends").expect("well");
    }

    /// Asks by UDP.
    pub(crate) async fn ask(&self, question: &[u8]) -> Message<Vec<u8>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
        socket.send_to(question, self.address).await.expect("sends");
        let mut bytes = vec![0; 65_535];
        let length =
            timeout(WITHIN, socket.recv(&mut bytes)).await.expect("answers").expect("well");
        bytes.truncate(length);
        Message::from_octets(bytes).expect("a message")
    }

    /// Asks by TCP.
    pub(crate) async fn ask_by_tcp(&self, question: &[u8]) -> Message<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        exchange(&mut stream, question).await
    }
}

/// One question and its answer by a connection.
pub(crate) async fn exchange(stream: &mut TcpStream, question: &[u8]) -> Message<Vec<u8>> {
    let length = u16::try_from(question.len()).expect("short");
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await.expect("sends");
    let length = timeout(WITHIN, stream.read_u16()).await.expect("answers").expect("well");
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.expect("whole");
    Message::from_octets(bytes).expect("a message")
}

/// A question with id 7 by a client that takes this many bytes by EDNS.
pub(crate) fn question(name: &str, kind: Rtype, takes: Option<u16>) -> Vec<u8> {
    let mut page = MessageBuilder::new_vec();
    page.header_mut().set_id(7);
    page.header_mut().set_rd(true);
    let mut page = page.question();
    page.push((name.parse::<Name<Vec<u8>>>().expect("a name"), kind)).expect("fits");
    let mut page = page.additional();
    if let Some(size) = takes {
        page.opt(|it| {
            it.set_udp_payload_size(size);
            Ok(())
        })
        .expect("fits");
    }
    page.finish()
}

/// An answer's code, and its records as `name ttl type value`.
pub(crate) fn shown(answer: &Message<Vec<u8>>) -> (Rcode, Vec<String>) {
    let records = answer.answer().expect("readable").limit_to::<AllRecordData<_, _>>();
    let shown = records.map(|it| {
        let it = it.expect("readable");
        format!("{} {} {} {}", it.owner(), it.ttl().as_secs(), it.rtype(), it.data())
    });
    let shown = shown.collect();
    (answer.header().rcode(), shown)
}

/// A resolver that says the same address for every name, after a forged answer that must go by.
pub(crate) async fn resolver(address: Ipv4Addr) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
    let own = socket.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        let mut bytes = vec![0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            let query = Message::from_octets(bytes.get(..length).unwrap_or_default().to_vec());
            let query = query.expect("a message");
            let mut forged = reply(&query, Ipv4Addr::new(6, 6, 6, 6));
            if let Some(first) = forged.first_mut() {
                *first ^= 0xff;
            }
            socket.send_to(&forged, from).await.expect("sends");
            socket.send_to(&reply(&query, address), from).await.expect("sends");
        }
    });
    (own, task)
}

fn reply(query: &Message<Vec<u8>>, address: Ipv4Addr) -> Vec<u8> {
    let name = query.sole_question().expect("one").qname().to_owned();
    let mut page = MessageBuilder::new_vec().start_answer(query, Rcode::NOERROR).expect("fits");
    let data = A::new(address.octets().into());
    page.push(Record::new(name, Class::IN, Ttl::from_secs(9), data)).expect("fits");
    page.finish()
}
