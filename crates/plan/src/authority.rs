//! The region's own certificate authority: makes certificates, and makes them anew in time.
//!
//! Its keys are on the curve P-256, which every client knows, and its signatures need no randomness
//! (RFC 6979), so that equal dice make equal certificates. Source: RFC 5280.

use core::str::FromStr;
use core::time::Duration;

use p256::SecretKey;
use p256::ecdsa::signature::{self, Keypair, Signer};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use state::{Authority, Certificate, Context, Dice, Origin, State};
use types::Timestamp;
use x509_cert::builder::{Builder as _, CertificateBuilder, Profile};
use x509_cert::der::asn1::{GeneralizedTime, Ia5String};
use x509_cert::der::oid::db::rfc5280::ID_KP_SERVER_AUTH;
use x509_cert::der::oid::db::rfc5912::ECDSA_WITH_SHA_256;
use x509_cert::der::{DecodePem as _, EncodePem as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, SubjectPublicKeyInfoOwned,
};
use x509_cert::time::{Time, Validity};

/// Clocks of clients may be behind: everything is valid from a day ago.
const BEFORE: Duration = Duration::from_hours(24);
/// The authority outlives everything that is made by it.
const AUTHORITY_LIFE: Duration = Duration::from_hours(20 * 365 * 24);
/// Differs: AWS's certificates are valid for 13 months; this region's are valid for 825 days, the
/// longest that clients take from an authority of one's own.
const LIFE: Duration = Duration::from_hours(825 * 24);
/// How long before its end a certificate is made anew. Source: Certificate Manager User Guide,
/// "Managed certificate renewal".
const RENEWED_BEFORE: Duration = Duration::from_hours(60 * 24);
/// Longest common name. Source: RFC 5280, appendix A.1.
const COMMON_NAME_MAX: usize = 64;

/// Why a certificate could not be made: names that fit into none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these names fit into no certificate")]
pub struct Unfit;

/// Makes the authority of a region.
///
/// # Panics
///
/// Never: its name is made of letters and digits.
pub fn found(state: &State, context: &mut Context<'_>) -> Authority {
    let secret = secret(context.dice);
    let subject = format!("CN=Landfall {} {}", state.home().region, context.dice.below(1 << 32));
    let certificate = certify(
        &Subject { profile: Profile::Root, name: &subject, names: &[], life: AUTHORITY_LIFE },
        &secret,
        &secret,
        context,
    );
    Authority {
        certificate: certificate.expect("a name of letters and digits fits"),
        key: pem_of(&secret),
        created_at: context.now,
    }
}

/// Makes a certificate for these names, of which there is at least one.
///
/// # Errors
///
/// The names fit into no certificate.
pub fn issue(
    authority: &Authority,
    names: &[String],
    arn: String,
    context: &mut Context<'_>,
) -> Result<Certificate, Unfit> {
    let signer = SecretKey::from_pkcs8_pem(&authority.key).map_err(|_| Unfit)?;
    let own = x509_cert::Certificate::from_pem(&authority.certificate).map_err(|_| Unfit)?;
    let profile = Profile::Leaf {
        issuer: own.tbs_certificate.subject,
        enable_key_agreement: false,
        enable_key_encipherment: false,
    };
    let domain = names.first().cloned().ok_or(Unfit)?;
    let name = match domain.len() {
        0..=COMMON_NAME_MAX => format!("CN={domain}"),
        _ => "O=Landfall".to_owned(),
    };
    let secret = secret(context.dice);
    let subject = Subject { profile, name: &name, names, life: LIFE };
    let body = certify(&subject, &secret, &signer, context)?;
    Ok(Certificate {
        arn,
        domain,
        names: names.to_vec(),
        body,
        chain: Some(authority.certificate.clone()),
        key: pem_of(&secret),
        origin: Origin::Issued,
        not_before: start(context.now),
        not_after: context.now.after(LIFE),
        created_at: context.now,
        tags: Vec::new(),
        token: None,
        renewed_at: None,
    })
}

