//! `landfall balancer status`: who carries the traffic of load balancers, and what they find.

use clap::Args;
use shapes::landfall::{self as op, Balancer, ListBalancersRequest};
use types::Timestamp;

use super::output::{print, say};
use super::table::{Table, age};
use super::wait_for;
use crate::args::Place;
use crate::client::Client;
use crate::clock::now;

/// Show the region's balancers: whether they are there, and what they cannot serve.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusFlags {
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(flags: &StatusFlags) -> anyhow::Result<()> {
    let client = Client::from_env_or(&flags.place)?;
    wait_for(async {
        let answer = client.call::<op::ListBalancers>(&ListBalancersRequest::default()).await?;
        let balancers = answer.balancers.unwrap_or_default();
        if balancers.is_empty() {
            say(
                "No balancer has called. `landfall up` runs one; `landfall balancer` adds another.",
            );
            return Ok(());
        }
        print(&table(&balancers, now()).to_string())?;
        if !balancers.iter().any(is_connected) {
            say("No balancer is connected: those that still run serve what they were told last.");
        }
        for (balancer, refused) in balancers.iter().flat_map(|it| {
            let refused = it.refused_listeners.iter().flatten();
            refused.map(move |refused| (it, refused))
        }) {
            let text = |it: &Option<String>| it.clone().unwrap_or_default();
            say(&format!(
                "{} cannot serve {}: {}",
                text(&balancer.name),
                text(&refused.listener_arn),
                text(&refused.reason)
            ));
        }
        Ok(())
    })
}

/// Those that are there come first.
fn table(balancers: &[Balancer], now: Timestamp) -> Table {
    let mut table =
        Table::new(&["BALANCER", "STATUS", "CALLED", "HEALTHY TARGETS", "REFUSED", "ALSO AT"]);
    let (there, gone): (Vec<_>, Vec<_>) = balancers.iter().partition(|it| is_connected(it));
    for it in there.into_iter().chain(gone) {
        table.row([
            it.name.clone().unwrap_or_default(),
            if is_connected(it) { "CONNECTED" } else { "GONE" }.to_owned(),
            format!("{} ago", age(it.connected_at, now)),
            healthy(it),
            refused(it),
            it.addresses.clone().unwrap_or_default().join(" "),
        ]);
    }
    table
}

fn is_connected(it: &Balancer) -> bool {
    it.connected == Some(true)
}

/// Nothing where it is told of no target.
fn healthy(it: &Balancer) -> String {
    match it.targets.unwrap_or(0) {
        0 => String::new(),
        all => format!("{} of {all}", it.healthy_targets.unwrap_or(0)),
    }
}

fn refused(it: &Balancer) -> String {
    match it.refused_listeners.as_ref().map_or(0, Vec::len) {
        0 => String::new(),
        1 => "1 listener".to_owned(),
        many => format!("{many} listeners"),
    }
}
