//! What is said to each question.

use core::hash::{BuildHasher as _, Hasher as _};
use std::hash::RandomState;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use domain::base::iana::{Rcode, Rtype};
use domain::base::message_builder::PushError;
use domain::base::{Message, MessageBuilder, ToName as _};
use domain::rdata::AllRecordData;
use plan::names::{Answers, Outcome, canonical};

use crate::answer::{self, Page, Source};
use crate::clients::Clients;
use crate::forward::Resolvers;
use crate::query::{self, DATAGRAM_MAX, Query, Unfit, Way};
use crate::value::{self, Wire};

/// What names of the region stand for, as far as it is durable.
pub trait Names: Send + Sync {
    /// Answers a question as [`plan::names::resolve`] does.
    fn resolve(&self, name: &str, kind: &str, chance: u64) -> Answers;
}

/// Everything that answering takes.
pub struct Desk {
    /// Who knows the region's names.
    pub names: Arc<dyn Names>,
    /// Who is answered.
    pub clients: Clients,
    /// Who is asked about everything else.
    pub resolvers: Resolvers,
}

/// What is done about a message.
pub(crate) enum Next {
    /// Nothing.
    Silence,
    /// This is said.
    Say(Vec<u8>),
    /// Somebody else is asked.
    Ask(Errand),
}

/// A question that is answered elsewhere, in whole or from some name on.
pub(crate) struct Errand {
    query: Query,
    /// What is known already: CNAMEs that lead out of our zones.
    known: Vec<Wire>,
    /// Where they lead to.
    target: Option<String>,
}

impl Desk {
    /// What to do about a message from that address.
    pub(crate) fn look(&self, from: IpAddr, bytes: &[u8], way: Way) -> Next {
        let query = match query::read(bytes, way) {
            Err(Unfit::Ignored) => return Next::Silence,
            _ if !self.clients.allow(from) => {
                return Next::Say(query::refusal(bytes, Rcode::REFUSED));
            }
            Err(Unfit::Refused(answer)) => return Next::Say(answer),
            Ok(query) => query,
        };
        let Some(name) = query.name.clone().filter(|it| canonical(it).is_ok()) else {
            return elsewhere(query, Vec::new(), None);
        };
        // A question for anything may be answered with something (RFC 8482).
        let kind = if query.kind == Rtype::ANY { Rtype::A } else { query.kind };
        let answers = self.names.resolve(&name, &kind.to_string(), chance());
        answered(query, answers)
    }
}

/// A number that nobody foresees. Questions of one client may come in a rhythm, so that counting
/// them would send all of a kind to the same instances.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn answered(query: Query, answers: Answers) -> Next {
    let read: Result<Vec<_>, _> = answers.records.iter().map(value::record).collect();
    let mut records: Vec<Wire> = match read {
        Ok(records) => records.into_iter().map(|it| as_asked(&query, it)).collect(),
        Err(error) => {
            tracing::warn!(%error, "a record of a hosted zone is not in order");
            return Next::Say(answer::failure(&query));
        }
    };
    let code = match answers.outcome {
        Outcome::Found | Outcome::NoData => Rcode::NOERROR,
        Outcome::NoSuchName => Rcode::NXDOMAIN,
        Outcome::TooLong => return Next::Say(answer::failure(&query)),
        Outcome::Elsewhere(_) if records.is_empty() => return elsewhere(query, records, None),
        Outcome::Elsewhere(target) => return elsewhere(query, records, Some(target)),
    };
    rotate(&mut records, query.message.header().id());
    let authority = answers.authority.as_ref().and_then(|it| value::record(it).ok());
    Next::Say(answer::with_authority(&query, code, Source::Zone, authority.as_ref(), |page| {
        push_all(page, &records)
    }))
}

/// Whoever does not want us to ask others is told to ask them.
fn elsewhere(query: Query, known: Vec<Wire>, target: Option<String>) -> Next {
    if query.message.header().rd() {
        return Next::Ask(Errand { query, known, target });
    }
    Next::Say(query::refusal(query.message.as_slice(), Rcode::REFUSED))
}

/// A record of the very name that was asked for has it in the same case, as clients expect that
/// choose the case by chance, to be harder to deceive.
fn as_asked(query: &Query, record: Wire) -> Wire {
    match query.message.sole_question() {
        Ok(it) if it.qname() == record.owner() => {
            let (class, ttl) = (record.class(), record.ttl());
            Wire::new(it.qname().to_vec(), class, ttl, record.into_data())
        }
        _ => record,
    }
}

