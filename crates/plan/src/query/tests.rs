//! Tables of expressions, and noise.

use state::{Dice, State, Status};
use types::Timestamp;

use super::*;
use crate::placement::fixture;

/// One instance with two groups of tasks, one of which runs.
fn here() -> (State, ContainerInstance) {
    let mut state = fixture::region();
    let mut it = fixture::instance(1, "us-east-1a", 1024, 1024);
    it.ec2_instance_id = "i-0abc".to_owned();
    it.agent_version = "1.89.2".to_owned();
    it.registered_at = Timestamp(1_529_360_908_500); // 2018-06-18T22:28:28.5Z
    for (name, value) in
        [("stack", Some("prod")), ("level", Some("10")), ("flag", None), ("kind", Some("t2.micro"))]
    {
        it.attributes.insert(name.to_owned(), value.map(str::to_owned));
    }
    state.apply(it.clone().into());
    let mut web = fixture::task(1, &it, &fixture::request(1, 1));
    web.group = fixture::group("service:web");
    web.last = Status::Running;
    state.apply(web.clone().into());
    let batch = state::Task { id: types::TaskId::new(2), last: Status::Pending, ..web };
    state.apply(state::Task { group: fixture::group("family:batch job"), ..batch }.into());
    (state, it)
}

#[track_caller]
fn check(expected: bool, expressions: &[&str]) {
    let (state, it) = here();
    let pool = state.capacity().pool(&it.cluster).expect("exists");
    let host = pool.host_of(it.id).expect("exists");
    for text in expressions {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(matches(&expression, &Subject::of(&state, &it)), expected, "{text}");
        let indexed = Subject::on_host(pool, host, &it);
        assert_eq!(matches(&expression, &indexed), expected, "{text} by the index");
    }
}

#[test]
fn these_hold() {
    check(
        true,
        &[
            "attribute:stack == prod",
            "attribute:stack==prod",
            "attribute:stack equals prod",
            "attribute:stack != test",
            "attribute:stack not_equals test",
            "attribute:stack exists",
            "attribute:flag exists",
            "attribute:nothing !exists",
            "attribute:nothing not_exists",
            "attribute:stack in [test, prod]",
            "attribute:stack in[prod]",
            "attribute:stack in ['a b', \"prod\"]",
            "attribute:stack not_in [test, 'b c']",
            "attribute:stack !in [test]",
            "attribute:stack =~ p.*",
            "attribute:stack matches pr(od|eview)",
            "attribute:stack !~ ro",
            "attribute:stack not_matches t.*",
            "attribute:kind =~ t2.*",
            "attribute:kind =~ t[23]\\.(micro|small)",
            "attribute:level > 9",
            "attribute:level greater_than 9",
            "attribute:level >= 10.0",
            "attribute:level greater_than_equal 10",
            "attribute:level < 100",
            "attribute:level less_than 11",
            "attribute:level <= 10",
            "attribute:level less_than_equal 10",
            "attribute:ecs.availability-zone == us-east-1a",
            "agentConnected == true",
            "agentConnected in [true]",
            "agentVersion == 1.89.2",
            "agentVersion > 1.9",
            "agentVersion < 1.100.0",
            "agentVersion >= 1.89.2.0",
            "ec2InstanceId == i-0abc",
            "ec2InstanceId in [i-1, i-0abc]",
            "ec2InstanceId =~ i-0.*",
            "registeredAt == 2018-06-18",
            "registeredAt == 2018-06-18T22:28:28Z",
            "registeredAt == 2018-06-18T22:28:28",
            "registeredAt == 2018-06-18T22:28:28+00:00",
            "registeredAt == 2018-06-19T00:28:28+02:00",
            "registeredAt > 2018-06-18",
            "registeredAt < 2018-06-19",
            "registeredAt != 2018-06-18T22:28:29Z",
            "runningTasksCount == 1",
            "runningTasksCount < 2",
            "task:group == service:web",
            "task:group == 'family:batch job'",
            "task:group =~ service:.*",
            "task:group != database",
            "task:group not_in [database]",
            "task:group exists",
            "not(task:group == database)",
            "!(attribute:stack == test)",
            "! ( attribute:stack == test )",
            "(attribute:stack == prod)",
            "attribute:stack == prod and attribute:level == 10",
            "attribute:stack == prod && attribute:level == 10",
            "attribute:stack==prod&&attribute:level==10",
            "attribute:stack == test or attribute:level == 10",
            "attribute:stack == prod || attribute:stack == test && attribute:level == 11",
            "((attribute:stack == test || attribute:level == 10)) and not (agentVersion < 1.2)",
        ],
    );
}

#[test]
fn these_do_not_hold() {
    check(
        false,
        &[
            "attribute:stack == pro",
            "attribute:stack != prod",
            "attribute:nothing == x",
            "attribute:nothing != x",
            "attribute:nothing not_in [x]",
            "attribute:nothing !in [x]",
            "attribute:nothing !~ x",
            "attribute:nothing =~ .*",
            "attribute:nothing exists",
            "attribute:stack !exists",
            "attribute:stack =~ pro",
            "attribute:stack =~ rod",
            "attribute:stack !~ p.*d",
            "attribute:level > 10",
            "attribute:nothing > 1",
            "agentConnected == false",
            "agentVersion < 1.9",
            "agentVersion == 1.89",
            "registeredAt > 2018-06-19",
            "registeredAt == 2018-06-17",
            "registeredAt == 2018-06-18T22:28:28-01:00",
            "runningTasksCount > 1",
            "task:group == web",
            "task:group != service:web",
            "task:group !~ service:.*",
            "task:group !exists",
            "(attribute:stack == prod || attribute:stack == test) && attribute:level == 11",
            "not(attribute:stack == prod or attribute:level == 11)",
        ],
    );
}

