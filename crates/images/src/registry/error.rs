//! What a registry, or the way to it, can refuse.

use std::io;

use serde::Deserialize;

/// Why a registry did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not a host and port, or not an address that can be followed.
    #[error("{0:?} is not an address of a registry")]
    Address(String),
    /// Credentials are missing, wrong, or not enough; or the repository is secret.
    #[error("unauthorized{}", colon(.0))]
    Unauthorized(String),
    /// No such manifest, blob or repository.
    #[error("not found{}", colon(.0))]
    NotFound(String),
    /// The registry limits how often it is asked.
    #[error("toomanyrequests{}", colon(.0))]
    TooManyRequests(String),
    /// Any other answer than success.
    #[error("the registry answered with status {status}{}", colon(.text))]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it said.
        text: String,
    },
    /// The token server answered without a token.
    #[error("the token server {0} gave no token")]
    Token(String),
    /// The registry sends us round.
    #[error("the registry redirects more than {0} times")]
    Redirects(usize),
    /// From TLS to plain HTTP.
    #[error("the registry redirects from TLS to plain HTTP ({0})")]
    Downgrade(String),
    /// Plain HTTP to a host for which that is not allowed.
    #[error("{0} would be asked without TLS; list it as an insecure registry to allow that")]
    Plain(String),
    /// An address that no registry has: link-local ones are the machine's own services.
    #[error("{0} is an address that images are never fetched from")]
    Forbidden(String),
    /// The certificate is not one we trust.
    #[error("the certificate of {host} is not trusted")]
    Certificate {
        /// Which host.
        host: String,
        /// What the TLS library said.
        source: io::Error,
    },
    /// No trusted certificates on this machine.
    #[error("this machine has no certificate authorities; install ca-certificates ({0})")]
    NoRoots(String),
    /// The network, or an answer that is not HTTP.
    #[error("cannot {attempted} {host}")]
    Network {
        /// What was attempted.
        attempted: &'static str,
        /// With whom.
        host: String,
        /// The system's or the HTTP library's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is longer than what was asked for may be.
    #[error("the answer has more than {0} bytes")]
    TooLong(u64),
    /// The answer ended before its time.
    #[error("the answer of {host} stopped coming")]
    Broken {
        /// Who stopped.
        host: String,
        /// The HTTP library's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RegistryError {
    /// Whether asking again in a moment may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Broken { .. } | Self::TooManyRequests(_) => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// The error document of the distribution specification, in one line; other text shortened.
pub(super) fn complaint(bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Document {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = match serde_json::from_slice::<Document>(bytes) {
        Ok(document) => {
            let one = |it: &One| match it.message.as_str() {
                "" => it.code.to_lowercase().replace('_', " "),
                message => message.to_owned(),
            };
            document.errors.iter().map(one).collect::<Vec<_>>().join("; ")
        }
        // A page made for browsers tells nobody anything.
        Err(_) if bytes.trim_ascii_start().starts_with(b"<") => String::new(),
        Err(_) => String::from_utf8_lossy(bytes).trim().to_owned(),
    };
    text.chars().filter(|it| !it.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_document_becomes_one_line() {
        for (bytes, expected) in [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
                "manifest unknown",
            ),
            (
                r#"{"errors":[{"code":"NAME_UNKNOWN"},{"code":"DENIED","message":"no"}]}"#,
                "name unknown; no",
            ),
            ("<html><body>404</body></html>", ""),
            ("plain\r\nwords\n", "plainwords"),
            ("", ""),
        ] {
            assert_eq!(complaint(bytes.as_bytes()), expected);
        }
    }
}
