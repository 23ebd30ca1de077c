//! Answers that the load balancer gives itself.

use crate::http1::request_head::Refusal;

/// Why a request was not carried, by the status of its answer.
///
/// Source: Application Load Balancers User Guide, "Troubleshoot"; handbook 7.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BadRequest,
    MethodNotAllowed,
    RequestTimeout,
    UriTooLong,
    /// Logged only: there is nobody to be answered.
    ClientClosed,
    TooManyForwardedAddresses,
    VersionMismatch,
    NotImplemented,
    BadGateway,
    NoTarget,
    GatewayTimeout,
    VersionNotSupported,
}

impl Fault {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::UriTooLong => 414,
            Self::ClientClosed => 460,
            Self::TooManyForwardedAddresses => 463,
            Self::VersionMismatch => 464,
            Self::NotImplemented => 501,
            Self::BadGateway => 502,
            Self::NoTarget => 503,
            Self::GatewayTimeout => 504,
            Self::VersionNotSupported => 505,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed | Refusal::HeadTooLarge => Self::BadRequest,
            Refusal::LineTooLong => Self::UriTooLong,
            Refusal::UnsupportedEncoding => Self::NotImplemented,
            Refusal::UnsupportedVersion => Self::VersionNotSupported,
        }
    }
}

/// What every answer of a load balancer's own calls its server.
pub(crate) const SERVER: &str = "awselb/2.0";

/// An answer that is made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Made {
    /// The small page that goes with a status.
    pub(crate) fn page(status: u16) -> Self {
        let title = match reason(status) {
            "" => status.to_string(),
            reason => format!("{status} {reason}"),
        };
        let body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
             <center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
        );
        Self { status, content_type: Some("text/html".into()), location: None, body }
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, location: String) -> Self {
        Self { location: Some(location), ..Self::page(status) }
    }

    /// A rule's fixed response.
    pub(crate) fn fixed(status: u16, content_type: Option<&str>, body: &str) -> Self {
        let content_type = content_type.unwrap_or("text/plain").to_owned();
        Self { status, content_type: Some(content_type), location: None, body: body.to_owned() }
    }

    /// Writes it for HTTP/1.
    pub(crate) fn write(&self, out: &mut Vec<u8>, date: &str, way: Way) {
        let mut line = |parts: &[&str]| {
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        };
        line(&["HTTP/1.1 ", &self.status.to_string(), " ", reason(self.status)]);
        line(&["Server: ", SERVER]);
        line(&["Date: ", date]);
        if let Some(content_type) = self.content_type.as_deref().filter(|_| !self.body.is_empty()) {
            line(&["Content-Type: ", content_type]);
        }
        line(&["Content-Length: ", &self.body.len().to_string()]);
        line(&["Connection: ", if way.keep_alive { "keep-alive" } else { "close" }]);
        if let Some(location) = &self.location {
            line(&["Location: ", location]);
        }
        line(&[]);
        if way.with_body {
            out.extend_from_slice(self.body.as_bytes());
        }
    }
}

/// How an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// Whether the connection goes on after it.
    pub(crate) keep_alive: bool,
    /// Not after `HEAD`.
    pub(crate) with_body: bool,
}

/// The words that go with a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        408 => "Request Time-out",
        410 => "Gone",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
