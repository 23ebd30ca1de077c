//! The forms in which names are written.
//!
//! Source: RFC 1035, sections 2.3.4 and 5.1; Route 53 Developer Guide, "DNS domain name format".

/// Bytes of a whole name and of one label. Source: RFC 1035, section 2.3.4.
const NAME_MAX: usize = 255;
const LABEL_MAX: usize = 63;

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It has no label, or an empty one.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label is longer than 63 bytes.
    #[error("a label has more than {LABEL_MAX} bytes")]
    LongLabel,
    /// All together is longer than 255 bytes.
    #[error("the name has more than {NAME_MAX} bytes")]
    TooLong,
    /// A byte that names are not made of.
    #[error("it contains {0:?}")]
    Byte(char),
}

/// A name in lower case, with a dot at its end and without escapes (`\052` is `*`).
///
/// # Errors
///
/// What it is not made right of. The root is no name here.
pub fn canonical(name: &str) -> Result<String, BadName> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut canonical = String::with_capacity(name.len() + 1);
    for label in name.split('.') {
        let label = unescaped(label)?;
        match label.len() {
            0 => return Err(BadName::EmptyLabel),
            it if it > LABEL_MAX => return Err(BadName::LongLabel),
            _ => {}
        }
        canonical.push_str(&label);
        canonical.push('.');
    }
    if canonical.len() > NAME_MAX {
        return Err(BadName::TooLong);
    }
    Ok(canonical)
}

/// A label with its octal escapes taken out. Only what may stand in a name may be escaped.
fn unescaped(label: &str) -> Result<String, BadName> {
    let mut plain = String::with_capacity(label.len());
    let mut rest = label.chars();
    while let Some(letter) = rest.next() {
        let letter = match letter {
            '\\' => octal(&mut rest).ok_or(BadName::Byte('\\'))?,
            other => other,
        };
        // Beside letters, digits and hyphens what AWS lets names have.
        if !(letter.is_ascii_alphanumeric() || "-_*!\"#$%&'()+,/:;<=>?@[]^`{|}~".contains(letter)) {
            return Err(BadName::Byte(letter));
        }
        plain.push(letter.to_ascii_lowercase());
    }
    Ok(plain)
}

fn octal(rest: &mut core::str::Chars<'_>) -> Option<char> {
    let digits: Option<Vec<u32>> = (0..3).map(|_| rest.next()?.to_digit(8)).collect();
    let value = digits?.into_iter().fold(0, |sum, it| sum * 8 + it);
    char::from_u32(value).filter(char::is_ascii)
}

/// A name with its labels from the right, as lists are sorted: `com.example.www.`
pub fn reversed(name: &str) -> String {
    let mut labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    labels.reverse();
    labels.join(".") + "."
}

/// A name as Route 53 shows it: a star is `\052`.
pub fn shown(name: &str) -> String {
    name.replace('*', "\\052")
}

/// Whether a name is another one or below it.
pub(super) fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|it| it.is_empty() || it.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_one_way() {
        for (given, expected) in [
            ("Example.COM", "example.com."),
            ("example.com.", "example.com."),
            ("\\052.example.com", "*.example.com."),
            ("_sip._tcp.example.com", "_sip._tcp.example.com."),
        ] {
            assert_eq!(canonical(given).as_deref(), Ok(expected), "{given}");
        }
        assert_eq!(shown("*.example.com."), "\\052.example.com.");
        assert_eq!(reversed("www.example.com."), "com.example.www.");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long_label = "a".repeat(64) + ".com";
        let long = ["a".repeat(63).as_str(); 4].join(".") + ".com";
        for bad in
            ["", ".", "a..b", ".a", "a b", "ü.com", "a\\05.com", "a\\777.com", &long_label, &long]
        {
            assert!(canonical(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_within_whole_labels_only() {
        assert!(is_within("a.example.com.", "example.com."));
        assert!(is_within("example.com.", "example.com."));
        assert!(!is_within("myexample.com.", "example.com."));
    }
}
