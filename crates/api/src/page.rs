//! Long lists in pages, and the opaque tokens that lead from one to the next.

/// A page that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageError {
    /// A size out of range.
    #[error("maxResults must be between {} and {}.", .0.min, .0.max)]
    Size(Sizes),
    /// A token that is not of this list.
    #[error("Invalid nextToken.")]
    Token,
}

/// How many items a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Where the client asks for no size.
    pub(crate) default: usize,
    /// At least.
    pub(crate) min: usize,
    /// At most.
    pub(crate) max: usize,
}

/// Most lists of ECS. Source: handbook 2.1.
pub(crate) const HUNDRED: Sizes = Sizes { default: 100, min: 1, max: 100 };

/// ListServices and ListAccountSettings. Source: handbook 2.1.
pub(crate) const TEN: Sizes = Sizes { default: 10, min: 1, max: 100 };

/// Which part of a list a request asks for.
///
/// A token holds the last key of the page before, so that it stays good while the list changes,
/// and a checksum over key and scope, so that a token of another list is told apart.
#[derive(Debug)]
pub(crate) struct Page {
    scope: String,
    after: Option<String>,
    size: usize,
}

impl Page {
    /// Reads what a request says about pages. `scope` names the list: operation and filters.
    ///
    /// # Errors
    ///
    /// A size out of range, or a token that is not of this list.
    pub(crate) fn parse(
        scope: impl Into<String>,
        token: Option<&str>,
        max_results: Option<i32>,
        sizes: Sizes,
    ) -> Result<Self, PageError> {
        let scope = scope.into();
        let size = match max_results {
            None => sizes.default,
            Some(wanted) => usize::try_from(wanted)
                .ok()
                .filter(|it| (sizes.min..=sizes.max).contains(it))
                .ok_or(PageError::Size(sizes))?,
        };
        let after = match token.filter(|it| !it.is_empty()) {
            None => None,
            Some(token) => Some(open(&scope, token).ok_or(PageError::Token)?),
        };
        Ok(Self { scope, after, size })
    }

    /// The last key of the page before: this page begins after it.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// So many items at most.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Takes one page of the items, which begin after [`Page::after`], and makes the token of the
    /// next one if there is more.
    pub(crate) fn cut<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let mut page: Vec<T> = items.take(self.size + 1).collect();
        if page.len() <= self.size {
            return (page, None);
        }
        page.truncate(self.size);
        let token = page.last().map(|it| seal(&self.scope, &key(it)));
        (page, token)
    }
}

/// The token that leads behind a key of a list.
pub(crate) fn seal(scope: &str, key: &str) -> String {
    format!("{:016x}{}", checksum(scope, key), types::hex(key.as_bytes()))
}

fn open(scope: &str, token: &str) -> Option<String> {
    let (sum, digits) = token.split_at_checked(16)?;
    let sum = u64::from_str_radix(sum, 16).ok()?;
    let digits = digits.as_bytes().chunks(2).map(|pair| {
        let pair = core::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let key = String::from_utf8(digits.collect::<Option<Vec<u8>>>()?).ok()?;
    (checksum(scope, &key) == sum).then_some(key)
}

/// FNV-1a over scope and key. It guards against mistakes, not against forgery: a forged token
/// shows nothing that another page would not.
fn checksum(scope: &str, key: &str) -> u64 {
    let bytes = scope.bytes().chain([0]).chain(key.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(token: Option<&str>) -> Result<Page, PageError> {
        Page::parse("letters", token, Some(2), HUNDRED)
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let letters = ["a", "b", "c", "d", "e"];
        let mut token = None;
        let mut seen = Vec::new();
        loop {
            let page = page(token.as_deref()).expect("a good token");
            let after = page.after().unwrap_or_default();
            let rest = letters.iter().copied().filter(|it| *it > after);
            let (items, next) = page.cut(rest, |it| (*it).to_owned());
            seen.push(items);
            match next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    }

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let token = seal("letters", "b");
        assert_eq!(page(Some(&token)).expect("good").after(), Some("b"));
        let other = Page::parse("digits", Some(&token), None, HUNDRED);
        assert_eq!(other.expect_err("refused"), PageError::Token);
        for bad in ["x", "0123456789abcdef", "é", &format!("{token}0"), &token.replace('6', "7")] {
            assert!(page(Some(bad)).is_err(), "{bad}");
        }
        assert!(page(Some("")).is_ok(), "an empty token is none");
    }

    #[test]
    fn a_page_has_at_least_one_item_and_at_most_a_hundred() {
        for bad in [0, -1, 101, i32::MIN, i32::MAX] {
            assert!(Page::parse("letters", None, Some(bad), HUNDRED).is_err(), "{bad}");
        }
    }
}
