//! One keep-alive connection that sends signed requests of ECS, one after the other.
//!
//! As small as HTTP/1.1 allows, so that the client costs little beside the server it measures.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use types::Timestamp;
use wire::Incoming;
use wire::sigv4::{Signing, sign};

/// How many bytes are read at once.
const CHUNK: usize = 16 * 1024;
/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Which region, and with whose key.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `ADDRESS:PORT`.
    pub(crate) address: Arc<str>,
    region: Arc<str>,
    access_key_id: Arc<str>,
    secret: Arc<str>,
}

impl Target {
    pub(crate) fn parse(
        endpoint: &str,
        region: &str,
        access_key_id: &str,
        secret: &str,
    ) -> anyhow::Result<Self> {
        let Some(address) = endpoint.strip_prefix("http://") else {
            bail!("{endpoint} is not an http:// endpoint")
        };
        Ok(Self {
            address: address.trim_end_matches('/').into(),
            region: region.into(),
            access_key_id: access_key_id.into(),
            secret: secret.into(),
        })
    }

    /// The headers of a signed request, `host` among them.
    pub(crate) fn signed(
        &self,
        method: &str,
        path: &str,
        query: &str,
        target: Option<&str>,
        body: &[u8],
    ) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_str(&self.address)?);
        if let Some(target) = target {
            headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
            headers.insert("x-amz-target", HeaderValue::from_str(target)?);
        }
        let request = Incoming { method, path, query, headers: &headers, body };
        let with = Signing {
            access_key_id: &self.access_key_id,
            secret: &self.secret,
            session_token: None,
            region: &self.region,
            service: "ecs",
            now: now(),
        };
        let added = sign(&request, &with);
        headers.extend(added);
        Ok(headers)
    }
}

/// The clock of the machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A connection, made when first needed and again after the server has closed it.
pub(crate) struct Client {
    target: Target,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, if it is a success.
    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        if self.status != 200 {
            bail!("status {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, stream: None, buffer: Vec::with_capacity(CHUNK) }
    }

    /// Asks for an operation of ECS.
    pub(crate) async fn ask(&mut self, operation: &str, body: &str) -> anyhow::Result<Answer> {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        let headers = self.target.signed("POST", "/", "", Some(&target), body.as_bytes())?;
        let mut request = String::with_capacity(512 + body.len());
        request.push_str("POST / HTTP/1.1\r\n");
        for (name, value) in &headers {
            request.push_str(name.as_str());
            request.push_str(": ");
            request.push_str(value.to_str()?);
            request.push_str("\r\n");
        }
        request.push_str("content-length: ");
        request.push_str(&body.len().to_string());
        request.push_str("\r\n\r\n");
        request.push_str(body);
        match self.exchange(request.as_bytes()).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let fresh = TcpStream::connect(&*self.target.address).await?;
                fresh.set_nodelay(true)?;
                none.insert(fresh)
            }
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            more(stream, &mut self.buffer).await?;
        };
        let text = String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default());
        let head_of = Head::parse(&text)?;
        let whole = head + 4 + head_of.length;
        while self.buffer.len() < whole {
            more(stream, &mut self.buffer).await?;
        }
        let body = self.buffer.get(head + 4..whole).unwrap_or_default().to_vec();
        if head_of.closes {
            self.stream = None;
        }
        Ok(Answer { status: head_of.status, body })
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.reserve(CHUNK);
    if stream.read_buf(buffer).await? == 0 {
        bail!("the server has closed the connection in the middle of an answer");
    }
    if buffer.len() > ANSWER_MAX {
        bail!("an answer is longer than {ANSWER_MAX} bytes");
    }
    Ok(())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|it| it == what)
}

struct Head {
    status: u16,
    length: usize,
    closes: bool,
}

impl Head {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
        let mut head = Self {
            status: status.with_context(|| format!("no status in {first:?}"))?,
            length: 0,
            closes: first.starts_with("HTTP/1.0"),
        };
        for (name, value) in lines.filter_map(|it| it.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.parse().with_context(|| format!("length {value:?}"))?;
            } else if name.eq_ignore_ascii_case("connection") {
                head.closes = value.eq_ignore_ascii_case("close");
            }
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_status_length_and_whether_the_connection_goes_on() {
        let head = Head::parse("HTTP/1.1 200 OK\r\nContent-Length: 12").expect("reads");
        assert_eq!((head.status, head.length, head.closes), (200, 12, false));
        let head = Head::parse("HTTP/1.1 400 Bad\r\nConnection: Close\r\ncontent-length: 0");
        assert!(head.expect("reads").closes);
        assert!(Head::parse("nonsense").is_err());
    }
}
