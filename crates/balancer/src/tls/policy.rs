//! Security policies of listeners, as far as rustls can keep them.
//!
//! rustls has TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3. A policy that
//! allows more than that is served with what there is; a policy that allows nothing of it is refused
//! by the API ([`is_served`]). Source: Application Load Balancers User Guide, "Security policies".

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedProtocolVersion, version};

/// What a policy comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// TLS 1.3 only.
    Tls13,
    /// TLS 1.2 and 1.3.
    Tls13And12,
    /// TLS 1.2 only, as policies from before TLS 1.3 have it.
    Tls12,
    /// TLS 1.2 and 1.3 with AES only.
    Tls13And12Fips,
    /// TLS 1.3 with AES only.
    Tls13Fips,
}

/// Policies that are served.
///
/// Those whose TLS 1.2 suites are the authenticated ones, and those that allow these among others.
pub fn served() -> &'static [&'static str] {
    &[
        "ELBSecurityPolicy-2016-08",
        "ELBSecurityPolicy-FS-1-2-2019-08",
        "ELBSecurityPolicy-FS-1-2-Res-2019-08",
        "ELBSecurityPolicy-FS-1-2-Res-2020-10",
        "ELBSecurityPolicy-TLS-1-2-2017-01",
        "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
        "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
        "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
        "ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04",
        "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04",
        "ELBSecurityPolicy-TLS13-1-3-2021-06",
        "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04",
    ]
}

/// Whether a policy of that name is served.
pub fn is_served(name: &str) -> bool {
    served().contains(&name)
}

/// What a policy comes to; the default's if there is none of that name.
pub(crate) fn of(name: &str) -> Policy {
    let fips = name.contains("FIPS");
    if name.contains("TLS13-1-3") {
        return if fips { Policy::Tls13Fips } else { Policy::Tls13 };
    }
    match (name.contains("TLS13"), fips) {
        (true, true) => Policy::Tls13And12Fips,
        (true, false) => Policy::Tls13And12,
        // Without a name the listener was made by somebody who did not mind.
        (false, _) if name.is_empty() => Policy::Tls13And12,
        (false, _) => Policy::Tls12,
    }
}

/// The newest first.
static NEW_AND_OLD: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

pub(crate) fn versions(policy: Policy) -> &'static [&'static SupportedProtocolVersion] {
    match policy {
        Policy::Tls13 | Policy::Tls13Fips => NEW_AND_OLD.get(..1).unwrap_or_default(),
        Policy::Tls13And12 | Policy::Tls13And12Fips => &NEW_AND_OLD,
        Policy::Tls12 => NEW_AND_OLD.get(1..).unwrap_or_default(),
    }
}

pub(crate) fn provider(policy: Policy) -> CryptoProvider {
    let mut provider = ring::default_provider();
    let is_aes = |suite: CipherSuite| !openssl_name(suite).contains("CHACHA20");
    match policy {
        Policy::Tls13Fips | Policy::Tls13And12Fips | Policy::Tls12 => {
            // AWS's older policies have no ChaCha20 either.
            provider.cipher_suites.retain(|it| is_aes(it.suite()));
        }
        Policy::Tls13 | Policy::Tls13And12 => {}
    }
    provider
}

/// A suite's name as OpenSSL and AWS's access logs have it.
pub(crate) fn openssl_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_come_to_versions_and_suites() {
        let names = |policy| -> Vec<_> {
            provider(policy).cipher_suites.iter().map(|it| openssl_name(it.suite())).collect()
        };
        assert_eq!(of("ELBSecurityPolicy-TLS13-1-2-2021-06"), Policy::Tls13And12);
        assert_eq!(of("ELBSecurityPolicy-2016-08"), Policy::Tls12);
        assert_eq!(of("ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04"), Policy::Tls13Fips);
        assert_eq!(versions(Policy::Tls12).len(), 1);
        assert!(names(Policy::Tls13And12).iter().any(|it| it.contains("CHACHA20")));
        assert!(!names(Policy::Tls13Fips).iter().any(|it| it.contains("CHACHA20")));
        assert!(names(Policy::Tls13And12).iter().all(|it| *it != "-"));
    }
}
