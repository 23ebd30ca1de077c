//! `landfall token`: what lets a machine join.

use clap::{Args, Subcommand};
use shapes::landfall::{CreateJoinToken, CreateJoinTokenRequest};
use types::Timestamp;

use super::output::{print, say};
use super::wait_for;
use crate::args::Place;
use crate::client::Client;

/// Let machines join a cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenFlags {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum TokenCommand {
    /// Print a token that machines without credentials join with.
    Create(CreateFlags),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall token create --ttl 10m
  landfall agent --endpoint http://192.0.2.1:4566 --token lfjoin-…     on the other machine

The token stands for a cluster and is good for any number of machines until it expires. It is
shown once; the region keeps only its digest. Whoever has it can run an agent: treat it as a
password.")]
struct CreateFlags {
    #[command(flatten)]
    place: Place,
    /// Cluster that the token opens.
    #[arg(long, default_value = "default")]
    cluster: String,
    /// How long it is good: seconds, or a number with s, m, h or d. From one minute to a year.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    ttl: i32,
}

pub(crate) fn run(flags: &TokenFlags) -> anyhow::Result<()> {
    let TokenCommand::Create(flags) = &flags.command;
    let client = Client::from_env_or(&flags.place)?;
    wait_for(async {
        let ask = CreateJoinTokenRequest {
            cluster: Some(flags.cluster.clone()),
            life_seconds: Some(flags.ttl),
        };
        let answer = client.call::<CreateJoinToken>(&ask).await?;
        print(&(answer.join_token.unwrap_or_default() + "\n"))?;
        let until = answer.expires_at.map(|it| Timestamp(it.0).rfc3339()).unwrap_or_default();
        say(&format!(
            "Good until {until} for cluster {}. On the machine that joins:\n  landfall agent \
             --endpoint {} --token TOKEN",
            flags.cluster,
            client.endpoint()
        ));
        Ok(())
    })
}

/// Reads `90`, `90s`, `15m`, `2h`, `7d`.
fn seconds(text: &str) -> Result<i32, String> {
    let (number, unit) = match text.find(|it: char| !it.is_ascii_digit()) {
        None => (text, 1),
        Some(at) => {
            let (number, unit) = text.split_at(at);
            let unit = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 60 * 60,
                "d" => 24 * 60 * 60,
                _ => return Err(format!("{unit:?} is no unit of time: use s, m, h or d")),
            };
            (number, unit)
        }
    };
    let seconds = number.parse::<i32>().ok().and_then(|it| it.checked_mul(unit));
    seconds
        .filter(|it| (60..=31_536_000).contains(it))
        .ok_or_else(|| "use a time from one minute (60s) to a year (365d)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        for (text, expected) in
            [("90", 90), ("60s", 60), ("15m", 900), ("2h", 7_200), ("365d", 31_536_000)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in ["", "59", "m", "1w", "366d", "-5m", "99999999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
