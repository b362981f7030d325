//! `replicant watch`: follows changes.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use replicant::WatchToken;
use replicant::ids::{ObjectId, TopicName};
use serde_json::Value;

use crate::arguments::{ReadArguments, written};
use crate::client::{Client, ClientError, Event};
use crate::output::{self, printable, text};

/// Between attempts to reach the node again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct WatchArguments {
    /// The topic
    #[arg(value_parser = written::<TopicName>)]
    topic: String,
    /// Only this object
    #[arg(value_parser = written::<ObjectId>)]
    id: Option<String>,
    /// End after this many changes
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// Go on behind an earlier event: its `token`, as `--json` prints it
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true,
          value_parser = written::<WatchToken>)]
    from: Option<String>,
    /// Go on when the node goes away: try to reach it again until it is back, and go on from the
    /// last event
    #[arg(long)]
    reconnect: bool,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &WatchArguments) -> Result<()> {
    let client = arguments.read.client()?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut from = arguments.from.clone();
    while left > 0 {
        let error = follow(arguments, &client, &mut left, &mut from)?;
        match error {
            None => break,
            Some(error) if arguments.reconnect => {
                output::aside(&format!("{error}; trying again"));
            }
            Some(error) => return Err(error.into()),
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Prints events until there were enough, or the connection ends; then says why. Keeps from where
/// to go on.
fn follow(
    arguments: &WatchArguments,
    client: &Client,
    left: &mut u64,
    from: &mut Option<String>,
) -> Result<Option<ClientError>> {
    let id = arguments.id.as_deref();
    let mut events = match client.watch(&arguments.topic, id, from.as_deref()) {
        Ok(events) => events,
        Err(error @ ClientError::Refused { .. }) => return Err(error.into()),
        Err(error) => return Ok(Some(error)),
    };
    while *left > 0 {
        let next = events.next();
        if let Ok(event) = &next {
            print(client, event, arguments.read.json)?;
            *left -= u64::from(event.name == "change");
        }
        if let Some(last) = events.last_id() {
            *from = Some(last.to_owned());
        }
        if let Err(error) = next {
            return Ok(Some(error));
        }
    }
    Ok(None)
}

fn print(client: &Client, event: &Event, as_json: bool) -> Result<()> {
    if as_json {
        return Ok(output::json(&event.data)?);
    }
    let told = client.parse(&event.data)?;
    match event.name.as_str() {
        "change" => {
            let events = told["events"].as_array().into_iter().flatten();
            let events: Vec<String> = events.map(Value::to_string).collect();
            print_object(&told, &format!(" {}", events.join(" ")))
        }
        _ => print_state(&told),
    }
}

/// The state in place of changes that were missed.
fn print_state(missed: &Value) -> Result<()> {
    output::line(match missed["complete"].as_bool() {
        Some(true) => "(some changes were missed; what they led to:)",
        _ => "(some changes were missed: list the objects and read what you follow)",
    })?;
    for object in missed["objects"].as_array().into_iter().flatten() {
        match object.get("value") {
            Some(value) => print_object(object, &format!("= {value}"))?,
            None => print_object(object, &format!("({})", text(object, "unavailable")))?,
        }
    }
    Ok(())
}

fn print_object(object: &Value, what: &str) -> Result<()> {
    let (type_name, id) = (text(object, "type"), text(object, "id"));
    Ok(output::line(&printable(&format!(
        "{type_name} {id} {what}"
    )))?)
}
