//! Finds the rule for a request without asking every rule.
//!
//! Each rule stands under the key of one of its conditions, the one that the fewest rules share; a
//! request asks only the rules that stand under what it is. What a request costs follows from how
//! many rules share its keys, not from how many rules there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Head;
use super::condition::{Place, Test};
use super::pattern::Key;

/// Rules by the keys of their conditions. Rules are numbered in the order in which they are asked.
#[derive(Debug, Default)]
pub(super) struct Index {
    hosts: Texts,
    paths: Texts,
    /// By name in lower case.
    headers: BTreeMap<String, Texts>,
    /// Rules that nothing can be found by, in order.
    others: Vec<u32>,
}

/// Rules by a text, or by how it begins or ends. Never iterated, so that hash order shows nowhere.
#[derive(Debug, Default)]
struct Texts {
    exact: HashMap<Vec<u8>, Vec<u32>>,
    prefixes: HashMap<Vec<u8>, Vec<u32>>,
    prefix_lengths: BTreeSet<usize>,
    suffixes: HashMap<Vec<u8>, Vec<u32>>,
    suffix_lengths: BTreeSet<usize>,
}

/// How many lists of rules a request is looked up in without a list of its own on the heap.
const LISTS_USUAL: usize = 8;

impl Index {
    /// The index of rules, given the conditions of each.
    pub(super) fn new(rules: &[Vec<Test>]) -> Self {
        let mut shared: BTreeMap<(Place, Key), u32> = BTreeMap::new();
        for key in rules.iter().flatten().filter_map(Test::keys).flatten() {
            *shared.entry(key).or_default() += 1;
        }
        let crowd = |keys: &[(Place, Key)]| {
            keys.iter().filter_map(|key| shared.get(key)).max().copied().unwrap_or(u32::MAX)
        };
        let mut index = Self::default();
        for (number, tests) in (0..).zip(rules) {
            let keys = tests.iter().filter_map(Test::keys).min_by_key(|it| crowd(it));
            match keys {
                Some(keys) => keys.into_iter().for_each(|key| index.insert(number, key)),
                None => index.others.push(number),
            }
        }
        index
    }

    fn insert(&mut self, rule: u32, (place, key): (Place, Key)) {
        let texts = match place {
            Place::Host => &mut self.hosts,
            Place::Path => &mut self.paths,
            Place::Header(name) => self.headers.entry(name).or_default(),
        };
        let list = match key {
            Key::Exact(text) => texts.exact.entry(text).or_default(),
            Key::Prefix(text) => {
                texts.prefix_lengths.insert(text.len());
                texts.prefixes.entry(text).or_default()
            }
            Key::Suffix(text) => {
                texts.suffix_lengths.insert(text.len());
                texts.suffixes.entry(text).or_default()
            }
            Key::None => &mut self.others,
        };
        // Two values of one condition may have one key.
        if list.last() != Some(&rule) {
            list.push(rule);
        }
    }

    /// The first rule, in order, for which `holds` is true, among those that can be meant.
    pub(super) fn first(&self, head: &Head<'_>, mut holds: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut lists: Vec<&[u32]> = Vec::with_capacity(LISTS_USUAL);
        self.collect(head, &mut lists);
        loop {
            let nearest = lists.iter().filter_map(|it| it.first()).min().copied()?;
            if holds(nearest) {
                return Some(nearest);
            }
            for list in &mut lists {
                if let Some((first, rest)) = list.split_first()
                    && *first == nearest
                {
                    *list = rest;
                }
            }
        }
    }

    fn collect<'a>(&'a self, head: &Head<'_>, lists: &mut Vec<&'a [u32]>) {
        lists.push(&self.others);
        if !self.hosts.is_empty() {
            // Keys of hosts are in lower case.
            self.hosts.collect(head.host.to_ascii_lowercase().as_bytes(), lists);
        }
        self.paths.collect(head.path.as_bytes(), lists);
        for (name, texts) in &self.headers {
            head.headers.any(name, &mut |value| {
                texts.collect(&value.to_ascii_lowercase(), lists);
                false
            });
        }
    }
}

impl Texts {
    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefix_lengths.is_empty() && self.suffix_lengths.is_empty()
    }

    fn collect<'a>(&'a self, text: &[u8], lists: &mut Vec<&'a [u32]>) {
        if !self.exact.is_empty() {
            lists.extend(self.exact.get(text).map(Vec::as_slice));
        }
        for length in self.prefix_lengths.iter().take_while(|it| **it <= text.len()) {
            let start = text.get(..*length).and_then(|it| self.prefixes.get(it));
            lists.extend(start.map(Vec::as_slice));
        }
        for length in self.suffix_lengths.iter().take_while(|it| **it <= text.len()) {
            let end = text.get(text.len() - length..).and_then(|it| self.suffixes.get(it));
            lists.extend(end.map(Vec::as_slice));
        }
    }
}
