//! `replicant topic`: who listens to what, and what is said there.

use std::io;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use replicant::ids::TopicName;
use replicant::messages::{DEADLINE_MAX, Wanted};
use serde_json::Value;

use super::messages::{self, FollowArguments};
use super::said::SaidArguments;
use crate::arguments::{ReadArguments, written};
use crate::client::{messages_path, with_query};
use crate::exit::Unfit;
use crate::output::{self, Table, number, one_line, short, text, yes};

/// How many missing nodes are named for people.
const NAMED_MAX: usize = 20;

#[derive(Subcommand)]
pub(crate) enum TopicCommand {
    /// List the paths that members subscribe to
    List(ListArguments),
    /// Say something in a topic, to all that listen to it or to a path above it
    Publish(PublishArguments),
    /// Listen to a topic and to all below it
    Subscribe(SubscribeArguments),
}

#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct PublishArguments {
    /// The topic, as in shop/eu/carts
    #[arg(value_parser = written::<TopicName>)]
    topic: String,
    #[command(flatten)]
    said: SaidArguments,
    /// Wait until all that listen have it, or so many, or count them until the deadline
    #[arg(long, value_name = "all|NUMBER|count", value_parser = written::<Wanted>)]
    acks: Option<String>,
    /// How long to wait for that [default: 5000]
    #[arg(long, value_name = "MS", requires = "acks",
          value_parser = clap::value_parser!(u64).range(1..=DEADLINE_MAX.as_millis() as u64))]
    deadline_ms: Option<u64>,
    /// Send it to many nodes at once instead of along a tree, for what has to be heard now: a
    /// handful of steps, many copies
    #[arg(long)]
    rapid: bool,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct SubscribeArguments {
    /// The topic, as in shop/eu
    #[arg(value_parser = written::<TopicName>)]
    topic: String,
    #[command(flatten)]
    follow: FollowArguments,
}

pub(crate) fn run(command: &TopicCommand) -> Result<()> {
    match command {
        TopicCommand::List(arguments) => list(arguments),
        TopicCommand::Publish(arguments) => publish(arguments),
        TopicCommand::Subscribe(arguments) => {
            messages::follow(&messages_path(&arguments.topic), &arguments.follow)
        }
    }
}

fn list(arguments: &ListArguments) -> Result<()> {
    arguments.read.read("/v1/subscriptions", |topics| {
        let mut table = Table::new(&["topic", "subscribers", "this node"]);
        for topic in topics.as_array().into_iter().flatten() {
            let subscribers = topic["subscribers"].as_u64();
            let subscribers = subscribers.map_or("-".to_owned(), |count| count.to_string());
            table.row(&[text(topic, "topic"), &subscribers, yes(topic, "own")]);
        }
        table.print("nobody that this node knows of listens to a topic")
    })
}

fn publish(arguments: &PublishArguments) -> Result<()> {
    let message = arguments.said.json()?;
    let client = arguments.read.client()?;
    let deadline = arguments.deadline_ms.map(|deadline| deadline.to_string());
    let path = with_query(
        &messages_path(&arguments.topic),
        &[
            ("acks", arguments.acks.as_deref()),
            ("deadline_ms", deadline.as_deref()),
            ("rapid", arguments.rapid.then_some("true")),
        ],
    );
    let answer = client.post_text(&path, &message)?;
    arguments.read.print(&client, &answer, |published| {
        match published.get("acknowledged") {
            Some(acknowledged) => {
                let wanted = arguments.acks.as_deref().unwrap_or_default();
                print_acknowledged(published, acknowledged, wanted)
            }
            None => print_published(&arguments.topic, published),
        }
    })?;
    let published = client.parse(&answer)?;
    match published.pointer("/acknowledged/enough") {
        Some(Value::Bool(false)) => bail!(Unfit::Told),
        _ => Ok(()),
    }
}

fn print_published(topic: &str, published: &Value) -> io::Result<()> {
    let audience = match published.get("audience").and_then(Value::as_u64) {
        None => "who listens is not known with partial views".to_owned(),
        Some(0) => "nobody listens".to_owned(),
        Some(1) => "1 node listens".to_owned(),
        Some(count) => format!("{count} nodes listen"),
    };
    output::line(&format!("said in {topic}: {audience}"))
}

/// How many have it, how many should if they are not that many, and who is missing.
fn print_acknowledged(published: &Value, acknowledged: &Value, wanted: &str) -> io::Result<()> {
    let count = number(acknowledged, "count");
    let missing = acknowledged.get("missing").and_then(Value::as_array);
    let missing = missing.into_iter().flatten().filter_map(Value::as_str);
    let missing: Vec<&str> = missing.map(short).collect();
    let named = missing.iter().take(NAMED_MAX).copied();
    let named = one_line(&named.collect::<Vec<&str>>().join(", "));
    let have = match published.get("audience").and_then(Value::as_u64) {
        Some(audience) => format!("{count} of {audience} have it"),
        None => format!("{count} have it"),
    };
    let have = match wanted.parse::<u64>() {
        Ok(wanted) if wanted > count => format!("{have}, {wanted} were wanted"),
        _ => have,
    };
    output::line(&match missing.len() {
        0 => have,
        1..=NAMED_MAX => format!("{have}; missing: {named}"),
        count => format!("{have}; missing: {named} and {} more", count - NAMED_MAX),
    })
}
