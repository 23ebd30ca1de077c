//! A target that does what the path of a request says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::lab::Client;

/// A target, and the first lines of the requests that it has read.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub(crate) fn start(ip: IpAddr) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log) = (stream.expect("accepts"), Arc::clone(&log));
                thread::spawn(move || serve(stream, &log));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics with it").clone()
    }
}

/// A target that does with each connection what it is told to; the first has number zero.
pub(crate) fn scripted(serve: impl Fn(usize, &mut Client) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    answering(listener, serve);
    address
}

/// Does the same with what comes to a socket.
pub(crate) fn answering(
    listener: TcpListener,
    serve: impl Fn(usize, &mut Client) + Send + Sync + 'static,
) {
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming()) {
            let (stream, serve) = (stream.expect("accepts"), Arc::clone(&serve));
            thread::spawn(move || serve(number, &mut Client::of(stream)));
        }
    });
}

/// Where an [`endless`] answer ends after all: far more than what sockets and a balancer hold.
pub(crate) const ENDLESS: usize = 64 << 20;

/// A target whose answer has no end, and how many bytes of it were taken before it was let go.
pub(crate) fn endless() -> (SocketAddr, mpsc::Receiver<usize>) {
    let (done, written) = mpsc::channel();
    let at = scripted(move |_, balancer| {
        balancer.head();
        balancer.send("HTTP/1.1 200 OK\r\n\r\n");
        let piece = vec![b'x'; 65_536];
        let mut taken = 0;
        while taken < ENDLESS && balancer.0.write_all(&piece).is_ok() {
            taken += piece.len();
        }
        done.send(taken).expect("the test waits");
    });
    (at, written)
}

/// Ends with an error when the balancer closes the connection, as it may at any time.
fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        loop {
            let before = head.len();
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if head.len() - before <= 2 {
                break;
            }
        }
        let path = head.split(' ').nth(1)?.to_owned();
        log.lock().expect("nobody panics with it").push(head.lines().next()?.to_owned());
        if path.starts_with("/early") {
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").ok()?;
            return None;
        }
        if path.starts_with("/slow") {
            // Until the balancer gives up.
            let _ = reader.read(&mut [0]);
            return None;
        }
        if path.starts_with("/upgrade") {
            return upgrade(stream, reader);
        }
        if head.to_ascii_lowercase().contains("expect: 100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        let body = body(&head, &mut reader)?;
        let is_head = head.starts_with("HEAD");
        stream.write_all(&answer(&path, &head, &body, is_head)).ok()?;
        if path.starts_with("/close") || path.starts_with("/until-close") || path == "/cut" {
            return None;
        }
    }
}

fn upgrade(mut stream: TcpStream, mut reader: BufReader<TcpStream>) -> Option<()> {
    let head =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhi";
    stream.write_all(head).ok()?;
    let mut bytes = [0; 1024];
    loop {
        let count = reader.read(&mut bytes).ok().filter(|it| *it > 0)?;
        stream.write_all(bytes.get(..count)?).ok()?;
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|it| it.split_once(": "));
    fields.find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1)
}

fn body(head: &str, reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if field(head, "transfer-encoding") == Some("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            if size == 0 {
                break;
            }
            let start = body.len();
            body.resize(start + size + 2, 0);
            reader.read_exact(body.get_mut(start..)?).ok()?;
            body.truncate(start + size);
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            body.extend_from_slice(line.trim().as_bytes());
            if line.trim().is_empty() {
                return Some(body);
            }
        }
    }
    let length = field(head, "content-length").map_or(Ok(0), str::parse).ok()?;
    body.resize(length, 0);
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn answer(path: &str, head: &str, body: &[u8], is_head: bool) -> Vec<u8> {
    let text = |text: &str| text.as_bytes().to_vec();
    match path.split('?').next().unwrap_or_default() {
        "/close" => Vec::new(),
        "/bad" => text("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        "/large-head" => text(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(40_000))),
        "/chunked" => text(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
        "/until-close" => text("HTTP/1.0 200 OK\r\n\r\nhello world"),
        "/cut" => text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
        "/hints" => text(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
        "/cookie" => {
            text("HTTP/1.1 200 OK\r\nSet-Cookie: SESSION=1; Path=/\r\nContent-Length: 2\r\n\r\nok")
        }
        "/status" => {
            let status = path.split_once('?').map_or("200", |it| it.1);
            text(&format!("HTTP/1.1 {status} Some\r\nContent-Length: 0\r\n\r\n"))
        }
        "/large" => {
            let size = path.split_once('?').and_then(|it| it.1.parse().ok()).unwrap_or(0);
            let mut all = text(&format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
            all.resize(all.len() + size, b'x');
            all
        }
        _ => {
            let mut echo = head.as_bytes().to_vec();
            echo.extend_from_slice(body);
            let mut all =
                text(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", echo.len()));
            if !is_head {
                all.extend_from_slice(&echo);
            }
            all
        }
    }
}
