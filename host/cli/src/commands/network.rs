//! `replicant network`: takes the node off the network, for drills.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::arguments::ReadArguments;
use crate::output;

#[derive(Args)]
pub(crate) struct NetworkArguments {
    /// What to do; shows the present state if left out
    switch: Option<Switch>,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Switch {
    /// Put the node back on the network
    On,
    /// Close its sessions and refuse new ones; it goes on serving its API
    Off,
}

pub(crate) fn run(arguments: &NetworkArguments) -> Result<()> {
    let client = arguments.read.client()?;
    let answer = match arguments.switch {
        None => client.get_text("/v1/network")?,
        Some(switch) => client.set_network_text(switch == Switch::On)?,
    };
    let print = |network: &Value| output::line(&format!("network {}", describe(network)));
    arguments.read.print(&client, &answer, print)
}

/// `on, 2 sessions, swim`.
pub(super) fn describe(network: &Value) -> String {
    let membership = output::text(network, "membership");
    match (
        network["enabled"].as_bool(),
        output::number(network, "sessions"),
    ) {
        (Some(true), 1) => format!("on, 1 session, {membership}"),
        (Some(true), sessions) => format!("on, {sessions} sessions, {membership}"),
        _ => "off (`replicant network on` puts it back)".to_owned(),
    }
}
