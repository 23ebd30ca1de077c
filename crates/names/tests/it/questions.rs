//! Questions and their answers.

use std::net::Ipv4Addr;

use domain::base::iana::{Rcode, Rtype};
use plan::names::{Answers, Outcome};
use tokio::net::TcpStream;

use crate::fixture::{Book, Running, exchange, question, record, resolver, shown};

const NAME: &str = "web-1.us-east-1.elb.amazonaws.com.";

#[tokio::test]
async fn names_of_ours_are_answered_by_both_ways_whatever_their_case() {
    let book = Book::default().with(NAME, "A", &["172.31.0.9"]);
    let server = Running::new(book, Vec::new()).await;
    let asked = question(&NAME.to_uppercase(), Rtype::A, None);
    for answer in [server.ask(&asked).await, server.ask_by_tcp(&asked).await] {
        let header = answer.header();
        assert!(header.qr() && header.aa() && header.ra() && !header.tc());
        assert_eq!(header.id(), 7);
        let (code, records) = shown(&answer);
        assert_eq!(code, Rcode::NOERROR);
        let owner = NAME.to_uppercase();
        assert_eq!(records, [format!("{} 60 A 172.31.0.9", owner.trim_end_matches('.'))]);
        // The question comes back as it was asked: some clients compare it byte by byte.
        let back = answer.sole_question().expect("one");
        assert_eq!(format!("{}.", back.qname()), NAME.to_uppercase());
    }
    server.stop().await;
}

#[tokio::test]
async fn several_questions_go_by_one_connection() {
    let book =
        Book::default().with(NAME, "A", &["172.31.0.9"]).with("t.example.", "TXT", &["\"a b\""]);
    let server = Running::new(book, Vec::new()).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    for _ in 0..3 {
        let answer = exchange(&mut stream, &question(NAME, Rtype::A, None)).await;
        assert_eq!(shown(&answer).1.len(), 1);
        let answer = exchange(&mut stream, &question("t.example.", Rtype::TXT, None)).await;
        assert_eq!(shown(&answer).1, ["t.example 60 TXT \"a b\""]);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_cut_to_what_the_client_takes_and_whole_by_tcp() {
    let addresses: Vec<String> = (1..=60).map(|it| format!("10.0.0.{it}")).collect();
    let values: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let server =
        Running::new(Book::default().with("many.example.", "A", &values), Vec::new()).await;
    for (takes, size, whole) in
        [(None, 512, false), (Some(900), 900, false), (Some(4096), 1232, true)]
    {
        let answer = server.ask(&question("many.example.", Rtype::A, takes)).await;
        assert!(answer.as_slice().len() <= size, "{takes:?}");
        assert_eq!(answer.header().tc(), !whole, "{takes:?}");
        assert_eq!(shown(&answer).1.len(), if whole { 60 } else { 0 }, "{takes:?}");
        assert_eq!(answer.opt().is_some(), takes.is_some(), "{takes:?}");
    }
    let answer = server.ask_by_tcp(&question("many.example.", Rtype::A, None)).await;
    assert_eq!((answer.header().tc(), shown(&answer).1.len()), (false, 60));
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_with_the_authority_for_it() {
    let soa = record("example.", "SOA", "ns.example. host.example. 1 7200 900 1209600 60");
    let none = |outcome| Answers { outcome, records: Vec::new(), authority: Some(soa.clone()) };
    let book = Book::default()
        .saying("gone.example.", "A", none(Outcome::NoSuchName))
        .saying("half.example.", "A", none(Outcome::NoData))
        .saying("circle.example.", "A", none(Outcome::TooLong))
        .with("broken.example.", "A", &["no address"]);
    let server = Running::new(book, Vec::new()).await;
    for (name, code, authorities) in [
        ("gone.example.", Rcode::NXDOMAIN, 1),
        ("half.example.", Rcode::NOERROR, 1),
        ("circle.example.", Rcode::SERVFAIL, 0),
        ("broken.example.", Rcode::SERVFAIL, 0),
    ] {
        let answer = server.ask(&question(name, Rtype::A, None)).await;
        assert_eq!(shown(&answer), (code, vec![]), "{name}");
        assert_eq!(answer.header_counts().nscount(), authorities, "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn addresses_take_turns_in_being_first() {
    let server =
        Running::new(Book::default().with(NAME, "A", &["10.0.0.1", "10.0.0.2"]), Vec::new()).await;
    let mut firsts = std::collections::BTreeSet::new();
    for id in [2_u16, 3] {
        let mut asked = question(NAME, Rtype::A, None);
        asked.splice(..2, id.to_be_bytes());
        let records = shown(&server.ask(&asked).await).1;
        assert_eq!(records.len(), 2);
        firsts.extend(records.into_iter().next());
    }
    assert_eq!(firsts.len(), 2, "{firsts:?}");
    server.stop().await;
}

#[tokio::test]
async fn everything_else_is_asked_elsewhere_and_forged_answers_go_by() {
    let (there, task) = resolver(Ipv4Addr::new(192, 0, 2, 7)).await;
    let server = Running::new(Book::default(), vec![there]).await;
    let answer = server.ask(&question("www.example.net.", Rtype::A, None)).await;
    assert_eq!(answer.header().id(), 7);
    assert_eq!(shown(&answer).1, ["www.example.net 9 A 192.0.2.7"]);
    server.stop().await;
    task.abort();
}

#[tokio::test]
async fn an_alias_into_the_world_is_followed_to_its_end() {
    let (there, task) = resolver(Ipv4Addr::new(192, 0, 2, 7)).await;
    let leads = Answers {
        outcome: Outcome::Elsewhere("www.example.net.".into()),
        records: vec![record("out.example.", "CNAME", "www.example.net")],
        authority: None,
    };
    let server =
        Running::new(Book::default().saying("out.example.", "A", leads), vec![there]).await;
    let answer = server.ask(&question("out.example.", Rtype::A, None)).await;
    assert_eq!(
        shown(&answer).1,
        ["out.example 60 CNAME www.example.net.", "www.example.net 9 A 192.0.2.7"]
    );
    server.stop().await;
    task.abort();
}

#[tokio::test]
async fn without_an_answer_from_elsewhere_the_question_fails() {
    // A port that nobody is given.
    let nobody = (Ipv4Addr::LOCALHOST, 1).into();
    for resolvers in [vec![], vec![nobody]] {
        let server = Running::new(Book::default(), resolvers).await;
        let answer = server.ask(&question("www.example.net.", Rtype::A, None)).await;
        assert_eq!(shown(&answer), (Rcode::SERVFAIL, vec![]));
        server.stop().await;
    }
}

#[tokio::test]
async fn who_does_not_want_us_to_ask_elsewhere_is_refused() {
    let server = Running::new(Book::default(), Vec::new()).await;
    let mut asked = question("www.example.net.", Rtype::A, None);
    asked.splice(2..3, [0]);
    assert_eq!(server.ask(&asked).await.header().rcode(), Rcode::REFUSED);
    server.stop().await;
}

#[tokio::test]
async fn rubbish_does_not_stop_the_server() {
    let server = Running::new(Book::default().with(NAME, "A", &["172.31.0.9"]), Vec::new()).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    for rubbish in [&b""[..], b"x", &[0xff; 12], &[0xff; 600], &[0; 4096]] {
        socket.send_to(rubbish, server.address).await.expect("sends");
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        tokio::io::AsyncWriteExt::write_all(&mut stream, rubbish).await.expect("sends");
    }
    assert_eq!(shown(&server.ask(&question(NAME, Rtype::A, None)).await).1.len(), 1);
    server.stop().await;
}
