//! Gives rulesets to the `nft` command: a text, taken whole or not at all.
//!
//! Rules are written rarely, by hand, and read by operators, so they are text. What changes with
//! every container are elements of sets, which go to the kernel directly ([`crate::element`]).

use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::error::Error;

/// Applies a ruleset in the network namespace of the calling thread.
///
/// # Errors
///
/// [`Error::NftMissing`] without the command, [`Error::Nft`] if it refuses.
pub(crate) fn apply(ruleset: &str) -> Result<(), Error> {
    run(&["-f", "-"], ruleset).map(drop)
}

/// Takes a table away, in the network namespace of the calling thread. Fine if there is none.
pub(crate) fn remove_table(family: &str, table: &str) -> Result<(), Error> {
    match apply(&format!("add table {family} {table}\ndelete table {family} {table}\n")) {
        // Nothing was ever laid.
        Err(Error::NftMissing) => Ok(()),
        other => other,
    }
}

/// The chains of all IPv4 tables, without their rules, in the network namespace of the calling
/// thread.
pub(crate) fn list_chains() -> Result<String, Error> {
    run(&["list", "chains", "ip"], "")
}

fn run(arguments: &[&str], input: &str) -> Result<String, Error> {
    let failed = |source| Error::Kernel { action: "run nft".into(), source };
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NftMissing,
            _ => failed(source),
        })?;
    // Dropped at the end of the statement, so that nft sees the end of its input.
    let written = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Nft { text });
    }
    written.transpose().map_err(failed)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
