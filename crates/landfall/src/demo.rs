//! What the built-in image `landfall/demo` runs: small programs to try a region with.
//!
//! Plain blocking code, so that a container of it is as small as the program allows.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

/// Where `web` listens if nothing is said.
const WEB_PORTS: [u16; 2] = [80, 8080];
/// 128 and the number of SIGTERM.
const TERMINATED: i32 = 143;
/// Where `peer` listens if nothing is said.
const PEER_PORTS: [u16; 1] = [7];
/// A client that sends or takes nothing for this long is given up.
const CLIENT_WITHIN: Duration = Duration::from_secs(5);
/// How memory is filled: in steps, with time to look between them.
const STEP_MIB: u64 = 8;
const STEP_WAIT: Duration = Duration::from_millis(50);
const USAGE: &str = "landfall demo: what the image landfall/demo runs
  web [PORT…]             answer HTTP with the task's own metadata (ports 80 and 8080)
  peer [PORT…]            tell each client its address, over TCP and UDP (port 7)
  sleep [SECONDS]         wait, for ever without a number
  exit [CODE] [SECONDS]   end with this code (0) after this time (0)
  log [COUNT] [MILLISECONDS]  write so many lines (for ever: 0), one every so often (1000)
  burn-cpu [SECONDS]      keep one processor busy, for ever without a number
  fill-memory [MIB]       take memory and keep it, for ever more without a number
";

/// Runs what the words say.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words.map(|it| it.to_string_lossy().into_owned()).collect();
    let mut words = words.iter().map(String::as_str);
    let what = words.next().unwrap_or_default();
    let mut numbers = Vec::new();
    for word in words {
        match word.parse::<u64>() {
            Ok(number) => numbers.push(number),
            Err(_) => return usage(),
        }
    }
    let (first, second) = (numbers.first().copied(), numbers.get(1).copied());
    end_when_told();
    match what {
        "web" => with_ports(&numbers, &WEB_PORTS, web),
        "peer" => with_ports(&numbers, &PEER_PORTS, peer),
        "sleep" => wait(first),
        "exit" => {
            sleep(Duration::from_secs(second.unwrap_or(0)));
            u8::try_from(first.unwrap_or(0)).map_or_else(|_| usage(), ExitCode::from)
        }
        "log" => log(first.unwrap_or(0), Duration::from_millis(second.unwrap_or(1000))),
        "burn-cpu" => burn(first.map(Duration::from_secs)),
        "fill-memory" => fill(first),
        _ => usage(),
    }
}

fn with_ports(numbers: &[u64], usual: &[u16], then: fn(&[u16]) -> ExitCode) -> ExitCode {
    let given: Result<Vec<u16>, _> = numbers.iter().copied().map(u16::try_from).collect();
    match given {
        Ok(ports) => then(if ports.is_empty() { usual } else { &ports }),
        Err(_) => usage(),
    }
}

/// The first process of a container ignores signals that it has no handler for, so this one has
/// one. Ends with what a shell shows of a program that the signal ended. From its return on no
/// signal is missed: whoever hears from this program may stop it.
fn end_when_told() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else {
        return;
    };
    let inside = runtime.enter();
    let Ok(mut told) = signal(SignalKind::terminate()) else { return };
    drop(inside);
    std::thread::spawn(move || {
        runtime.block_on(told.recv());
        say("told to end");
        std::process::exit(TERMINATED);
    });
}

fn usage() -> ExitCode {
    say(USAGE.trim_end());
    ExitCode::from(2)
}

/// Nobody reads any more: nothing to be done about it.
fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

fn wait(seconds: Option<u64>) -> ExitCode {
    match seconds {
        Some(seconds) => sleep(Duration::from_secs(seconds)),
        None => loop {
            sleep(Duration::from_hours(1));
        },
    }
    ExitCode::SUCCESS
}

fn log(count: u64, every: Duration) -> ExitCode {
    let mut number = 0;
    while count == 0 || number < count {
        number += 1;
        say(&format!("line {number}"));
        sleep(every);
    }
    ExitCode::SUCCESS
}

fn burn(time: Option<Duration>) -> ExitCode {
    let begun = Instant::now();
    let mut number = 1_u64;
    while time.is_none_or(|it| begun.elapsed() < it) {
        for _ in 0..1_000_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        std::hint::black_box(number);
    }
    ExitCode::SUCCESS
}

