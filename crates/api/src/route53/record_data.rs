//! What the values of record sets may be.
//!
//! Source: Route 53 Developer Guide, "Supported DNS record types".

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use plan::names;
use state::Answer;

/// Types of records.
const TYPES: [&str; 17] = [
    "A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV",
    "SSHFP", "SVCB", "TLSA", "TXT",
];
/// Values of one set. Source: Route 53 Developer Guide, "Quotas on records".
const VALUES_MAX: usize = 400;
/// Characters of one string of a TXT value. Source: RFC 1035, section 3.3.
const STRING_MAX: usize = 255;

/// Whether there are records of such a type.
pub(super) fn is_type(kind: &str) -> bool {
    TYPES.contains(&kind)
}

/// Checks the values of a set, or that sets of its type can be aliases.
///
/// # Errors
///
/// What is wrong, in AWS's words.
pub(super) fn check(kind: &str, answer: &Answer) -> Result<(), String> {
    let values = match answer {
        Answer::Values { values, .. } => values,
        Answer::Alias { .. } if ["NS", "SOA"].contains(&kind) => {
            return Err(format!("Records of type {kind} cannot be aliases"));
        }
        Answer::Alias { .. } => return Ok(()),
    };
    if values.len() > VALUES_MAX {
        return Err(format!("A resource record set can have at most {VALUES_MAX} values"));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = values.iter().find(|it| !seen.insert(it.as_str())) {
        return Err(format!("Duplicate Resource Record: '{twice}'"));
    }
    if ["CNAME", "SOA"].contains(&kind) && values.len() > 1 {
        return Err(format!("Only one value is permitted for records of type {kind}"));
    }
    for value in values {
        one(kind, value).map_err(|problem| {
            format!(
                "Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"
            )
        })?;
    }
    Ok(())
}

fn one(kind: &str, value: &str) -> Result<(), &'static str> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let is_name = |it: &&str| *it == "." || names::canonical(it).is_ok();
    let is_number = |it: &&str| it.parse::<u32>().is_ok();
    let is_small = |it: &&str| it.parse::<u16>().is_ok();
    let good = match (kind, words.as_slice()) {
        ("A", [it]) => {
            let is_address = it.parse::<Ipv4Addr>().is_ok();
            return is_address
                .then_some(())
                .ok_or("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)");
        }
        ("A", _) => return Err("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
        ("AAAA", [it]) if it.parse::<Ipv6Addr>().is_ok() => true,
        ("AAAA", _) => {
            return Err("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)");
        }
        ("CNAME" | "NS" | "PTR", [it]) => is_name(it),
        ("MX", [priority, name]) => is_small(priority) && is_name(name),
        ("SRV", [priority, weight, port, name]) => {
            [priority, weight, port].into_iter().all(is_small) && is_name(name)
        }
        ("SOA", [server, person, numbers @ ..]) => {
            is_name(server)
                && is_name(person)
                && numbers.len() == 5
                && numbers.iter().all(is_number)
        }
        ("CAA", [flags, _, ..]) => flags.parse::<u8>().is_ok() && value.ends_with('"'),
        ("TXT" | "SPF", _) => return strings(value),
        ("CNAME" | "NS" | "PTR" | "MX" | "SRV" | "SOA" | "CAA", _) => false,
        (_, words) => !words.is_empty(),
    };
    good.then_some(()).ok_or("InvalidRData (Value is not valid for this type)")
}

/// Texts in quotation marks, with a space between them.
fn strings(value: &str) -> Result<(), &'static str> {
    const UNQUOTED: &str = "InvalidCharacterString (Value should be enclosed in quotation marks)";
    let mut rest = value.trim();
    if rest.is_empty() {
        return Err(UNQUOTED);
    }
    while !rest.is_empty() {
        let inner = rest.strip_prefix('"').ok_or(UNQUOTED)?;
        let end = end_of_string(inner).ok_or(UNQUOTED)?;
        if end > STRING_MAX {
            return Err("CharacterStringTooLong (Value is too long)");
        }
        let after = inner.split_at_checked(end).map_or("", |it| it.1);
        rest = after.strip_prefix('"').unwrap_or(after).trim_start();
    }
    Ok(())
}

/// Where a text ends: at the first quotation mark without a backslash before it. In bytes.
fn end_of_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (place, letter) in text.char_indices() {
        match letter {
            '"' if !escaped => return Some(place),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}
