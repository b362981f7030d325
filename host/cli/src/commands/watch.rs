//! `replicant watch`: follows changes.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::arguments::ReadArguments;
use crate::client::{Client, ClientError, Event};
use crate::output::{self, printable, text};

/// Between attempts to reach the node again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct WatchArguments {
    /// The topic
    topic: String,
    /// Only this object
    id: Option<String>,
    /// End after this many changes
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// Go on when the node goes away: try to reach it again until it is back. Changes in between
    /// are missed, and reported as an overrun
    #[arg(long)]
    reconnect: bool,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &WatchArguments) -> Result<()> {
    let client = arguments.read.client()?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let error = follow(arguments, &client, &mut left)?;
        match error {
            None => break,
            Some(error) if arguments.reconnect => eprintln!("{error}; trying again"),
            Some(error) => return Err(error.into()),
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Prints events until there were enough, or the connection ends; then says why.
fn follow(
    arguments: &WatchArguments,
    client: &Client,
    left: &mut u64,
) -> Result<Option<ClientError>> {
    let mut events = match client.watch(&arguments.topic, arguments.id.as_deref()) {
        Ok(events) => events,
        Err(error @ ClientError::Refused { .. }) => return Err(error.into()),
        Err(error) => return Ok(Some(error)),
    };
    while *left > 0 {
        match events.next() {
            Ok(event) => {
                if print(client, &event, arguments.read.json)? {
                    *left -= 1;
                }
            }
            Err(error) => {
                if arguments.reconnect {
                    overrun(arguments.read.json)?;
                }
                return Ok(Some(error));
            }
        }
    }
    Ok(None)
}

/// Whether the event was a change.
fn print(client: &Client, event: &Event, as_json: bool) -> Result<bool> {
    match (event.name.as_str(), as_json) {
        ("change", true) => output::json(&event.data)?,
        ("change", false) => {
            let change = client.parse(&event.data)?;
            let events = change["events"].as_array().into_iter().flatten();
            let events: Vec<String> = events.map(Value::to_string).collect();
            let (type_name, id) = (text(&change, "type"), text(&change, "id"));
            output::line(&printable(&format!(
                "{type_name} {id}  {}",
                events.join(" ")
            )))?;
        }
        _ => {
            overrun(as_json)?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells that changes were missed.
fn overrun(as_json: bool) -> Result<()> {
    let line = match as_json {
        true => "{\"overrun\":true}",
        false => "(some changes were missed: read again what you follow)",
    };
    Ok(output::line(line)?)
}
