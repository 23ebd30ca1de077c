//! `landfall balancer status`: who carries the traffic of load balancers, and what they find.

use clap::Args;
use shapes::landfall::{self as op, Balancer, ListBalancersRequest};
use types::Timestamp;

use super::output::{print, say};
use super::table::{Table, age};
use super::wait_for;
use crate::args::Place;
use crate::client::Client;
use crate::server::now;

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
        }
        print(&table(&balancers, now()).to_string())?;
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

fn table(balancers: &[Balancer], now: Timestamp) -> Table {
    let mut table =
        Table::new(&["BALANCER", "STATUS", "FOR", "HEALTHY", "REFUSED", "MACHINE'S ADDRESSES"]);
    for it in balancers {
        let status = if it.connected == Some(true) { "CONNECTED" } else { "GONE" };
        let healthy = it.healthy_targets.unwrap_or(0);
        table.row([
            it.name.clone().unwrap_or_default(),
            status.to_owned(),
            age(it.connected_at, now),
            format!("{healthy} of {}", it.targets.unwrap_or(0)),
            it.refused_listeners.as_ref().map_or(0, Vec::len).to_string(),
            it.addresses.clone().unwrap_or_default().join(" "),
        ]);
    }
    table
}
