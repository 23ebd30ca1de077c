//! Names of the models as names of Rust.

/// Words that the split between small and capital letters would tear apart.
const WHOLE_WORDS: &[&str] = &["IPv4", "IPv6", "ARNs", "IDs", "VPCs", "VCpu", "vCpu", "GiB", "MiB"];

/// Rust's keywords among the members of the models.
const KEYWORDS: &[&str] =
    &["type", "ref", "match", "move", "use", "where", "in", "as", "static", "const"];

/// `containerInstanceARNs` as `container_instance_arns`.
pub(super) fn field(name: &str) -> String {
    let name = words(name).join("_");
    if KEYWORDS.contains(&name.as_str()) { format!("r#{name}") } else { name }
}

/// `RunTaskRequest` as `RUN_TASK_REQUEST`.
pub(super) fn constant(name: &str) -> String {
    words(name).join("_").to_uppercase()
}

/// `memoryUtilizedList` as `MemoryUtilizedList`; what is capitalised already stays.
pub(super) fn structure(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// `MANAGED_INSTANCES` as `ManagedInstances`, `awsvpc` as `Awsvpc`.
pub(super) fn variant(text: &str) -> String {
    let name: String = words(text).iter().map(|word| structure(word)).collect();
    match name.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("V{name}"),
        None => "Empty".to_owned(),
        Some(_) if name == "Other" || name == "Self" => format!("{name}Value"),
        Some(_) => name,
    }
}

/// The words of a name, in small letters.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = vec![String::new()];
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let rest: String = letters.iter().skip(at).collect();
        let whole = WHOLE_WORDS.iter().find(|whole| ends_word(&rest, whole));
        if let Some(whole) = whole {
            words.push(whole.to_lowercase());
            at += whole.len();
            if !letters.get(at).is_some_and(|next| next.is_lowercase()) {
                words.push(String::new());
            }
            continue;
        }
        let before = at.checked_sub(1).and_then(|place| letters.get(place));
        if !letter.is_ascii_alphanumeric() || starts_word(before, letter, letters.get(at + 1)) {
            words.push(String::new());
        }
        if letter.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(letter.to_ascii_lowercase());
        }
        at += 1;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn ends_word(rest: &str, whole: &str) -> bool {
    let after = rest.strip_prefix(whole).map(|after| after.chars().next());
    after.is_some_and(|next| next.is_none_or(|letter| !letter.is_lowercase()))
}

/// A capital starts a word after a small letter or digit, or before a small letter.
fn starts_word(before: Option<&char>, letter: char, next: Option<&char>) -> bool {
    letter.is_uppercase()
        && before.is_some_and(|before| {
            before.is_lowercase()
                || before.is_ascii_digit()
                || next.is_some_and(|next| next.is_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_like_rust() {
        assert_eq!(field("containerInstanceARNs"), "container_instance_arns");
        assert_eq!(field("CIDRBlock"), "cidr_block");
        assert_eq!(field("sizeInGiB"), "size_in_gib");
        assert_eq!(field("Ipv6CidrBlock"), "ipv6_cidr_block");
        assert_eq!(field("privateIPv4Address"), "private_ipv4_address");
        assert_eq!(field("vCpuCount"), "vcpu_count");
        assert_eq!(field("type"), "r#type");
        assert_eq!(constant("RunTaskRequest"), "RUN_TASK_REQUEST");
        assert_eq!(variant("MANAGED_INSTANCES"), "ManagedInstances");
        assert_eq!(variant("awsvpc"), "Awsvpc");
        assert_eq!(variant("1.2"), "V12");
    }
}
