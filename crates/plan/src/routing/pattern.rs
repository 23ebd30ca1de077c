//! Patterns with `*`, `?` and escapes, as load balancer rules have them.
//!
//! Source: Application Load Balancers User Guide, "Condition types for listener rules".

/// A pattern, ready to be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    form: Form,
    case: Case,
}

/// Whether letters of different case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They are not.
    Sensitive,
    /// ASCII letters are.
    Insensitive,
}

/// What a pattern comes to. The common forms need no walk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Exact(Box<[u8]>),
    /// `text*`
    Prefix(Box<[u8]>),
    /// `*text`
    Suffix(Box<[u8]>),
    General(Box<[Token]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    One,
    /// `*`
    Any,
}

/// What of a pattern an index can use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The whole text.
    Exact(Vec<u8>),
    /// How it begins.
    Prefix(Vec<u8>),
    /// How it ends.
    Suffix(Vec<u8>),
    /// Nothing.
    None,
}

impl Pattern {
    /// Reads a pattern. Any text is one; a backslash at its end stands for itself.
    pub fn new(text: &str, case: Case) -> Self {
        let tokens = tokens(text, case);
        let literal = |tokens: &[Token]| -> Option<Box<[u8]>> {
            tokens.iter().copied().map(literal_byte).collect()
        };
        let form = match tokens.as_slice() {
            [Token::Any, rest @ ..] if literal(rest).is_some() => literal(rest).map(Form::Suffix),
            [rest @ .., Token::Any] => literal(rest).map(Form::Prefix),
            all => literal(all).map(Form::Exact),
        };
        Self { form: form.unwrap_or_else(|| Form::General(tokens.into())), case }
    }

    /// Whether the whole of `text` is as the pattern says. Linear in the text for all forms but
    /// patterns with several `*`, of which rules may have five.
    pub fn matches(&self, text: &[u8]) -> bool {
        let equal = |pattern: &[u8], text: &[u8]| match self.case {
            Case::Sensitive => pattern == text,
            Case::Insensitive => pattern.eq_ignore_ascii_case(text),
        };
        match &self.form {
            Form::Exact(all) => equal(all, text),
            Form::Prefix(start) => {
                text.split_at_checked(start.len()).is_some_and(|(head, _)| equal(start, head))
            }
            Form::Suffix(end) => text
                .len()
                .checked_sub(end.len())
                .and_then(|at| text.split_at_checked(at))
                .is_some_and(|(_, tail)| equal(end, tail)),
            Form::General(tokens) => walk(tokens, text, self.case),
        }
    }

    /// What an index can find it by; in lower case if case does not matter.
    pub(super) fn key(&self) -> Key {
        match &self.form {
            Form::Exact(all) => Key::Exact(all.to_vec()),
            Form::Prefix(start) if !start.is_empty() => Key::Prefix(start.to_vec()),
            Form::Suffix(end) if !end.is_empty() => Key::Suffix(end.to_vec()),
            Form::Prefix(_) | Form::Suffix(_) => Key::None,
            Form::General(tokens) => {
                let start: Vec<u8> = tokens.iter().copied().map_while(literal_byte).collect();
                if start.is_empty() { Key::None } else { Key::Prefix(start) }
            }
        }
    }
}

fn literal_byte(token: Token) -> Option<u8> {
    match token {
        Token::Byte(byte) => Some(byte),
        Token::One | Token::Any => None,
    }
}

fn tokens(text: &str, case: Case) -> Vec<Token> {
    let fold = |byte: u8| match case {
        Case::Sensitive => byte,
        Case::Insensitive => byte.to_ascii_lowercase(),
    };
    let mut tokens = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let token = match byte {
            b'*' if tokens.last() == Some(&Token::Any) => continue,
            b'*' => Token::Any,
            b'?' => Token::One,
            b'\\' => match bytes.next_if(|next| matches!(next, b'*' | b'?' | b'\\')) {
                Some(escaped) => Token::Byte(escaped),
                None => Token::Byte(b'\\'),
            },
            other => Token::Byte(fold(other)),
        };
        tokens.push(token);
    }
    tokens
}

/// Two fingers: on a mismatch the last `*` takes one character more.
fn walk(tokens: &[Token], text: &[u8], case: Case) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(at) {
        let byte = match case {
            Case::Sensitive => *byte,
            Case::Insensitive => byte.to_ascii_lowercase(),
        };
        match tokens.get(token) {
            Some(Token::Any) => {
                last_any = Some((token, at));
                token += 1;
            }
            Some(Token::One) => (token, at) = (token + 1, at + 1),
            Some(Token::Byte(wanted)) if *wanted == byte => (token, at) = (token + 1, at + 1),
            _ => {
                let Some((any, taken)) = last_any else { return false };
                last_any = Some((any, taken + 1));
                (token, at) = (any + 1, taken + 1);
            }
        }
    }
    tokens.get(token..).unwrap_or_default().iter().all(|it| *it == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        let pattern = Pattern::new(pattern, Case::Sensitive);
        assert_eq!(pattern.matches(text.as_bytes()), expected, "{pattern:?} on {text}");
    }

    #[test]
    fn stars_take_any_run_and_question_marks_one_character() {
        check("/img/*", "/img/a/b", true);
        check("/img/*", "/img/", true);
        check("/img/*", "/img", false);
        check("/img*", "/img", true);
        check("*.png", "/a.png", true);
        check("*", "", true);
        check("/a?c", "/abc", true);
        check("/a?c", "/ac", false);
        check("/a*b*c", "/axxbyyc", true);
        check("/a*b*c", "/axxbyy", false);
        check("**a", "bba", true);
        check("", "", true);
        check("", "a", false);
    }

    #[test]
    fn backslashes_take_the_meaning_from_what_follows() {
        check(r"/a\*", "/a*", true);
        check(r"/a\*", "/ab", false);
        check(r"/\?", "/?", true);
        check(r"/a\\*", r"/a\b", true);
        check(r"/a\", r"/a\", true);
    }

    #[test]
    fn case_matters_only_where_it_should() {
        check("/A", "/a", false);
        let host = Pattern::new("*.Example.COM", Case::Insensitive);
        assert!(host.matches(b"www.example.com") && host.matches(b"WWW.EXAMPLE.COM"));
        assert!(!host.matches(b"example.com"));
    }

    #[test]
    fn an_index_gets_what_is_literal() {
        let key = |text| Pattern::new(text, Case::Insensitive).key();
        assert_eq!(key("Api.x"), Key::Exact(b"api.x".to_vec()));
        assert_eq!(key("*.x.org"), Key::Suffix(b".x.org".to_vec()));
        assert_eq!(key("/a/*/b"), Key::Prefix(b"/a/".to_vec()));
        assert_eq!(key("*a*"), Key::None);
        assert_eq!(key("*"), Key::None);
    }
}