/// Clients take the first address: each is first in turn, so that all get their share.
fn rotate(records: &mut [Wire], turn: u16) {
    let is_address = |it: &Wire| matches!(it.rtype(), Rtype::A | Rtype::AAAA);
    let first = records.iter().position(is_address).unwrap_or(records.len());
    let Some(addresses) = records.get_mut(first..).filter(|it| !it.is_empty()) else { return };
    addresses.rotate_left(usize::from(turn) % addresses.len());
}

fn push_all(page: &mut Page, records: &[Wire]) -> Result<(), PushError> {
    records.iter().try_for_each(|it| page.push(it))
}

impl Errand {
    /// The question.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// Asks, and puts the answer together. Ends in time in any case.
    pub(crate) async fn run(self, resolvers: &Resolvers, own: &[SocketAddr]) -> Vec<u8> {
        let answer = match &self.target {
            None => self.pass_on(resolvers, own).await,
            Some(target) => self.go_on(target, resolvers, own).await,
        };
        answer.unwrap_or_else(|| answer::failure(&self.query))
    }

    /// The whole question is passed on as it came, and so is the answer.
    async fn pass_on(&self, resolvers: &Resolvers, own: &[SocketAddr]) -> Option<Vec<u8>> {
        let query = self.query.message.as_slice();
        let mut answer = resolvers.ask(query, self.query.way, own).await?;
        if answer.len() > self.query.size_max {
            return Some(answer::too_long(&self.query));
        }
        answer.get_mut(..2)?.copy_from_slice(query.get(..2)?);
        Some(answer)
    }

    /// Our records lead to a name that others know.
    async fn go_on(
        &self,
        target: &str,
        resolvers: &Resolvers,
        own: &[SocketAddr],
    ) -> Option<Vec<u8>> {
        let question = question(target, self.query.kind)?;
        let mut answer = resolvers.ask(&question, self.query.way, own).await?;
        if Message::from_octets(answer.as_slice()).ok()?.header().tc() {
            answer = resolvers.ask(&question, Way::Tcp, own).await?;
        }
        let answer = Message::from_octets(answer.as_slice()).ok()?;
        let mut theirs = Vec::new();
        for record in answer.answer().ok()?.limit_to::<AllRecordData<_, _>>() {
            theirs.push(record.ok()?);
        }
        let code = answer.header().rcode();
        Some(answer::build(&self.query, code, Source::Resolver, |page| {
            push_all(page, &self.known)?;
            theirs.iter().try_for_each(|it| page.push(it))
        }))
    }
}

/// A question of our own.
fn question(name: &str, kind: Rtype) -> Option<Vec<u8>> {
    let mut page = MessageBuilder::new_vec();
    page.header_mut().set_rd(true);
    let mut page = page.question();
    page.push((value::name(name)?, kind)).ok()?;
    let mut page = page.additional();
    let size = |it: &mut domain::base::message_builder::OptBuilder<'_, _>| {
        it.set_udp_payload_size(DATAGRAM_MAX);
        Ok(())
    };
    page.opt(size).ok()?;
    Some(page.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::tests::record as entry;

    struct Nobody;

    impl Names for Nobody {
        fn resolve(&self, name: &str, kind: &str, _: u64) -> Answers {
            let records = vec![entry(name, kind, "172.31.0.9")];
            Answers { outcome: Outcome::Found, records, authority: None }
        }
    }

    #[test]
    fn strangers_are_refused_in_fewer_bytes_than_they_ask_with() {
        let range = "172.31.0.0/16".parse().expect("a range");
        let desk = Desk {
            names: Arc::new(Nobody),
            clients: Clients::new(vec![range]),
            resolvers: Resolvers::These(Vec::new()),
        };
        let asked = question("www.example.com.", Rtype::A).expect("a question");
        for (from, code) in [
            ("127.0.0.1", Rcode::NOERROR),
            ("172.31.0.1", Rcode::NOERROR),
            ("8.8.8.8", Rcode::REFUSED),
            ("192.168.1.1", Rcode::REFUSED),
        ] {
            for way in [Way::Udp, Way::Tcp] {
                let Next::Say(answer) = desk.look(from.parse().expect("it is"), &asked, way) else {
                    panic!("{from} gets no answer");
                };
                let refused = code == Rcode::REFUSED;
                assert_eq!(answer.len() < asked.len(), refused, "{from}");
                let answer = Message::from_octets(answer).expect("a message");
                assert_eq!(answer.header().rcode(), code, "{from}");
            }
        }
        // What is no question is not answered at all, or in as few bytes.
        assert!(matches!(desk.look(IpAddr::from([8, 8, 8, 8]), b"x", Way::Udp), Next::Silence));
    }
}
