//! Keeps a balancer alive: starts it again when it has died, and the next one as soon as it leaves.
//!
//! Its listening sockets are held meanwhile, so that clients who come find one: they wait for the
//! next balancer and are not turned away.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::fleet::{AGAIN_AFTER, AGAIN_AFTER_MAX, end, told};
use crate::heirloom::{Packet, pair, receive, send_all, send_sockets};

/// One that has lived so long starts again at once: clients wait.
const STEADY: Duration = Duration::from_secs(1);
/// Addresses whose sockets are held at most: what is given to the next one fits into a socket's buffer.
const HELD_MAX: usize = 128;
/// How long one that has hung up may live before it is taken that it goes on without us.
const DEAD_WITHIN: Duration = Duration::from_secs(1);

/// Listening sockets of a balancer.
#[derive(Default)]
struct Held(BTreeMap<SocketAddr, Vec<OwnedFd>>);

impl Held {
    fn note(&mut self, address: SocketAddr, sockets: Vec<OwnedFd>) {
        let has_room = self.0.len() < HELD_MAX || self.0.contains_key(&address);
        if sockets.is_empty() || !has_room {
            self.0.remove(&address);
        } else {
            self.0.insert(address, sockets);
        }
    }

    fn give(&self, to: &OwnedFd) -> io::Result<()> {
        for (address, sockets) in &self.0 {
            let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
            send_sockets(to, *address, &sockets)?;
        }
        send_all(to)
    }
}

/// Keeps a balancer alive until the region ends. Those that leave have until then to finish.
pub(super) async fn keep(name: String, mut command: Command, mut stop: watch::Receiver<bool>) {
    let mut held = Held::default();
    let mut leaving = JoinSet::new();
    let mut wait = AGAIN_AFTER;
    loop {
        let since = Instant::now();
        match start(&mut command, &held) {
            Ok((mut child, line)) => {
                match attend(&name, (&mut child, &line), &mut held, &mut stop).await {
                    Attended::Ended => {}
                    Attended::Leaves => {
                        leaving.spawn(finish(name.clone(), child, stop.clone()));
                        continue;
                    }
                    Attended::Stopped => break,
                }
            }
            Err(error) => {
                tracing::error!(name, %error, "a process cannot be started");
                // It may be what it was to be given.
                held = Held::default();
            }
        }
        if since.elapsed() > STEADY {
            wait = AGAIN_AFTER;
            continue;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = told(&mut stop) => break,
        }
        wait = (wait * 2).min(AGAIN_AFTER_MAX);
    }
    drop(held);
    while leaving.join_next().await.is_some() {}
}

fn start(command: &mut Command, held: &Held) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = pair()?;
    held.give(&ours)?;
    let line = UnixStream::from_std(ours.into())?;
    let child = command.stdin(Stdio::from(theirs)).spawn();
    // The command would keep the other end open.
    command.stdin(Stdio::null());
    Ok((child?, line))
}

/// What became of a balancer.
enum Attended {
    /// It has ended by itself.
    Ended,
    /// It takes nobody in any more.
    Leaves,
    /// The region ends.
    Stopped,
}

async fn attend(
    name: &str,
    (child, line): (&mut Child, &UnixStream),
    held: &mut Held,
    stop: &mut watch::Receiver<bool>,
) -> Attended {
    let mut hears = true;
    loop {
        tokio::select! {
            biased;
            () = told(stop) => {
                end(name, child).await;
                return Attended::Stopped;
            }
            packet = line.async_io(Interest::READABLE, || receive(line)), if hears => match packet {
                Ok(Some(Packet::At(address, sockets))) => held.note(address, sockets),
                Ok(Some(Packet::Leaves)) => {
                    tracing::info!(name, "a balancer leaves; starting the next one");
                    return Attended::Leaves;
                }
                Ok(Some(Packet::All)) => {}
                Ok(None) | Err(_) => {
                    hears = false;
                    if timeout(DEAD_WITHIN, child.wait()).await.is_err() {
                        // What it opens and closes from now on is not known.
                        *held = Held::default();
                    }
                }
            },
            ended = child.wait() => {
                match ended {
                    Ok(status) => tracing::warn!(name, %status, "a process ended; starting it again"),
                    Err(error) => tracing::error!(name, %error, "a process cannot be waited for"),
                }
                return Attended::Ended;
            }
        }
    }
}

/// Waits until one that leaves has ended, and ends it with the region.
async fn finish(name: String, mut child: Child, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        _ = child.wait() => {}
        () = told(&mut stop) => end(&name, &mut child).await,
    }
}
