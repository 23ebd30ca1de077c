//! Filters and identifiers: which of what there is a request asks for.
//!
//! Source: Amazon EC2 User Guide, "List and filter using the CLI and API".

use shapes::ec2 as shape;

use super::Error;

/// What a resource has under the name of a filter; `None` if no such filter exists.
pub(super) type Field<'a> = dyn Fn(&str) -> Option<Vec<String>> + 'a;

/// Whether a resource passes all filters: each by one of its values, in which `*` stands for any
/// text and `?` for one character.
///
/// # Errors
///
/// [`Error::InvalidParameterValue`] for a filter that does not exist.
pub(super) fn passes(filters: Option<&[shape::Filter]>, field: &Field<'_>) -> Result<bool, Error> {
    let mut all = true;
    for filter in filters.unwrap_or_default() {
        let name = filter.name.as_deref().unwrap_or_default();
        let has = match field(name) {
            Some(has) => has,
            // Nothing of ours has tags.
            None if name == "tag-key" || name.starts_with("tag:") => Vec::new(),
            None => {
                return Err(Error::InvalidParameterValue(format!(
                    "The filter '{name}' is invalid"
                )));
            }
        };
        let wanted = filter.values.as_deref().unwrap_or_default();
        all &= wanted.iter().any(|pattern| has.iter().any(|it| like(pattern, it)));
    }
    Ok(all)
}

/// The identifiers that a request names, if it names any.
pub(super) fn named(ids: Option<&[String]>) -> Option<&[String]> {
    ids.filter(|it| !it.is_empty())
}

/// Whether a text is like a pattern with `*` and `?`.
///
/// Goes back to the last star only, so it takes at most the product of both lengths.
fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut reached) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(reached) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, reached));
                at += 1;
            }
            Some(wanted) if wanted == letter || *wanted == '?' => {
                at += 1;
                reached += 1;
            }
            _ => {
                let Some((place, from)) = star else { return false };
                star = Some((place, from + 1));
                at = place + 1;
                reached = from + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|it| *it == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_text() {
        for (pattern, text) in
            [("a", "a"), ("*", ""), ("a*", "abc"), ("*c", "abc"), ("a?c", "abc"), ("*b*b*", "abab")]
        {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "b"), ("", "a"), ("a?", "a"), ("*b", "abc"), ("A", "a")] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
    }
}
