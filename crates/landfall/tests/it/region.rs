//! A control plane of our own binary, which ends with the value and leaves nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header};
use shapes::Operation;
use tempfile::TempDir;
use types::Timestamp;
use wire::Incoming;
use wire::sigv4::{Signing, sign};

const PROGRAM: &str = env!("CARGO_BIN_EXE_landfall");

pub(crate) struct Region {
    child: Child,
    folder: TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) data: String,
    pub(crate) advice: String,
}

impl Region {
    /// Starts a control plane without container instances, and waits until it serves.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = command(folder.path(), &["server", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let serves = lines.by_ref().map_while(Result::ok).any(|it| it.contains("serves at"));
        assert!(serves, "the control plane ended before it served");
        // What else it says must be read, or it would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command against this region.
    pub(crate) fn say(&self, words: &[&str]) -> Said {
        said(command(self.folder(), words).output().expect("runs"))
    }

    /// The same, with variables of the environment and a folder that holds no region.
    pub(crate) fn say_with(variables: &[(&str, &str)], words: &[&str]) -> Said {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command(folder.path(), words);
        said(command.envs(variables.iter().copied()).output().expect("runs"))
    }

    /// The variables that `landfall env` prints.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let line = |it: &str| {
            let (name, value) = it.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        self.say(&["env"]).data.lines().filter_map(line).collect()
    }

    /// One signed request, as any tool of AWS would send it.
    pub(crate) fn call<O: Operation>(&self, input: &O::Input) -> O::Output {
        let variables = self.variables();
        let get = |name: &str| {
            let found = variables.iter().find(|(it, _)| it == name);
            found.map(|(_, value)| value.as_str()).expect("is exported")
        };
        let host = get("AWS_ENDPOINT_URL").strip_prefix("http://").expect("plain HTTP");
        let wire::client::Outgoing { headers: asked, body } = wire::client::request::<O>(input);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).expect("a host"));
        headers.extend(asked);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now = Timestamp(i64::try_from(since.as_millis()).expect("in our time"));
        let request =
            Incoming { method: "POST", path: "/", query: "", headers: &headers, body: &body };
        let signed = sign(
            &request,
            &Signing {
                access_key_id: get("AWS_ACCESS_KEY_ID"),
                secret: get("AWS_SECRET_ACCESS_KEY"),
                session_token: None,
                region: get("AWS_REGION"),
                service: O::SERVICE.signing_name,
                now,
            },
        );
        headers.extend(signed);
        let (status, body) = exchange(host, &headers, &body);
        wire::client::answer::<O>(status, &body).expect("is answered")
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("is there");
        let ended = self.child.wait().expect("ends");
        if !std::thread::panicking() {
            assert!(ended.success(), "an interrupted control plane ends well: {ended}");
        }
    }
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    // The folder stands where the data home is, so that no command needs to name it.
    command
        .env_clear()
        .env("XDG_DATA_HOME", folder)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        data: String::from_utf8(output.stdout).expect("text"),
        advice: String::from_utf8(output.stderr).expect("text"),
    }
}

fn exchange(host: &str, headers: &HeaderMap, body: &[u8]) -> (u16, Vec<u8>) {
    let mut head = "POST / HTTP/1.1\r\nconnection: close\r\n".to_owned();
    for (name, value) in headers {
        head += &[name.as_str(), ": ", value.to_str().expect("text"), "\r\n"].concat();
    }
    head += &["content-length: ", &body.len().to_string(), "\r\n\r\n"].concat();
    let mut stream = TcpStream::connect(host).expect("connects");
    stream.write_all(&[head.as_bytes(), body].concat()).expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answers");
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).expect("text");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    (status, body)
}
