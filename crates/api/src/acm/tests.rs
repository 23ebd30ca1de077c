//! Certificates as their users have them made, bring them and look at them.

use shapes::acm as shape;

use super::{Error, certificates, describe, request};
use crate::fixture::{Fixture, region};

/// Made with OpenSSL: each is its own issuer, valid from 2023-11-01 to 2033.
const RSA: (&str, &str) = (include_str!("tests/rsa.pem"), include_str!("tests/rsa.key"));
const P384: (&str, &str) = (include_str!("tests/p384.pem"), include_str!("tests/p384.key"));

fn blob(text: &str) -> shapes::Blob {
    shapes::Blob(text.as_bytes().to_vec())
}

fn import(region: &mut Fixture, (body, key): (&str, &str)) -> Result<String, Error> {
    let ask = shape::ImportCertificateRequest {
        certificate: Some(blob(body)),
        private_key: Some(blob(key)),
        ..Default::default()
    };
    let answer = region.write(certificates::import_certificate, ask)?;
    Ok(answer.certificate_arn.expect("an ARN"))
}

fn ask_for(names: &[&str], token: &str) -> shape::RequestCertificateRequest {
    shape::RequestCertificateRequest {
        domain_name: names.first().map(|it| (*it).to_owned()),
        subject_alternative_names: Some(names.iter().map(|it| (*it).to_owned()).collect()),
        idempotency_token: Some(token.to_owned()),
        ..Default::default()
    }
}

fn issued(region: &mut Fixture, names: &[&str], token: &str) -> String {
    let answer = region.write(request::request_certificate, ask_for(names, token));
    answer.expect("issued").certificate_arn.expect("an ARN")
}

fn described(region: &Fixture, arn: &str) -> shape::CertificateDetail {
    let ask = shape::DescribeCertificateRequest { certificate_arn: Some(arn.to_owned()) };
    let answer = region.read(describe::describe_certificate, ask).expect("described");
    answer.certificate.expect("a certificate")
}

#[test]
fn a_certificate_comes_with_its_own_key_and_a_good_chain_only() {
    let mut region = region();
    for good in [RSA, P384] {
        import(&mut region, good).expect("imported");
    }
    let twice = format!("{}{}", RSA.0, RSA.0);
    for (what, bad) in [
        ("another key", (RSA.0, P384.1)),
        ("another key", (P384.0, RSA.1)),
        ("no key", (RSA.0, "")),
        ("no certificate", ("", RSA.1)),
        ("a key for a certificate", (RSA.1, RSA.1)),
        ("two certificates", (&twice, RSA.1)),
        ("half a certificate", (RSA.0.get(..400).expect("long"), RSA.1)),
    ] {
        let refusal = import(&mut region, bad).expect_err(what);
        assert!(matches!(refusal, Error::Validation(_)), "{what}: {refusal}");
    }
    let chained = |chain: &str| shape::ImportCertificateRequest {
        certificate: Some(blob(RSA.0)),
        private_key: Some(blob(RSA.1)),
        certificate_chain: Some(blob(chain)),
        ..Default::default()
    };
    region.write(certificates::import_certificate, chained(RSA.0)).expect("its own issuer");
    region.write(certificates::import_certificate, chained(P384.0)).expect_err("another's");
}

