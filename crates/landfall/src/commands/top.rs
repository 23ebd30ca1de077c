//! `landfall top`: clusters, services, deployments and events, live in the terminal.

mod screen;
mod view;

use core::time::Duration;
use std::io::{self, IsTerminal as _};
use std::process::exit;

use clap::Args;
use tokio::io::AsyncReadExt as _;
use tokio::time::sleep;

use self::screen::Screen;
use self::view::Picture;
use super::moment::distance;
use super::output::print;
use super::wait_for;
use crate::args::Place;
use crate::client::Client;
use crate::clock::now;

/// Watch clusters, services, deployments and events.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall top                  until q or Ctrl-C
  landfall top --every 5s       a new look every five seconds
  landfall top | cat            one look, as plain text")]
pub(crate) struct TopFlags {
    #[command(flatten)]
    place: Place,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = distance)]
    every: Duration,
}

pub(crate) fn run(flags: &TopFlags) -> anyhow::Result<()> {
    let client = Client::from_env_or(&flags.place)?;
    let live = io::stdout().is_terminal() && io::stdin().is_terminal();
    wait_for(async {
        if !live {
            return print(&Picture::take(&client).await?.text(now()));
        }
        watch(&client, flags.every).await?;
        // Who waits for a key that never comes must not hold up the end.
        exit(0)
    })
}

/// Draws one look after the other until a key or an interrupt ends it.
async fn watch(client: &Client, every: Duration) -> anyhow::Result<()> {
    // The first look fails before the terminal is changed.
    let first = Picture::take(client).await?.text(now());
    let _ours = Screen::open()?;
    // A region that does not answer holds up the next look, not the end.
    tokio::select! {
        failed = draw(client, every, first) => failed,
        left = leave() => left,
    }
}

/// Draws for ever, unless the terminal cannot be written to.
async fn draw(client: &Client, every: Duration, mut picture: String) -> anyhow::Result<()> {
    loop {
        Screen::show(&picture)?;
        sleep(every).await;
        picture = match Picture::take(client).await {
            Ok(it) => it.text(now()),
            Err(error) => format!("{error:#}\n"),
        };
    }
}

/// Waits for `q`, the end of the input or an interrupt.
async fn leave() -> anyhow::Result<()> {
    let mut input = tokio::io::stdin();
    let mut key = [0; 1];
    loop {
        tokio::select! {
            read = input.read(&mut key) => match read {
                Ok(1..) if key != [b'q'] => {}
                _ => return Ok(()),
            },
            asked = tokio::signal::ctrl_c() => return Ok(asked?),
        }
    }
}
