//! `landfall env`: the exports for a shell.

use std::io::Write as _;

use crate::args::Place;
use crate::home::{Folder, Note};

pub(crate) fn run(place: &Place) -> anyhow::Result<()> {
    let note = Folder::of(place)?.read_note()?;
    std::io::stdout().write_all(exports(&note).as_bytes())?;
    Ok(())
}

fn exports(note: &Note) -> String {
    [
        ("AWS_ENDPOINT_URL", &note.endpoint),
        ("AWS_REGION", &note.region),
        ("AWS_DEFAULT_REGION", &note.region),
        ("AWS_ACCESS_KEY_ID", &note.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &note.secret_access_key),
    ]
    .map(|(name, value)| format!("export {name}={value}\n"))
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_can_evaluate_the_exports() {
        let note = Note {
            endpoint: "http://127.0.0.1:4566".into(),
            region: "us-east-1".into(),
            account: "123456789012".into(),
            access_key_id: "AKIA".into(),
            secret_access_key: "a/b+c".into(),
            vpc: None,
        };
        let text = exports(&note);
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains("export AWS_SECRET_ACCESS_KEY=a/b+c\n"));
        assert!(text.chars().all(|it| it.is_ascii_graphic() || it == ' ' || it == '\n'));
    }
}
