//! What certificates are.

use shapes::acm as shape;
use state::{Certificate, Context, Origin, State};
use types::Timestamp;

use super::reading::{self, Facts};
use super::{Error, find};
use crate::page::{Page, Sizes};

/// How many certificates a page holds. Source: the model's `MaxItems`.
const PAGE: Sizes = Sizes { default: 1_000, min: 1, max: 1_000 };

/// `DescribeCertificate`.
///
/// # Errors
///
/// [`Error::ResourceNotFound`].
pub(super) fn describe_certificate(
    state: &State,
    ask: shape::DescribeCertificateRequest,
    context: &Context<'_>,
) -> Result<shape::DescribeCertificateResponse, Error> {
    let found = find::certificate(state, ask.certificate_arn.as_deref())?;
    let facts = reading::certificate(found.body.as_bytes())?;
    let certificate = Some(detail(state, found, &facts, context.now));
    Ok(shape::DescribeCertificateResponse { certificate })
}

fn detail(
    state: &State,
    it: &Certificate,
    facts: &Facts,
    now: Timestamp,
) -> shape::CertificateDetail {
    let created = Some(time(it.created_at));
    let usage = |name: &'static str| shape::KeyUsage { name: Some(name.into()) };
    let extended = |(name, oid): (&'static str, String)| shape::ExtendedKeyUsage {
        name: Some(name.into()),
        oid: Some(oid),
    };
    let shown = shape::CertificateDetail {
        certificate_arn: Some(it.arn.clone()),
        domain_name: Some(it.domain.clone()),
        subject_alternative_names: Some(it.names.clone()),
        serial: Some(facts.serial()),
        subject: Some(facts.subject()),
        issuer: Some(facts.issuer()),
        created_at: created,
        status: Some(status(it, now).into()),
        not_before: Some(time(it.not_before)),
        not_after: Some(time(it.not_after)),
        key_algorithm: Some(facts.key_algorithm.into()),
        signature_algorithm: Some(facts.signature_algorithm()),
        in_use_by: Some(find::users(state, &it.arn).into_iter().collect()),
        key_usages: Some(facts.key_usages().into_iter().map(usage).collect()),
        extended_key_usages: Some(facts.extended_usages().into_iter().map(extended).collect()),
        renewal_eligibility: Some(eligibility(state, it).into()),
        options: Some(shape::CertificateOptions {
            certificate_transparency_logging_preference: Some(
                match it.origin {
                    Origin::Imported => "DISABLED",
                    Origin::Issued => "ENABLED",
                }
                .into(),
            ),
            export: Some("DISABLED".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    match it.origin {
        Origin::Imported => shape::CertificateDetail {
            r#type: Some("IMPORTED".into()),
            imported_at: created,
            ..shown
        },
        Origin::Issued => shape::CertificateDetail {
            r#type: Some("AMAZON_ISSUED".into()),
            issued_at: Some(time(issued_at(it))),
            domain_validation_options: Some(validations(it)),
            renewal_summary: it.renewed_at.map(|at| shape::RenewalSummary {
                renewal_status: Some("SUCCESS".into()),
                domain_validation_options: Some(validations(it)),
                updated_at: Some(time(at)),
                renewal_status_reason: None,
            }),
            ..shown
        },
    }
}

fn issued_at(it: &Certificate) -> Timestamp {
    it.renewed_at.unwrap_or(it.created_at)
}

/// What is shown and was made here is renewed here.
fn eligibility(state: &State, it: &Certificate) -> &'static str {
    let is_renewed = it.origin == Origin::Issued && !find::users(state, &it.arn).is_empty();
    if is_renewed { "ELIGIBLE" } else { "INELIGIBLE" }
}

fn validations(it: &Certificate) -> Vec<shape::DomainValidation> {
    it.names.iter().map(|it| validation(it)).collect()
}

/// How the validation of a name ended, as if it had been asked for: clients want to see it.
fn validation(name: &str) -> shape::DomainValidation {
    let domain = name.trim_start_matches("*.");
    let mark = domain.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    shape::DomainValidation {
        domain_name: Some(name.to_owned()),
        validation_domain: Some(name.to_owned()),
        validation_status: Some("SUCCESS".into()),
        validation_method: Some("DNS".into()),
        resource_record: Some(shape::ResourceRecord {
            name: Some(format!("_{mark:032x}.{domain}.")),
            r#type: Some("CNAME".into()),
            value: Some(format!("_{:032x}.acm-validations.aws.", mark.rotate_left(32))),
        }),
        ..Default::default()
    }
}

fn time(at: Timestamp) -> shapes::Timestamp {
    shapes::Timestamp(at.0)
}

fn status(it: &Certificate, now: Timestamp) -> &'static str {
    if now > it.not_after { "EXPIRED" } else { "ISSUED" }
}

/// `ListCertificates`: in order of their ARNs, or of their age.
///
/// Differs: certificates with keys of every kind are listed if no kind is asked for; AWS lists
/// RSA_1024 and RSA_2048 then, and this region's own are EC_prime256v1.
///
/// # Errors
///
/// [`Error::InvalidArgs`] for a page that does not exist.
pub(super) fn list_certificates(
    state: &State,
    ask: shape::ListCertificatesRequest,
    context: &Context<'_>,
) -> Result<shape::ListCertificatesResponse, Error> {
    let descending = ask.sort_order.as_ref().is_some_and(|it| it.as_str() == "DESCENDING");
    let by_age = ask.sort_by.is_some();
    if by_age != ask.sort_order.is_some() {
        return Err(Error::InvalidArgs("SortBy and SortOrder go together.".to_owned()));
    }
    let place = |it: &Certificate| {
        let time = it.created_at.0.max(0);
        let time = if descending { i64::MAX - time } else { time };
        if by_age { format!("{time:020}{}", it.arn) } else { it.arn.clone() }
    };
    let scope = format!("ListCertificates {by_age} {descending}");
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_items, PAGE)?;
    let mut found: Vec<shape::CertificateSummary> = Vec::new();
    let mut places = Vec::new();
    let mut all: Vec<&Certificate> = state.certificates().values().map(AsRef::as_ref).collect();
    all.sort_by_key(|it| place(it));
    for it in all.into_iter().filter(|it| page.after().is_none_or(|after| *place(it) > *after)) {
        if found.len() > page.size() {
            break;
        }
        let facts = reading::certificate(it.body.as_bytes())?;
        let shown = summary(state, it, &facts, context.now);
        if is_meant(&shown, ask.certificate_statuses.as_deref(), ask.includes.as_ref()) {
            found.push(shown);
            places.push(place(it));
        }
    }
    let (page, next_token) = page.cut(found.into_iter().zip(places), |it| it.1.clone());
    let page = page.into_iter().map(|it| it.0).collect();
    Ok(shape::ListCertificatesResponse { certificate_summary_list: Some(page), next_token })
}

/// Whether a certificate passes every filter.
fn is_meant(
    shown: &shape::CertificateSummary,
    statuses: Option<&[shape::CertificateStatus]>,
    includes: Option<&shape::Filters>,
) -> bool {
    let has = |it: Option<&shape::CertificateStatus>, wanted: &[shape::CertificateStatus]| {
        wanted.is_empty() || it.is_some_and(|it| wanted.contains(it))
    };
    let any = shape::Filters::default();
    let shape::Filters { export_option, extended_key_usage, key_types, key_usage, managed_by } =
        includes.unwrap_or(&any);
    let some_of = |wanted: Option<Vec<String>>, has: Vec<String>| {
        wanted.is_none_or(|wanted| wanted.is_empty() || has.iter().any(|it| wanted.contains(it)))
    };
    let texts = |it: &Option<Vec<shape::KeyUsageName>>| {
        it.as_ref().map(|it| it.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>())
    };
    let extended_texts = |it: &Option<Vec<shape::ExtendedKeyUsageName>>| {
        it.as_ref().map(|it| it.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>())
    };
    let key_types =
        key_types.as_ref().map(|it| it.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>());
    let key_type = shown.key_algorithm.iter().map(|it| it.as_str().to_owned()).collect();
    statuses.is_none_or(|wanted| has(shown.status.as_ref(), wanted))
        && some_of(key_types, key_type)
        && some_of(texts(key_usage), texts(&shown.key_usages).unwrap_or_default())
        && some_of(
            extended_texts(extended_key_usage),
            extended_texts(&shown.extended_key_usages).unwrap_or_default(),
        )
        && export_option.as_ref().is_none_or(|it| it.as_str() == "DISABLED")
        && managed_by.is_none()
}

fn summary(
    state: &State,
    it: &Certificate,
    facts: &Facts,
    now: Timestamp,
) -> shape::CertificateSummary {
    let usages = facts.key_usages().into_iter().map(Into::into).collect();
    let extended = facts.extended_usages().into_iter().map(|it| it.0.into()).collect();
    let created = Some(time(it.created_at));
    let (kind, imported_at, issued_at) = match it.origin {
        Origin::Imported => ("IMPORTED", created, None),
        Origin::Issued => ("AMAZON_ISSUED", None, Some(time(issued_at(it)))),
    };
    shape::CertificateSummary {
        certificate_arn: Some(it.arn.clone()),
        domain_name: Some(it.domain.clone()),
        subject_alternative_name_summaries: Some(it.names.clone()),
        has_additional_subject_alternative_names: Some(false),
        status: Some(status(it, now).into()),
        r#type: Some(kind.into()),
        key_algorithm: Some(facts.key_algorithm.into()),
        key_usages: Some(usages),
        extended_key_usages: Some(extended),
        in_use: Some(!find::users(state, &it.arn).is_empty()),
        renewal_eligibility: Some(eligibility(state, it).into()),
        not_before: Some(time(it.not_before)),
        not_after: Some(time(it.not_after)),
        created_at: created,
        imported_at,
        issued_at,
        ..Default::default()
    }
}