#[test]
fn what_a_certificate_says_is_shown_and_its_key_is_not() {
    let mut region = region();
    let arn = import(&mut region, RSA).expect("imported");
    let shown = described(&region, &arn);
    assert_eq!(shown.domain_name.as_deref(), Some("rsa.example.com"));
    let names = shown.subject_alternative_names.clone().unwrap_or_default();
    assert_eq!(names, ["rsa.example.com", "*.rsa.example.com", "127.0.0.1"]);
    assert_eq!(shown.key_algorithm.as_ref().map(shape::KeyAlgorithm::as_str), Some("RSA_2048"));
    assert_eq!(shown.signature_algorithm.as_deref(), Some("SHA256WITHRSA"));
    assert_eq!(shown.r#type.as_ref().map(shape::CertificateType::as_str), Some("IMPORTED"));
    let ask = shape::GetCertificateRequest { certificate_arn: Some(arn) };
    let given = region.read(certificates::get_certificate, ask).expect("given");
    assert!(given.certificate.as_ref().is_some_and(|it| it.trim() == RSA.0.trim()));
    assert_eq!(given.certificate_chain, given.certificate, "it is the whole of its chain");
    assert!(!format!("{:?}", region.state).contains("PRIVATE KEY"));
}

#[test]
fn an_expired_certificate_is_not_taken() {
    let mut region = region();
    region.now = region.now.after(core::time::Duration::from_hours(20 * 365 * 24));
    import(&mut region, RSA).expect_err("expired");
}

#[test]
fn the_authority_issues_at_once_and_once_for_each_token() {
    let mut region = region();
    let arn = issued(&mut region, &["Web.example.com", "*.example.com"], "t");
    assert_eq!(issued(&mut region, &["web.example.com", "*.example.com"], "t"), arn);
    assert_ne!(issued(&mut region, &["web.example.com", "*.example.com"], "u"), arn);
    let shown = described(&region, &arn);
    assert_eq!(shown.status.as_ref().map(shape::CertificateStatus::as_str), Some("ISSUED"));
    let names = shown.subject_alternative_names.clone().unwrap_or_default();
    assert_eq!(names, ["web.example.com", "*.example.com"]);
    let usages = shown.extended_key_usages.unwrap_or_default();
    let usage =
        usages.first().and_then(|it| it.name.as_ref()).map(shape::ExtendedKeyUsageName::as_str);
    assert_eq!(usage, Some("TLS_WEB_SERVER_AUTHENTICATION"));

    // It can be imported elsewhere: its key and its chain are good.
    let made = region.state.certificates().get(&arn).expect("made").clone();
    let ask = shape::ImportCertificateRequest {
        certificate: Some(blob(&made.body)),
        private_key: Some(blob(&made.key)),
        certificate_chain: Some(blob(made.chain.as_deref().unwrap_or_default())),
        ..Default::default()
    };
    region.write(certificates::import_certificate, ask).expect("belongs together");
}

#[test]
fn what_the_authority_cannot_do_is_refused() {
    let mut region = region();
    let ask = || ask_for(&["web.example.com"], "t");
    for bad in [
        shape::RequestCertificateRequest { key_algorithm: Some("RSA_2048".into()), ..ask() },
        shape::RequestCertificateRequest { certificate_authority_arn: Some("a".into()), ..ask() },
        shape::RequestCertificateRequest { managed_by: Some("CLOUDFRONT".into()), ..ask() },
    ] {
        region.write(request::request_certificate, bad).expect_err("refused");
    }
}

#[test]
fn certificates_are_listed_by_what_they_are() {
    let mut region = region();
    let imported = import(&mut region, RSA).expect("imported");
    let issued = issued(&mut region, &["web.example.com"], "t");
    let list = |includes: Option<shape::Filters>| {
        let ask = shape::ListCertificatesRequest { includes, ..Default::default() };
        let answer = region.read(describe::list_certificates, ask).expect("listed");
        let all = answer.certificate_summary_list.unwrap_or_default();
        let mut arns: Vec<String> = all.into_iter().filter_map(|it| it.certificate_arn).collect();
        arns.sort();
        arns
    };
    let mut both = [imported.clone(), issued.clone()];
    both.sort();
    assert_eq!(list(None), both);
    let of = |kind: &str| {
        Some(shape::Filters { key_types: Some(vec![kind.into()]), ..Default::default() })
    };
    assert_eq!(list(of("RSA_2048")), [imported]);
    assert_eq!(list(of("EC_prime256v1")), [issued]);
}

#[test]
fn a_certificate_is_found_by_an_arn_only() {
    let region = region();
    for (arn, is_arn) in [
        ("arn:aws:acm:us-east-1:123456789012:certificate/1", true),
        ("arn:aws:acm:us-east-1:123456789012:certificate/", false),
        ("arn:aws:ecs:us-east-1:123456789012:certificate/1", false),
        ("x", false),
    ] {
        let ask = shape::GetCertificateRequest { certificate_arn: Some(arn.to_owned()) };
        let refusal = region.read(certificates::get_certificate, ask).expect_err("nothing");
        assert_eq!(matches!(refusal, Error::ResourceNotFound(_)), is_arn, "{arn}");
        assert_eq!(matches!(refusal, Error::InvalidArn(_)), !is_arn, "{arn}");
    }
}
