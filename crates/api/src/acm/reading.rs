//! What certificates and keys in PEM say.
//!
//! Source: RFC 5280; AWS Certificate Manager User Guide, "Prerequisites for importing certificates".

use std::net::IpAddr;

use p256::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _, PrivateKeyInfo};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use types::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::name::Name;

use super::Error;

/// What public keys are for. Source: RFC 8017, appendix A.1; RFC 5480, section 2.1.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Signature algorithms as the API names them. Source: RFC 8017, RFC 5758.
const SIGNATURES: [(&str, &str); 7] = [
    ("1.2.840.113549.1.1.5", "SHA1WITHRSA"),
    ("1.2.840.113549.1.1.11", "SHA256WITHRSA"),
    ("1.2.840.113549.1.1.12", "SHA384WITHRSA"),
    ("1.2.840.113549.1.1.13", "SHA512WITHRSA"),
    ("1.2.840.10045.4.3.2", "SHA256WITHECDSA"),
    ("1.2.840.10045.4.3.3", "SHA384WITHECDSA"),
    ("1.2.840.10045.4.3.4", "SHA512WITHECDSA"),
];

/// Extended usages as the API names them. Source: RFC 5280, section 4.2.1.12.
const EXTENDED: [(&str, &str); 6] = [
    ("1.3.6.1.5.5.7.3.1", "TLS_WEB_SERVER_AUTHENTICATION"),
    ("1.3.6.1.5.5.7.3.2", "TLS_WEB_CLIENT_AUTHENTICATION"),
    ("1.3.6.1.5.5.7.3.3", "CODE_SIGNING"),
    ("1.3.6.1.5.5.7.3.4", "EMAIL_PROTECTION"),
    ("1.3.6.1.5.5.7.3.8", "TIME_STAMPING"),
    ("1.3.6.1.5.5.7.3.9", "OCSP_SIGNING"),
];

/// A certificate that was read.
pub(super) struct Facts {
    certificate: Certificate,
    /// The first name it is for.
    pub(super) domain: String,
    /// Every name it is for.
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// As the API names it; none that can be shown otherwise.
    pub(super) key_algorithm: &'static str,
}

/// Reads the one certificate of a text.
///
/// # Errors
///
/// What cannot be read, or shown by a load balancer.
pub(super) fn certificate(pem: &[u8]) -> Result<Facts, Error> {
    let mut all = chain(pem).map_err(|()| {
        Error::invalid("The certificate field contains an invalid PEM-encoded certificate.")
    })?;
    if all.len() > 1 {
        return Err(Error::invalid(
            "The certificate field contains more than one certificate. You must specify only one \
             certificate in this field.",
        ));
    }
    let Some(certificate) = all.pop() else {
        return Err(Error::invalid("The certificate field contains no certificate."));
    };
    let names = names(&certificate);
    let Some(domain) = names.first().cloned() else {
        return Err(Error::invalid("The certificate is for no domain name."));
    };
    let validity = &certificate.tbs_certificate.validity;
    let time = |it: &x509_cert::time::Time| {
        Timestamp(i64::try_from(it.to_unix_duration().as_millis()).unwrap_or(i64::MAX))
    };
    let (not_before, not_after) = (time(&validity.not_before), time(&validity.not_after));
    let Some(key_algorithm) = key_algorithm(&certificate) else {
        return Err(Error::invalid(
            "The certificate's key is not supported: RSA with 2048, 3072 or 4096 bits, \
             EC_prime256v1 and EC_secp384r1 are.",
        ));
    };
    Ok(Facts { certificate, domain, names, not_before, not_after, key_algorithm })
}

/// Every certificate of a text.
fn chain(pem: &[u8]) -> Result<Vec<Certificate>, ()> {
    let read = |it: CertificateDer<'_>| Certificate::from_der(&it).map_err(|_| ());
    CertificateDer::pem_slice_iter(pem).map(|it| it.map_err(|_| ()).and_then(read)).collect()
}

