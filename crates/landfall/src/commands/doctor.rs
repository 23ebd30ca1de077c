//! `landfall doctor`: whether this machine can run a region, and how to mend what is missing.
//!
//! What can be tried is tried for real, in namespaces and mounts that nobody else sees and that
//! vanish with the command. Nothing on the machine changes.

mod machine;
mod place;

use std::net::SocketAddr;

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::output::{print, print_json};
use crate::args::Place;
use crate::home::Folder;

/// Check this machine: kernel, control groups, overlayfs, nftables, ports, rights, disk space.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sudo landfall doctor
  landfall doctor --json | jq '.[] | select(.verdict == \"fail\")'

Each line is ok, warn (a region works, something may surprise) or fail (a region does not work),
the latter two with how to mend it. Exits with 1 if anything fails. Run it as the user that will
run the region: root.")]
pub(crate) struct DoctorFlags {
    #[command(flatten)]
    place: Place,
    /// Address that the region's API will listen on.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// One JSON array instead of text.
    #[arg(long)]
    json: bool,
}

/// How something looks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Good,
    /// A region works, but something may surprise; the text says how to mend it.
    Careful(String),
    /// A region does not work; the text says how to mend it.
    Missing(String),
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// What was looked at, in a word or two.
    subject: &'static str,
    verdict: Verdict,
    /// What was seen, in a sentence.
    detail: String,
}

impl Finding {
    fn good(subject: &'static str, detail: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Good, detail: detail.into() }
    }

    fn careful(subject: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Careful(mend.into()), detail: detail.into() }
    }

    fn missing(subject: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Missing(mend.into()), detail: detail.into() }
    }

    fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Good => "ok",
            Verdict::Careful(_) => "warn",
            Verdict::Missing(_) => "fail",
        }
    }

    fn mend(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Good => None,
            Verdict::Careful(mend) | Verdict::Missing(mend) => Some(mend),
        }
    }
}

pub(crate) fn run(flags: &DoctorFlags) -> anyhow::Result<()> {
    let folder = Folder::of(&flags.place)?;
    let mut findings = machine::look();
    findings.extend(place::look(folder.path(), flags.listen));
    findings.extend(network::doctor().into_iter().map(network_finding));
    if flags.json {
        print_json(&findings.iter().map(document).collect())?;
    } else {
        print(&text(&findings))?;
    }
    match findings.iter().filter(|it| matches!(it.verdict, Verdict::Missing(_))).count() {
        0 => Ok(()),
        1 => bail!("one thing that a region needs is missing"),
        many => bail!("{many} things that a region needs are missing"),
    }
}

fn network_finding(it: network::Finding) -> Finding {
    let subject = match it.check {
        network::Check::Namespaces => "namespaces",
        network::Check::Links => "bridge, veth",
        network::Check::Rules => "nftables",
        network::Check::Forwarding => "forwarding",
        network::Check::OtherFirewalls => "firewalls",
        network::Check::VpcRange => "addresses",
    };
    let verdict = match it.verdict {
        network::Verdict::Good => Verdict::Good,
        network::Verdict::Careful(mend) => Verdict::Careful(mend),
        network::Verdict::Missing(mend) => Verdict::Missing(mend),
    };
    Finding { subject, verdict, detail: it.detail }
}

fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|it| it.subject.len()).max().unwrap_or(0);
    let one = |it: &Finding| {
        let line = format!("{:<4}  {:width$}  {}\n", it.word(), it.subject, it.detail);
        match it.mend() {
            Some(mend) => format!("{line}{:indent$}mend: {mend}\n", "", indent = width + 8),
            None => line,
        }
    };
    findings.iter().map(one).collect()
}

fn document(it: &Finding) -> Value {
    json!({ "subject": it.subject, "verdict": it.word(), "detail": it.detail, "mend": it.mend() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_shown_with_how_to_mend_it() {
        let findings = [
            Finding::good("kernel", "6.18"),
            Finding::missing("nftables", "nft is not installed", "apt-get install nftables"),
        ];
        assert_eq!(
            text(&findings),
            "ok    kernel    6.18\nfail  nftables  nft is not installed\n                mend: \
             apt-get install nftables\n"
        );
        assert_eq!(document(&findings[1])["mend"], "apt-get install nftables");
    }

    #[test]
    fn a_look_at_this_machine_changes_nothing_on_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let findings: Vec<_> =
            machine::look().into_iter().chain(place::look(folder.path(), listen)).collect();
        assert!(findings.len() >= 8, "{findings:?}");
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("is read");
        assert!(!mounts.contains(&*folder.path().to_string_lossy()), "{mounts}");
        let left = std::fs::read_dir(folder.path()).expect("is read").count();
        assert_eq!(left, 0);
    }
}
