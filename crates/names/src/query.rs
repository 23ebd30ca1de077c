//! What clients send, made sense of.
//!
//! Source: RFC 1035, section 4.1; RFC 6891 (EDNS); RFC 9619 (one question in a message).

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::opt::{Opt, OptRecord};
use domain::base::{Message, MessageBuilder, ToName as _};

/// What an answer by UDP may have where the client does not say. Source: RFC 1035, section 4.2.1.
const PLAIN_MAX: usize = 512;
/// What an answer by UDP may have at most: more would be cut up on its way, and pieces get lost.
/// Source: DNS flag day 2020.
pub(crate) const DATAGRAM_MAX: u16 = 1232;

/// By which way a message came, and its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Udp,
    Tcp,
}

/// A question.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) message: Message<Vec<u8>>,
    pub(crate) way: Way,
    /// The name that is asked for; `None` if it is one that nothing of ours can have.
    pub(crate) name: Option<String>,
    pub(crate) kind: Rtype,
    /// Whether the client speaks EDNS.
    pub(crate) extended: bool,
    /// Bytes that the answer may have.
    pub(crate) size_max: usize,
}

/// A message that is no question for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Nothing is said to it: it is no query, or nothing at all.
    Ignored,
    /// This is said to it.
    Refused(Vec<u8>),
}

/// Reads a message.
pub(crate) fn read(bytes: &[u8], way: Way) -> Result<Query, Unfit> {
    let message = Message::try_from_octets(bytes.to_vec()).map_err(|_| Unfit::Ignored)?;
    let header = message.header();
    // Answering answers would keep two servers busy with each other for ever.
    if header.qr() {
        return Err(Unfit::Ignored);
    }
    let refused = |code| Unfit::Refused(refusal(bytes, code));
    if header.opcode() != Opcode::QUERY {
        return Err(refused(Rcode::NOTIMP));
    }
    let question = message.sole_question().map_err(|_| refused(Rcode::FORMERR))?;
    let (kind, class) = (question.qtype(), question.qclass());
    let name = text(&question.qname().to_vec());
    let size = extension(&message).map_err(refused)?;
    // No zone is handed out whole, and there is nothing but the internet.
    if class != Class::IN || matches!(kind, Rtype::AXFR | Rtype::IXFR) {
        return Err(refused(Rcode::REFUSED));
    }
    let size_max = match way {
        Way::Tcp => usize::from(u16::MAX),
        Way::Udp => size.map_or(PLAIN_MAX, |it| usize::from(it.min(DATAGRAM_MAX)).max(PLAIN_MAX)),
    };
    Ok(Query { name, kind, extended: size.is_some(), size_max, way, message })
}

/// What the client says about answers by EDNS: how long they may be.
fn extension(message: &Message<Vec<u8>>) -> Result<Option<u16>, Rcode> {
    let section = message.additional().map_err(|_| Rcode::FORMERR)?;
    let mut found = None;
    for record in section {
        let record = record.map_err(|_| Rcode::FORMERR)?;
        if record.rtype() != Rtype::OPT {
            continue;
        }
        let record = record.into_record::<Opt<_>>().map_err(|_| Rcode::FORMERR)?;
        let record = OptRecord::from_record(record.ok_or(Rcode::FORMERR)?);
        // Differs: RFC 6891 has an extended code for other versions, and there are none.
        if found.is_some() || record.version() != 0 {
            return Err(Rcode::FORMERR);
        }
        found = Some(record.udp_payload_size());
    }
    Ok(found)
}

/// A name in lower case with a dot at its end; `None` if it has bytes that names of ours have not.
fn text(name: &domain::base::Name<Vec<u8>>) -> Option<String> {
    let mut text = String::new();
    for label in name.iter().filter(|it| !it.is_root()) {
        for byte in label.as_slice() {
            if !byte.is_ascii_graphic() || matches!(byte, b'.' | b'\\') {
                return None;
            }
            text.push(char::from(byte.to_ascii_lowercase()));
        }
        text.push('.');
    }
    (!text.is_empty()).then_some(text)
}

