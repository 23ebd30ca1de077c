//! Paths of operations, as `/2015-03-31/functions/{FunctionName}/code`.

use percent_encoding::percent_decode_str;

/// The values of a path's labels by name, still percent-encoded.
pub(crate) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Whether the query string has what an operation's own asks for: `List=ALL` in
/// `/functions/{FunctionName}/provisioned-concurrency?List=ALL`.
pub(crate) fn has_fixed_query(pattern: &str, query: &str) -> bool {
    let fixed = pattern.split_once('?').map_or("", |(_, fixed)| fixed);
    let mut fixed = fixed.split('&').filter(|pair| !pair.is_empty());
    fixed.all(|wanted| query.split('&').any(|pair| pair == wanted))
}

/// A path and the labels that it gives, if it fits the operation's.
///
/// `{Name}` takes one segment that is not empty, `{Name+}` one or more.
pub(crate) fn matches<'a>(pattern: &'static str, path: &'a str) -> Option<Labels<'a>> {
    let pattern = pattern.split_once('?').map_or(pattern, |(pattern, _)| pattern);
    let mut labels = Labels::new();
    let mut rest = path.trim_matches('/');
    let mut wanted = pattern.trim_matches('/').split('/').peekable();
    while let Some(segment) = wanted.next() {
        let label = segment.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        if let Some(name) = label.and_then(|label| label.strip_suffix('+')) {
            // No operation of the models has anything behind a label that takes many segments.
            let fits = wanted.peek().is_none() && !rest.is_empty();
            labels.push((name, rest));
            return fits.then_some(labels);
        }
        let (segment_given, behind) = rest.split_once('/').unwrap_or((rest, ""));
        match label {
            Some(name) if !segment_given.is_empty() => labels.push((name, segment_given)),
            None if segment == segment_given => {}
            _ => return None,
        }
        rest = behind;
    }
    rest.is_empty().then_some(labels)
}

/// A label as the caller meant it.
pub(crate) fn decoded(label: &str) -> Option<String> {
    percent_decode_str(label).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_give_their_labels() {
        let invoke = "/2015-03-31/functions/{FunctionName}/invocations";
        assert_eq!(
            matches(invoke, "/2015-03-31/functions/f%3A1/invocations"),
            Some(vec![("FunctionName", "f%3A1")])
        );
        assert_eq!(matches(invoke, "/2015-03-31/functions//invocations"), None);
        assert_eq!(matches(invoke, "/2015-03-31/functions/f"), None);
        assert_eq!(matches(invoke, "/2015-03-31/functions/f/invocations/g"), None);
        assert_eq!(matches("/a/{Key+}", "/a/b/c"), Some(vec![("Key", "b/c")]));
        assert_eq!(matches("/a/{Id}/rrset/", "/a/1/rrset"), Some(vec![("Id", "1")]));
        assert_eq!(matches("/", "/"), Some(vec![]));
    }
}
