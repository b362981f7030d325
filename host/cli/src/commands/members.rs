//! `replicant members`: the cluster, as the node sees it.

use std::collections::BTreeMap;
use std::io;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::arguments::ReadArguments;
use crate::output::{self, Table, number, printable, short, text};

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
    let mut table = Table::new(&[
        "node",
        "address",
        "state",
        "incarnation",
        "session",
        "up",
        "probes answered",
        "metadata",
    ]);
    for member in members.as_array().into_iter().flatten() {
        let incarnation = incarnation(member);
        let (id, address) = (text(member, "id"), text(member, "address"));
        let state = state(member);
        let [up, answered] = ["up_ppm", "probe_success_ppm"].map(|name| percent(member, name));
        table.row(&[
            short(id),
            address,
            &state,
            &incarnation,
            session(member),
            &up,
            &answered,
            member["metadata"].as_str().unwrap_or("-"),
        ]);
    }
    table.print("no members")
}

fn watch(arguments: &MembersArguments) -> Result<()> {
    let client = arguments.read.client()?;
    let mut events = client.events("/v1/members/watch")?;
    // What people see of a member may be the same although something about it has changed.
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let event = events.next()?;
        if arguments.read.json {
            output::json(&event.data)?;
            continue;
        }
        let member = client.parse(&event.data)?;
        let (id, line) = (text(&member, "id"), told_of(&member));
        let is_new = match text(&member, "state") {
            "forgotten" => told.remove(id).is_some(),
            _ => told.insert(id.to_owned(), line.clone()).as_ref() != Some(&line),
        };
        if is_new {
            output::line(&line)?;
        }
    }
}

/// A share of what was measured of a member; a dash where nobody measures.
fn percent(member: &Value, name: &str) -> String {
    match member["reliability"][name].as_u64() {
        Some(ppm) => format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100),
        None => "-".to_owned(),
    }
}

/// What is known of a member, whether it is kept out, and for how long it misbehaved of late.
fn state(member: &Value) -> String {
    let mut state = text(member, "state").to_owned();
    if member["revoked"] == true {
        state.push_str(", revoked");
    }
    match number(member, "bad_seconds") {
        0 => state,
        seconds => format!("{state}, {seconds} s bad"),
    }
}

/// How many suspicions a member has refuted; a dash where nobody suspects. The node that is asked
/// shows `alive` of itself in both cases, and has refuted none where there are none.
fn incarnation(member: &Value) -> String {
    match text(member, "state") {
        "neighbour" | "known" => "-".to_owned(),
        _ => number(member, "incarnation").to_string(),
    }
}

/// A member in a line.
fn told_of(member: &Value) -> String {
    let (id, address) = (short(text(member, "id")), text(member, "address"));
    let (state, session) = (state(member), session(member));
    printable(&format!("{id} {address} {state}, session: {session}"))
}

/// Whether there is a session with a member, for people.
fn session(member: &Value) -> &'static str {
    match (member["self"] == true, member["connected"] == true) {
        (true, _) => "this node",
        (false, true) => "open",
        (false, false) => "none",
    }
}
