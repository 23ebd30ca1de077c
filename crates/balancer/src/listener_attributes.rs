//! Attributes of listeners: fields of answers that are added or taken away, fields of requests that
//! have another name.
//!
//! Source: Application Load Balancers User Guide, "Header modification".

use std::collections::BTreeMap;

/// Fields that a listener can set in answers, by the part of the attribute's name.
const SETTABLE: [(&str, &str); 10] = [
    ("strict_transport_security", "Strict-Transport-Security"),
    ("access_control_allow_origin", "Access-Control-Allow-Origin"),
    ("access_control_allow_methods", "Access-Control-Allow-Methods"),
    ("access_control_allow_headers", "Access-Control-Allow-Headers"),
    ("access_control_allow_credentials", "Access-Control-Allow-Credentials"),
    ("access_control_expose_headers", "Access-Control-Expose-Headers"),
    ("access_control_max_age", "Access-Control-Max-Age"),
    ("content_security_policy", "Content-Security-Policy"),
    ("x_content_type_options", "X-Content-Type-Options"),
    ("x_frame_options", "X-Frame-Options"),
];

/// Attributes of a listener, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenerAttributes {
    /// `routing.http.response.server.enabled`
    pub(crate) shows_server: bool,
    /// Name and value of each field that every answer gets.
    pub(crate) added: Vec<(&'static str, String)>,
    tls_version: Option<String>,
    tls_cipher_suite: Option<String>,
}

impl ListenerAttributes {
    pub(crate) fn of(set: &BTreeMap<String, String>) -> Self {
        let value = |name: &str| set.get(name).filter(|it| !it.is_empty()).cloned();
        let added = SETTABLE.into_iter().filter_map(|(word, name)| {
            Some((name, value(&format!("routing.http.response.{word}.header_value"))?))
        });
        Self {
            shows_server: value("routing.http.response.server.enabled").as_deref() != Some("false"),
            added: added.collect(),
            tls_version: value("routing.http.request.x_amzn_tls_version.header_name"),
            tls_cipher_suite: value("routing.http.request.x_amzn_tls_cipher_suite.header_name"),
        }
    }

    /// Whether the listener says what that field is.
    pub(crate) fn sets(&self, name: &[u8]) -> bool {
        self.added.iter().any(|it| it.0.as_bytes().eq_ignore_ascii_case(name))
    }

    pub(crate) fn tls_version_name(&self) -> &[u8] {
        self.tls_version.as_deref().unwrap_or("X-Amzn-Tls-Version").as_bytes()
    }

    pub(crate) fn tls_cipher_suite_name(&self) -> &[u8] {
        self.tls_cipher_suite.as_deref().unwrap_or("X-Amzn-Tls-Cipher-Suite").as_bytes()
    }
}
