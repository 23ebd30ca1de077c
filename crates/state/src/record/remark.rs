//! What is so of a service for a while, and is said once (handbook 5.5).

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// What may be so of a service for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum RemarkKind {
    /// No instance can take a task.
    #[n(0)]
    NoPlace,
    /// Launches are slowed down.
    #[n(1)]
    Throttled,
    /// The two percentages allow neither a start nor a stop.
    #[n(2)]
    Stuck,
    /// Protected tasks keep it from scaling in.
    #[n(3)]
    Protected,
    /// Zones differ, and tasks are being moved between them.
    #[n(4)]
    Rebalancing,
    /// Zones differ, and there is no place to move a task to.
    #[n(5)]
    NotMoved,
    /// A task cannot be a target.
    #[n(6)]
    NotRegistered,
    /// A target group takes no part in any load balancer.
    #[n(7)]
    Unused,
}

/// What is so of a service, as it was said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Remark {
    /// What.
    #[n(0)]
    pub kind: RemarkKind,
    /// The event's sentence, without the service's name.
    #[n(1)]
    pub sentence: String,
}

/// What is so of a service and has been said, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remarks(Vec<Remark>);

impl Remarks {
    /// Most that are kept. One that is forgotten early is said again.
    const KEPT: usize = 20;

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Remark> {
        self.0.iter()
    }

    /// Whether something of that kind is so.
    pub fn has(&self, kind: RemarkKind) -> bool {
        self.0.iter().any(|it| it.kind == kind)
    }

    /// Takes note that something is so; whether that is news. Where there is no place, only that
    /// counts: what comes closest changes all the time.
    pub fn add(&mut self, remark: Remark) -> bool {
        let is_same = |it: &Remark| match remark.kind {
            RemarkKind::NoPlace => it.kind == remark.kind,
            _ => *it == remark,
        };
        if self.0.iter().any(is_same) {
            return false;
        }
        if self.0.len() >= Self::KEPT {
            self.0.remove(0);
        }
        self.0.push(remark);
        true
    }

    /// Nothing of that kind is so any more.
    pub fn drop(&mut self, kind: RemarkKind) {
        self.0.retain(|it| it.kind != kind);
    }

    /// All is as it should be.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

// None at all is nil, as an absent option is, so that rows without remarks are written as before.
impl<C> Encode<C> for Remarks {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match self.0.is_empty() {
            true => encoder.null()?.ok(),
            false => self.0.encode(encoder, context),
        }
    }

    fn is_nil(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'b, C> Decode<'b, C> for Remarks {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        let found: Option<Vec<Remark>> = Decode::decode(decoder, context)?;
        Ok(Self(found.unwrap_or_default()))
    }

    fn nil() -> Option<Self> {
        Some(Self::default())
    }
}

impl FromIterator<Remark> for Remarks {
    fn from_iter<I: IntoIterator<Item = Remark>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_no_news_until_it_is_not_so_any_more() {
        let remark = |kind, sentence: &str| Remark { kind, sentence: sentence.into() };
        let mut all = Remarks::default();
        assert!(all.add(remark(RemarkKind::NoPlace, "for want of memory")));
        assert!(!all.add(remark(RemarkKind::NoPlace, "for want of CPU")));
        assert!(all.add(remark(RemarkKind::Protected, "one")));
        assert!(all.add(remark(RemarkKind::Protected, "two")));
        assert!(!all.add(remark(RemarkKind::Protected, "one")));
        all.drop(RemarkKind::NoPlace);
        assert!(!all.has(RemarkKind::NoPlace));
        assert!(all.add(remark(RemarkKind::NoPlace, "for want of CPU")));
        all.clear();
        assert!(all.add(remark(RemarkKind::Protected, "one")));
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut all = Remarks::default();
        for number in 0..30 {
            all.add(Remark { kind: RemarkKind::Stuck, sentence: number.to_string() });
        }
        assert_eq!(all.iter().count(), Remarks::KEPT);
    }
}