/// When a certificate is to be made anew; those that were imported are renewed by whoever made them.
pub fn renewal_due(it: &Certificate) -> Option<Timestamp> {
    let before = i64::try_from(RENEWED_BEFORE.as_millis()).unwrap_or_default();
    match it.origin {
        Origin::Issued => Some(Timestamp(it.not_after.0.saturating_sub(before))),
        Origin::Imported => None,
    }
}

/// The same certificate with a life and a key of its own.
///
/// # Errors
///
/// The names fit into no certificate.
pub fn renew(
    authority: &Authority,
    it: &Certificate,
    context: &mut Context<'_>,
) -> Result<Certificate, Unfit> {
    Ok(Certificate {
        created_at: it.created_at,
        tags: it.tags.clone(),
        token: it.token.clone(),
        renewed_at: Some(context.now),
        ..issue(authority, &it.names, it.arn.clone(), context)?
    })
}

/// Signs by ECDSA over SHA-256, and says so.
struct Sha256Signer(SigningKey);

impl Keypair for Sha256Signer {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        *self.0.verifying_key()
    }
}

impl Signer<DerSignature> for Sha256Signer {
    fn try_sign(&self, message: &[u8]) -> Result<DerSignature, signature::Error> {
        self.0.try_sign(message)
    }
}

impl DynSignatureAlgorithmIdentifier for Sha256Signer {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None })
    }
}

/// What a certificate is to say.
struct Subject<'a> {
    profile: Profile,
    name: &'a str,
    names: &'a [String],
    life: Duration,
}

fn certify(
    subject: &Subject<'_>,
    secret: &SecretKey,
    signer: &SecretKey,
    context: &mut Context<'_>,
) -> Result<String, Unfit> {
    let public = secret.public_key().to_public_key_der().map_err(|_| Unfit)?;
    let public = SubjectPublicKeyInfoOwned::try_from(public.as_bytes()).map_err(|_| Unfit)?;
    let validity = Validity {
        not_before: time(start(context.now))?,
        not_after: time(context.now.after(subject.life))?,
    };
    // Positive, and never zero.
    let serial = context.dice.bits() >> 1 | 1;
    let serial = SerialNumber::new(&serial.to_be_bytes()).map_err(|_| Unfit)?;
    let name = Name::from_str(subject.name).map_err(|_| Unfit)?;
    let signer = Sha256Signer(SigningKey::from(signer));
    let profile = subject.profile.clone();
    let mut builder = CertificateBuilder::new(profile, serial, validity, name, public, &signer)
        .map_err(|_| Unfit)?;
    if !subject.names.is_empty() {
        let name = |it: &String| Ia5String::new(it).map(GeneralName::DnsName);
        let names = subject.names.iter().map(name).collect::<Result<_, _>>().map_err(|_| Unfit)?;
        builder.add_extension(&SubjectAltName(names)).map_err(|_| Unfit)?;
        let usage = ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH]);
        builder.add_extension(&usage).map_err(|_| Unfit)?;
    }
    let certificate = builder.build::<DerSignature>().map_err(|_| Unfit)?;
    certificate.to_pem(LineEnding::LF).map_err(|_| Unfit)
}

fn start(now: Timestamp) -> Timestamp {
    let before = i64::try_from(BEFORE.as_millis()).unwrap_or_default();
    Timestamp(now.0.saturating_sub(before).max(0))
}

fn time(at: Timestamp) -> Result<Time, Unfit> {
    let since = Duration::from_millis(at.0.max(0).unsigned_abs());
    let whole = Duration::from_secs(since.as_secs());
    GeneralizedTime::from_unix_duration(whole).map(Time::GeneralTime).map_err(|_| Unfit)
}

/// A fresh key. Of all numbers one in 2^32 is none.
fn secret(dice: &mut Dice) -> SecretKey {
    loop {
        let mut bytes = [0; 32];
        dice.fill(&mut bytes);
        if let Ok(key) = SecretKey::from_slice(&bytes) {
            return key;
        }
    }
}

fn pem_of(key: &SecretKey) -> String {
    key.to_pkcs8_pem(LineEnding::LF).expect("writing to memory does not fail").to_string()
}