/// A header with a code and nothing else: shorter than what it answers.
pub(crate) fn refusal(to: &[u8], code: Rcode) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    let asked = Message::from_octets(to).map(|it| it.header()).unwrap_or_default();
    let header = builder.header_mut();
    header.set_id(asked.id());
    header.set_qr(true);
    header.set_opcode(asked.opcode());
    header.set_rd(asked.rd());
    header.set_ra(true);
    header.set_rcode(code);
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header: id 7, these flags and counts.
    fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
        let words = [7, flags].into_iter().chain(counts);
        words.flat_map(u16::to_be_bytes).collect()
    }

    const ASKED: [u16; 4] = [1, 0, 0, 0];
    const EXTENDED: [u16; 4] = [1, 0, 0, 1];
    /// `www.Example.com`, A, IN.
    const QUESTION: &[u8] = b"\x03www\x07Example\x03com\x00\x00\x01\x00\x01";

    fn with(flags: u16, counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
        let mut bytes = header(flags, counts);
        bytes.extend(rest.concat());
        bytes
    }

    #[test]
    fn a_question_is_read() {
        let query = read(&with(0x0100, ASKED, &[QUESTION]), Way::Udp).expect("a question");
        assert_eq!(query.name.as_deref(), Some("www.example.com."));
        assert_eq!((query.kind, query.size_max, query.extended), (Rtype::A, 512, false));
        let query = read(&with(0x0100, ASKED, &[QUESTION]), Way::Tcp).expect("a question");
        assert_eq!(query.size_max, 65_535);
    }

    #[test]
    fn the_size_of_an_answer_is_what_the_client_takes_within_bounds() {
        for (says, expected) in [(0_u16, 512), (600, 600), (1232, 1232), (65_535, 1232)] {
            let size = says.to_be_bytes();
            let opt = [b"\x00\x00\x29", size.as_slice(), b"\x00\x00\x00\x00\x00\x00"].concat();
            let query = read(&with(0x0100, EXTENDED, &[QUESTION, &opt]), Way::Udp).expect("reads");
            assert_eq!((query.size_max, query.extended), (expected, true), "{says}");
        }
    }

    #[test]
    fn malformed_messages_are_refused_or_ignored_and_never_worse() {
        const IGNORED: Option<Rcode> = None;
        const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
        let many = QUESTION.repeat(100);
        let labels =
            b"\x3f".iter().chain([b'a'; 63].iter()).copied().collect::<Vec<u8>>().repeat(5);
        let long = [labels.as_slice(), b"\x00\x00\x01\x00\x01"].concat();
        let formerr = Some(Rcode::FORMERR);
        #[rustfmt::skip]
        let table: Vec<(&str, Vec<u8>, Option<Rcode>)> = vec![
            ("nothing", vec![], IGNORED),
            ("less than a header", vec![0; 11], IGNORED),
            ("an answer", with(0x8100, ASKED, &[QUESTION]), IGNORED),
            ("no question", header(0x0100, [0; 4]), formerr),
            ("a count without its question", header(0x0100, ASKED), formerr),
            ("two questions", with(0x0100, [2, 0, 0, 0], &[QUESTION, QUESTION]), formerr),
            ("a hundred questions", with(0x0100, [100, 0, 0, 0], &[&many]), formerr),
            ("a name that is cut off", with(0x0100, ASKED, &[b"\x03ww"]), formerr),
            ("a name without end", with(0x0100, ASKED, &[b"\x03www"]), formerr),
            ("a question without a type", with(0x0100, ASKED, &[b"\x03www\x00\x00"]), formerr),
            ("a pointer to itself", with(0x0100, ASKED, &[b"\xc0\x0c\x00\x01\x00\x01"]), formerr),
            ("a pointer ahead", with(0x0100, ASKED, &[b"\xc0\x20\x00\x01\x00\x01"]), formerr),
            ("a pointer beyond the end", with(0x0100, ASKED, &[b"\xff\xff\x00\x01\x00\x01"]), formerr),
            ("a label of a kind that is none", with(0x0100, ASKED, &[b"\x80a\x00\x00\x01\x00\x01"]), formerr),
            ("a name of more than 255 bytes", with(0x0100, ASKED, &[&long]), formerr),
            ("a missing additional record", with(0x0100, EXTENDED, &[QUESTION]), formerr),
            ("an OPT record that is cut off", with(0x0100, EXTENDED, &[QUESTION, OPT.get(..8).unwrap_or_default()]), formerr),
            ("an OPT record with a longer length", with(0x0100, EXTENDED, &[QUESTION, b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x09"]), formerr),
            ("an OPT record with a broken option", with(0x0100, EXTENDED, &[QUESTION, b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x03\x00\x01\x00"]), formerr),
            ("two OPT records", with(0x0100, [1, 0, 0, 2], &[QUESTION, OPT, OPT]), formerr),
            ("another version of EDNS", with(0x0100, EXTENDED, &[QUESTION, b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00"]), formerr),
            ("counts of 65535", with(0x0100, [1, 65_535, 65_535, 65_535], &[QUESTION]), formerr),
            ("an update", with(0x2800, ASKED, &[QUESTION]), Some(Rcode::NOTIMP)),
            ("a notification", with(0x2000, ASKED, &[QUESTION]), Some(Rcode::NOTIMP)),
            ("another class", with(0x0100, ASKED, &[b"\x07version\x04bind\x00\x00\x10\x00\x03"]), Some(Rcode::REFUSED)),
            ("a whole zone", with(0x0100, ASKED, &[b"\x03www\x00\x00\xfc\x00\x01"]), Some(Rcode::REFUSED)),
        ];
        for (what, bytes, expected) in table {
            for way in [Way::Udp, Way::Tcp] {
                let code = match read(&bytes, way).err() {
                    Some(Unfit::Refused(answer)) => {
                        assert_eq!(answer.len(), 12, "{what}: no longer than a question");
                        let answer = Message::from_octets(answer).expect("a message");
                        assert_eq!(
                            (answer.header().id(), answer.header().qr()),
                            (7, true),
                            "{what}"
                        );
                        Some(answer.header().rcode())
                    }
                    Some(Unfit::Ignored) => None,
                    None => Some(Rcode::NOERROR),
                };
                assert_eq!(code, expected, "{what}");
            }
        }
    }

    #[test]
    fn any_bytes_at_all_are_read_without_harm() {
        // A plain generator: the same bytes every time.
        let mut seed = 0x9E37_79B9_u32;
        let mut byte = move || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed.to_be_bytes()[0]
        };
        for turn in 0..20_000_u32 {
            let mut bytes = with(
                0x0100,
                EXTENDED,
                &[QUESTION, b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"],
            );
            for _ in 0..=turn % 8 {
                let at = usize::from(byte()) % bytes.len();
                if let Some(it) = bytes.get_mut(at) {
                    *it = byte();
                }
            }
            bytes.truncate(bytes.len() - usize::from(byte() % 4));
            drop(read(&bytes, Way::Udp));
        }
    }

    #[test]
    fn odd_names_are_questions_that_nothing_of_ours_answers() {
        for question in [
            b"\x00\x00\x02\x00\x01".as_slice(),
            b"\x05a b.c\x00\x00\x01\x00\x01",
            b"\x02\xc3\xbc\x00\x00\x01\x00\x01",
            b"\x02a\\\x00\x00\x01\x00\x01",
        ] {
            let query = read(&with(0x0100, ASKED, &[question]), Way::Udp).expect("a question");
            assert_eq!(query.name, None);
        }
    }
}