fn fill(most_mib: Option<u64>) -> ExitCode {
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut mib = 0;
    while most_mib.is_none_or(|it| mib < it) {
        let step = most_mib.map_or(STEP_MIB, |it| (it - mib).min(STEP_MIB));
        // Not zeros: those would be shared with every process until written.
        held.push(vec![1; usize::try_from(step * 1024 * 1024).unwrap_or(0)]);
        mib += step;
        say(&format!("{mib} MiB"));
        sleep(STEP_WAIT);
    }
    let code = wait(None);
    drop(std::hint::black_box(held));
    code
}

/// Listens on every port that it can have; one is enough.
fn web(ports: &[u16]) -> ExitCode {
    let mut listening = Vec::new();
    for port in ports {
        match TcpListener::bind(("0.0.0.0", *port)) {
            Ok(listener) => {
                say(&format!("listening on port {port}"));
                listening.push(std::thread::spawn(move || serve(&listener)));
            }
            Err(error) => say(&format!("cannot listen on port {port}: {error}")),
        }
    }
    let served = !listening.is_empty();
    for thread in listening {
        drop(thread.join());
    }
    if served { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn serve(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        if let Err(error) = answer(stream) {
            say(&format!("a client was lost: {error}"));
        }
    }
}

/// Serves each port over TCP and over UDP; both must be had.
fn peer(ports: &[u16]) -> ExitCode {
    let mut serving = Vec::new();
    for port in ports {
        let place = ("0.0.0.0", *port);
        match TcpListener::bind(place).and_then(|it| Ok((it, UdpSocket::bind(place)?))) {
            Ok((listener, socket)) => {
                say(&format!("listening on port {port}"));
                serving.push(std::thread::spawn(move || tell_streams(&listener)));
                serving.push(std::thread::spawn(move || tell_datagrams(&socket)));
            }
            Err(error) => {
                say(&format!("cannot listen on port {port}: {error}"));
                return ExitCode::FAILURE;
            }
        }
    }
    for thread in serving {
        drop(thread.join());
    }
    ExitCode::SUCCESS
}

fn tell_streams(listener: &TcpListener) {
    loop {
        match listener.accept() {
            // Who has gone already is not told.
            Ok((mut stream, client)) => drop(stream.write_all(format!("{client}\n").as_bytes())),
            Err(error) => say(&format!("a client was lost: {error}")),
        }
    }
}

fn tell_datagrams(socket: &UdpSocket) {
    let mut datagram = [0];
    loop {
        match socket.recv_from(&mut datagram) {
            Ok((_, client)) => drop(socket.send_to(format!("{client}\n").as_bytes(), client)),
            Err(error) => say(&format!("a datagram was lost: {error}")),
        }
    }
}

/// `/health` says ok; everything else shows who answers: the task's metadata.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(CLIENT_WITHIN))?;
    stream.set_write_timeout(Some(CLIENT_WITHIN))?;
    let mut head = [0; 4096];
    let length = stream.read(&mut head)?;
    let head = String::from_utf8_lossy(head.get(..length).unwrap_or_default()).into_owned();
    let line = head.lines().next().unwrap_or_default();
    say(line);
    let path = line.split(' ').nth(1).unwrap_or("/");
    let (kind, body) = match path {
        "/health" => ("text/plain", "ok\n".to_owned()),
        _ => match metadata() {
            Ok(metadata) => ("application/json", metadata),
            Err(error) => ("text/plain", format!("Landfall: no task metadata here ({error})\n")),
        },
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// What the task endpoint says of this task.
fn metadata() -> std::io::Result<String> {
    let missing = || std::io::Error::other("not in a task");
    let uri = std::env::var("ECS_CONTAINER_METADATA_URI_V4").map_err(|_| missing())?;
    let (host, path) =
        uri.strip_prefix("http://").and_then(|it| it.split_once('/')).ok_or_else(missing)?;
    let mut stream = TcpStream::connect((host, 80))?;
    stream.set_read_timeout(Some(CLIENT_WITHIN))?;
    write!(stream, "GET /{path}/task HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| std::io::Error::other("the task endpoint answers with nothing"))
}