impl Facts {
    /// Checks that a chain leads on from this certificate, each from the one before. That the
    /// signatures are good is found out by those who trust its end.
    ///
    /// # Errors
    ///
    /// It does not, or cannot be read.
    pub(super) fn check_chain(&self, pem: &[u8]) -> Result<(), Error> {
        let chain = chain(pem).map_err(|()| {
            Error::invalid("The certificate chain contains an invalid PEM-encoded certificate.")
        })?;
        let mut issuer = &self.certificate.tbs_certificate.issuer;
        for next in &chain {
            if next.tbs_certificate.subject != *issuer {
                return Err(Error::invalid(
                    "Could not validate the certificate with the certificate chain.",
                ));
            }
            issuer = &next.tbs_certificate.issuer;
        }
        Ok(())
    }

    /// Checks that a private key is this certificate's.
    ///
    /// # Errors
    ///
    /// It is another one's, or cannot be read.
    pub(super) fn check_key(&self, pem: &[u8]) -> Result<(), Error> {
        let unreadable = || Error::invalid("The private key is not supported.");
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| unreadable())?;
        let public = public_of(&key).ok_or_else(unreadable)?;
        let own = &self.certificate.tbs_certificate.subject_public_key_info;
        let is_own = match public {
            Public::Modulus(modulus) => {
                own.subject_public_key.as_bytes().and_then(modulus_of) == Some(modulus)
            }
            Public::Point(der) => own.to_der().is_ok_and(|it| it == der),
        };
        if is_own {
            return Ok(());
        }
        Err(Error::invalid("The private key does not match the certificate."))
    }

    /// Numbers in hexadecimal with colons between them, as the API shows it.
    pub(super) fn serial(&self) -> String {
        let bytes = self.certificate.tbs_certificate.serial_number.as_bytes();
        let pairs: Vec<String> = bytes.iter().map(|it| format!("{it:02x}")).collect();
        pairs.join(":")
    }

    pub(super) fn subject(&self) -> String {
        self.certificate.tbs_certificate.subject.to_string()
    }

    pub(super) fn issuer(&self) -> String {
        self.certificate.tbs_certificate.issuer.to_string()
    }

    pub(super) fn signature_algorithm(&self) -> String {
        let id = self.certificate.signature_algorithm.oid.to_string();
        SIGNATURES.iter().find(|it| it.0 == id).map_or(id, |it| it.1.to_owned())
    }

    /// What its key may be used for, as the API names it.
    pub(super) fn key_usages(&self) -> Vec<&'static str> {
        let Ok(Some((_, usage))) = self.certificate.tbs_certificate.get::<KeyUsage>() else {
            return vec!["ANY"];
        };
        let all = [
            (usage.digital_signature(), "DIGITAL_SIGNATURE"),
            (usage.non_repudiation(), "NON_REPUDIATION"),
            (usage.key_encipherment(), "KEY_ENCIPHERMENT"),
            (usage.data_encipherment(), "DATA_ENCIPHERMENT"),
            (usage.key_agreement(), "KEY_AGREEMENT"),
            (usage.key_cert_sign(), "CERTIFICATE_SIGNING"),
            (usage.crl_sign(), "CRL_SIGNING"),
        ];
        all.into_iter().filter_map(|(has, name)| has.then_some(name)).collect()
    }

    /// What it may be used for: the API's names, and the identifiers.
    pub(super) fn extended_usages(&self) -> Vec<(&'static str, String)> {
        let found = self.certificate.tbs_certificate.get::<ExtendedKeyUsage>();
        let Ok(Some((_, ExtendedKeyUsage(ids)))) = found else { return Vec::new() };
        let named = |it: ObjectIdentifier| {
            let id = it.to_string();
            (EXTENDED.iter().find(|it| it.0 == id).map_or("CUSTOM", |it| it.1), id)
        };
        ids.into_iter().map(named).collect()
    }
}