#[test]
fn an_error_says_what_was_expected_and_where() {
    let cases = [
        ("", 1, "expected a subject"),
        ("   ", 4, "expected a subject"),
        ("stack == prod", 1, "`stack` is not a subject"),
        ("attribute: == prod", 1, "name of an attribute"),
        ("attribute:stack", 16, "expected an operator"),
        ("attribute:stack like x", 17, "expected an operator"),
        ("attribute:stack ==", 19, "expected a value"),
        ("attribute:stack == a b", 22, "expected `and`, `or` or the end"),
        ("attribute:stack == 'a", 20, "never closed"),
        ("attribute:stack in prod", 20, "expected a list"),
        ("attribute:stack in []", 21, "expected a value"),
        ("attribute:stack in [a, b", 25, "expected `,` or `]`"),
        ("(attribute:stack == a", 22, "expected `)`"),
        ("attribute:stack == a)", 21, "never opened"),
        ("! attribute:stack == a", 3, "expected `(`"),
        ("attribute:stack == a and", 25, "expected a subject"),
        ("agentVersion in [1.2]", 14, "does not take this operator"),
        ("task:group > 3", 12, "does not take this operator"),
        ("agentConnected == maybe", 19, "expected `true` or `false`"),
        ("agentVersion == one", 17, "is not a version"),
        ("runningTasksCount == -1", 22, "is not a count"),
        ("registeredAt == 2018-02-29", 17, "is not a time"),
        ("registeredAt == yesterday", 17, "is not a time"),
        ("attribute:a =~ (?=x).*", 16, "look-around"),
        ("attribute:a =~ (?<!x).*", 16, "look-around"),
        ("attribute:a =~ (.)\\1", 16, "back reference"),
        ("attribute:a =~ a*+", 16, "possessive"),
        ("attribute:a =~ (?>a)", 16, "atomic"),
        ("attribute:a =~ \\p{Alpha}", 16, "named character class"),
        ("attribute:a =~ [a-z&&[^b]]", 16, "class"),
        ("attribute:a =~ a{2000}{2000}", 16, "not a regular expression"),
        ("attribute:ä == x", 1, "name of an attribute"),
    ];
    for (text, position, what) in cases {
        let error = Expression::parse(text).expect_err(text);
        assert!(error.what.contains(what), "{text}: {error}");
        assert_eq!(error.position, position, "{text}: {error}");
    }
}

#[test]
fn an_expression_keeps_to_its_limits() {
    let long = format!("attribute:a == {}", "x".repeat(LONGEST - 15));
    assert!(Expression::parse(&long).is_ok());
    assert!(Expression::parse(&format!("{long}x")).is_err());
    let nested = |depth| format!("{}attribute:a == x{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&nested(DEEPEST)).is_ok());
    let error = Expression::parse(&nested(DEEPEST + 1)).expect_err("too deep");
    assert!(error.what.contains("nest"), "{error}");
    let negated = format!("{}attribute:a == x{}", "!(".repeat(600), ")".repeat(600));
    assert!(Expression::parse(&negated).is_err());
}

#[test]
fn noise_is_refused_without_a_panic() {
    const PIECES: &[&str] = &[
        "attribute:a",
        "agentVersion",
        "registeredAt",
        "task:group",
        "runningTasksCount",
        "==",
        "!=",
        "=~",
        "!~",
        ">",
        "in",
        "!in",
        "not_in",
        "exists",
        "!exists",
        "[",
        "]",
        ",",
        "(",
        ")",
        "!(",
        "not",
        "and",
        "or",
        "&&",
        "||",
        " ",
        " ",
        "x",
        "1.2",
        "2018-06-18",
        "'",
        "\"",
        "\\",
        "é",
        "(?=",
        "t2.*",
        "2018-06-18T22:28:28Z",
        "99999999999999999999",
        "T",
        "-",
        "+99:99",
        "\u{0}",
    ];
    const TERMS: &[&str] = &[
        "attribute:stack == prod",
        "attribute:kind =~ t[23]\\.(micro|small)",
        "not(agentVersion < 1.89)",
        "task:group in [a, 'b c']",
        "registeredAt >= 2018-06-18T22:28:28+00:00",
    ];
    let (state, it) = here();
    let mut dice = Dice::of(4);
    let mut valid = 0;
    for round in 0..60_000 {
        let pieces = if round % 2 == 0 { PIECES } else { TERMS };
        let mut text = String::new();
        for piece in 0..=dice.below(8) {
            let join = if round % 2 == 0 { [" ", ""] } else { [" and ", " || "] };
            let join = join[usize::try_from(dice.below(2)).expect("small")];
            text += if piece == 0 { "" } else { join };
            text += pieces[usize::try_from(dice.below(pieces.len() as u64)).expect("small")];
        }
        if round % 4 == 1 {
            let gone = usize::try_from(dice.below(text.len() as u64)).expect("small");
            text.remove(gone);
        }
        match Expression::parse(&text) {
            Ok(expression) => {
                valid += 1;
                let _ = matches(&expression, &Subject::of(&state, &it));
            }
            Err(error) => assert!(
                (1..=text.chars().count() + 1).contains(&error.position),
                "{text:?}: {error}"
            ),
        }
    }
    assert!((15_000..45_000).contains(&valid), "{valid} of the made-up expressions were valid");
}
