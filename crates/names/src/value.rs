//! Values of records, from the form of a zone file to what goes on the wire.

use core::fmt::Write as _;

use domain::base::iana::Class;
use domain::base::{Name, NameBuilder, Record, Ttl};
use domain::zonefile::inplace::{Entry, ScannedRecordData, Zonefile};

/// A record as it goes on the wire.
pub(crate) type Wire = Record<Name<Vec<u8>>, ScannedRecordData>;

/// A record that cannot be told: its name or its value has not the form of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} of {name} cannot be told")]
pub(crate) struct Unreadable {
    name: String,
    kind: String,
    value: String,
}

/// Reads a record.
pub(crate) fn record(it: &plan::names::Record) -> Result<Wire, Unreadable> {
    let read = || {
        let owner = name(&it.name)?;
        let data = data(&it.kind, &it.value)?;
        Some(Record::new(owner, Class::IN, Ttl::from_secs(it.ttl), data))
    };
    let unreadable =
        || Unreadable { name: it.name.clone(), kind: it.kind.clone(), value: it.value.clone() };
    read().ok_or_else(unreadable)
}

/// Reads a name; its labels may be of any bytes but dots.
pub(crate) fn name(text: &str) -> Option<Name<Vec<u8>>> {
    let mut builder = NameBuilder::new_vec();
    for label in text.trim_end_matches('.').split('.').filter(|it| !it.is_empty()) {
        builder.append_label(label.as_bytes()).ok()?;
    }
    builder.into_name().ok()
}

fn data(kind: &str, value: &str) -> Option<ScannedRecordData> {
    // A value is one entry of a zone file, and must not begin another one.
    if value.contains(['\n', '\r', '\0']) {
        return None;
    }
    let text = format!(". 0 IN {kind} {}\n", decimal(value));
    let mut file = Zonefile::from(text.as_str());
    // In Route 53 all names are whole, also those without a dot at their end.
    file.set_origin(Name::root_bytes());
    match file.next_entry() {
        Ok(Some(Entry::Record(record))) => Some(record.into_data()),
        Ok(Some(Entry::Include { .. }) | None) | Err(_) => None,
    }
}

/// Zone files count escaped bytes in tens, Route 53 in eights.
///
/// Source: RFC 1035, section 5.1; Route 53 Developer Guide, "TXT record type".
fn decimal(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let digits = after.get(..3).and_then(|it| u8::from_str_radix(it, 8).ok());
        if let Some(byte) = digits {
            // Writing to a text does not fail.
            let _ = write!(text, "\\{byte:03}");
            rest = after.get(3..).unwrap_or_default();
        } else {
            // The escaped character goes with its backslash: it may be one itself.
            let end = after.chars().next().map_or(0, char::len_utf8);
            let (escaped, others) = after.split_at(end);
            text.push('\\');
            text.push_str(escaped);
            rest = others;
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record of a zone.
    pub(crate) fn record(name: &str, kind: &str, value: &str) -> plan::names::Record {
        let (name, kind, value) = (name.to_owned(), kind.to_owned(), value.to_owned());
        plan::names::Record { name, kind, ttl: 60, value }
    }

    fn shown(kind: &str, value: &str) -> Option<String> {
        data(kind, value).map(|it| it.to_string())
    }

    #[test]
    fn values_are_read_by_their_types() {
        for (kind, value, expected) in [
            ("A", "192.0.2.1", "192.0.2.1"),
            ("AAAA", "2001:db8:0::1", "2001:db8::1"),
            ("CNAME", "www.example.com", "www.example.com."),
            ("CNAME", "www.example.com.", "www.example.com."),
            ("MX", "10 mail.example.com", "10 mail.example.com."),
            ("SRV", "1 2 443 host.example.com.", "1 2 443 host.example.com"),
            ("NS", "ns1.example.com", "ns1.example.com."),
            ("PTR", "host.example.com.", "host.example.com."),
            ("TXT", "\"two words\" \"more\"", "\"two words\" \"more\""),
            ("TXT", "\"a \\\" and \\101\"", "\"a \\\" and A\""),
            ("TXT", "\"semi;colon (here)\"", "\"semi;colon (here)\""),
            ("CAA", "0 issue \"ca.example.com\"", "0 issue \"ca.example.com\""),
            ("SOA", "ns. host. 1 7200 900 1209600 60", "ns. host. 1 7200 900 1209600 60"),
        ] {
            assert_eq!(shown(kind, value).as_deref(), Some(expected), "{kind} {value}");
        }
    }

    #[test]
    fn what_is_no_value_is_no_record() {
        let long = format!("\"{}\"", "a".repeat(256));
        for (kind, value) in [
            ("A", "192.0.2"),
            ("A", "192.0.2.1 192.0.2.2"),
            ("A", "192.0.2.1\n. 0 IN A 192.0.2.2"),
            ("AAAA", "192.0.2.1"),
            ("MX", "mail.example.com"),
            ("TXT", "\"open"),
            ("TXT", &long),
            ("NONSENSE", "1"),
            ("A", ""),
        ] {
            assert_eq!(shown(kind, value), None, "{kind} {value}");
        }
    }

    #[test]
    fn escapes_are_counted_anew() {
        for (given, expected) in
            [("\\052.a", "\\042.a"), ("a\\\\052", "a\\\\052"), ("\\\"", "\\\""), ("\\", "\\")]
        {
            assert_eq!(decimal(given), expected, "{given}");
        }
    }
}