/// The names that a certificate is for: those of the extension, else the subject's common name.
fn names(certificate: &Certificate) -> Vec<String> {
    let listed = match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
        _ => Vec::new(),
    };
    let common = common_name(&certificate.tbs_certificate.subject);
    match (listed.is_empty(), common) {
        (true, common) => common.into_iter().collect(),
        // The common name comes first where the extension has it too.
        (false, Some(common)) if listed.contains(&common) => {
            let others = listed.into_iter().filter(|it| *it != common);
            core::iter::once(common.clone()).chain(others.collect::<Vec<_>>()).collect()
        }
        (false, _) => listed,
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(it) => Some(it.as_str().to_ascii_lowercase()),
        GeneralName::IpAddress(it) => {
            let bytes = it.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
                .ok()
                .map(|it| it.to_string())
        }
        _ => None,
    }
}

fn common_name(subject: &Name) -> Option<String> {
    let parts = subject.0.iter().flat_map(|it| it.0.iter());
    let common = parts.into_iter().find(|it| it.oid == COMMON_NAME)?;
    core::str::from_utf8(common.value.value()).ok().map(str::to_ascii_lowercase)
}

fn key_algorithm(certificate: &Certificate) -> Option<&'static str> {
    let key = &certificate.tbs_certificate.subject_public_key_info;
    match key.algorithm.oid {
        RSA => match modulus_of(key.subject_public_key.as_bytes()?)?.len() {
            256 => Some("RSA_2048"),
            384 => Some("RSA_3072"),
            512 => Some("RSA_4096"),
            _ => None,
        },
        ELLIPTIC => {
            let curve: ObjectIdentifier = key.algorithm.parameters.as_ref()?.decode_as().ok()?;
            match curve {
                P256 => Some("EC_prime256v1"),
                P384 => Some("EC_secp384r1"),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The public half of a private key.
enum Public {
    /// Of an RSA key, without leading zeros.
    Modulus(Vec<u8>),
    /// Of a key on a curve: the whole SubjectPublicKeyInfo.
    Point(Vec<u8>),
}

fn public_of(key: &PrivateKeyDer<'_>) -> Option<Public> {
    match key {
        PrivateKeyDer::Pkcs1(key) => {
            private_modulus_of(key.secret_pkcs1_der()).map(Public::Modulus)
        }
        PrivateKeyDer::Sec1(key) => {
            let der = key.secret_sec1_der();
            let p256 = p256::SecretKey::from_sec1_der(der).ok().map(|it| p256_point(&it));
            let p384 = || p384::SecretKey::from_sec1_der(der).ok().map(|it| p384_point(&it));
            p256.or_else(p384)?
        }
        PrivateKeyDer::Pkcs8(key) => {
            let der = key.secret_pkcs8_der();
            let info = PrivateKeyInfo::try_from(der).ok()?;
            if info.algorithm.oid == RSA {
                return private_modulus_of(info.private_key).map(Public::Modulus);
            }
            let p256 = p256::SecretKey::from_pkcs8_der(der).ok().map(|it| p256_point(&it));
            let p384 = || p384::SecretKey::from_pkcs8_der(der).ok().map(|it| p384_point(&it));
            p256.or_else(p384)?
        }
        _ => None,
    }
}

fn p256_point(key: &p256::SecretKey) -> Option<Public> {
    key.public_key().to_public_key_der().ok().map(|it| Public::Point(it.as_bytes().to_vec()))
}

fn p384_point(key: &p384::SecretKey) -> Option<Public> {
    key.public_key().to_public_key_der().ok().map(|it| Public::Point(it.as_bytes().to_vec()))
}

/// The modulus of an RSAPublicKey. Source: RFC 8017, appendix A.1.1.
fn modulus_of(der: &[u8]) -> Option<Vec<u8>> {
    integers(der, 0)
}

/// The modulus of an RSAPrivateKey, which a version comes before. Source: RFC 8017, appendix A.1.2.
fn private_modulus_of(der: &[u8]) -> Option<Vec<u8>> {
    integers(der, 1)
}

/// The number at that place of a sequence.
fn integers(der: &[u8], place: usize) -> Option<Vec<u8>> {
    let mut reader = SliceReader::new(der).ok()?;
    let read = reader.sequence(|inner| {
        for _ in 0..place {
            AnyRef::decode(inner)?;
        }
        let number = UintRef::decode(inner)?.as_bytes().to_vec();
        while !inner.is_finished() {
            AnyRef::decode(inner)?;
        }
        Ok(number)
    });
    read.ok()
}
