//! `replicant members`: the cluster, as the node sees it.

use std::io;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::arguments::ReadArguments;
use crate::output::{self, Table, number, short, text};

#[derive(Args)]
pub(crate) struct MembersArguments {
    /// Follow them: each member that is known, and then each about which something changes
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &MembersArguments) -> Result<()> {
    match arguments.watch {
        true => watch(arguments),
        false => arguments.read.read("/v1/members", print),
    }
}

fn print(members: &Value) -> io::Result<()> {
    let mut table = Table::new(&["node", "address", "state", "incarnation", "session"]);
    for member in members.as_array().into_iter().flatten() {
        let session = match (member["self"] == true, member["connected"] == true) {
            (true, _) => "this node",
            (false, true) => "open",
            (false, false) => "none",
        };
        let incarnation = number(member, "incarnation").to_string();
        let (id, address, state) = (
            text(member, "id"),
            text(member, "address"),
            text(member, "state"),
        );
        table.row(&[short(id), address, state, &incarnation, session]);
    }
    table.print("no members")
}

fn watch(arguments: &MembersArguments) -> Result<()> {
    let client = arguments.read.client()?;
    let mut events = client.events("/v1/members/watch")?;
    loop {
        let event = events.next()?;
        if arguments.read.json {
            output::json(&event.data)?;
            continue;
        }
        let member = client.parse(&event.data)?;
        let (id, address, state) = (
            text(&member, "id"),
            text(&member, "address"),
            text(&member, "state"),
        );
        output::line(&format!("{} {address} {state}", short(id)))?;
    }
}
