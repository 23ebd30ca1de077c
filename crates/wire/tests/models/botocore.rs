//! The other side: botocore in a Python process of its own, spoken to in lines of JSON.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use shapes::Document;

use crate::dynamic::{Any, Dynamic};
use crate::model;

/// Whether Python and botocore are there; prints what is missing.
pub(crate) fn is_installed() -> bool {
    let probe =
        Command::new("python3").args(["-c", "import botocore"]).stderr(Stdio::null()).status();
    let installed = probe.is_ok_and(|status| status.success());
    if !installed {
        println!("skipped: python3 with botocore is not installed");
    }
    installed
}

/// Asks all questions at once and gives the answers, in order.
pub(crate) fn ask(questions: Vec<Json>) -> Vec<Json> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/botocore_side.py");
    let mut child = Command::new("python3")
        .arg(script)
        .arg(model::folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let count = questions.len();
    let input = child.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || {
        let mut input = BufWriter::new(input);
        for question in questions {
            writeln!(input, "{question}").expect("botocore listens");
        }
    });
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let answers: Vec<Json> = lines
        .map(|line| serde_json::from_str(&line.expect("text")).expect("answers are JSON"))
        .collect();
    writer.join().expect("all questions are asked");
    finish(&mut child);
    assert_eq!(answers.len(), count, "botocore answers every question");
    answers
}

fn finish(child: &mut Child) {
    let status = child.wait().expect("it was started");
    assert!(status.success(), "botocore ended with {status}");
}

/// A structure as botocore's parameters. Bytes and times are marked, JSON has neither.
pub(crate) fn parameters(shape: &Dynamic) -> Json {
    Json::Object(shape.given().map(|(it, value)| (it.name.to_owned(), parameter(value))).collect())
}

fn parameter(value: &Any) -> Json {
    match value {
        Any::Boolean(value) => json!(value),
        Any::Integer(value) => json!(value),
        Any::Double(value) => json!(value),
        Any::String(value) => json!(value),
        Any::Blob(value) => json!({ "$bytes": STANDARD.encode(value) }),
        Any::Timestamp(value) => json!({ "$milliseconds": value }),
        Any::Document(value) => free_form(value),
        Any::List(items) => items.iter().map(parameter).collect(),
        Any::Map(entries) => {
            Json::Object(entries.iter().map(|(key, it)| (key.clone(), parameter(it))).collect())
        }
        Any::Structure(shape) => parameters(shape),
    }
}

fn free_form(value: &Document) -> Json {
    match value {
        Document::Null => Json::Null,
        Document::Boolean(value) => json!(value),
        Document::Integer(value) => json!(value),
        Document::Double(value) => json!(value),
        Document::String(value) => json!(value),
        Document::List(items) => items.iter().map(free_form).collect(),
        Document::Map(entries) => {
            Json::Object(entries.iter().map(|(key, it)| (key.clone(), free_form(it))).collect())
        }
    }
}
