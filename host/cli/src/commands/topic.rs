//! `replicant topic`: who listens to what, and what is said there.

use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::json_argument;
use super::messages::{self, FollowArguments};
use crate::arguments::ReadArguments;
use crate::client::messages_path;
use crate::output::{self, Table, number, text, yes};

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
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    topic: String,
    /// What to say, in JSON
    #[arg(value_name = "MESSAGE_JSON", allow_hyphen_values = true)]
    message: String,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct SubscribeArguments {
    /// The topic, as in shop/eu
    #[arg(value_parser = NonEmptyStringValueParser::new())]
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
            let subscribers = number(topic, "subscribers").to_string();
            table.row(&[text(topic, "topic"), &subscribers, yes(topic, "own")]);
        }
        table.print("nobody listens to any topic")
    })
}

fn publish(arguments: &PublishArguments) -> Result<()> {
    let message = json_argument("message", &arguments.message)?;
    let client = arguments.read.client()?;
    let answer = client.post_text(&messages_path(&arguments.topic), message.get())?;
    arguments.read.print(&client, &answer, |published| {
        let audience = match number(published, "audience") {
            0 => "nobody listens".to_owned(),
            1 => "1 node listens".to_owned(),
            count => format!("{count} nodes listen"),
        };
        output::line(&format!("said in {}: {audience}", arguments.topic))
    })
}
