//! `replicant send` and `replicant receive`: messages from node to node, and following any kind of
//! message.

use anyhow::{Result, bail};
use clap::Args;

use super::said::SaidArguments;
use crate::arguments::{ReadArguments, digits};
use crate::client::{Client, Event, member_path};
use crate::exit::WrongArgument;
use crate::output::{self, printable, short, text};

/// How messages are followed.
#[derive(Args)]
pub(crate) struct FollowArguments {
    /// End after this many messages
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct SendArguments {
    /// The node's id, or its first digits
    #[arg(value_parser = digits::<1>)]
    node: String,
    #[command(flatten)]
    said: SaidArguments,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct ReceiveArguments {
    #[command(flatten)]
    follow: FollowArguments,
}

pub(crate) fn send(arguments: &SendArguments) -> Result<()> {
    let message = arguments.said.json()?;
    let client = arguments.read.client()?;
    let path = format!(
        "{}/messages",
        member_path(&member(&client, &arguments.node)?)
    );
    let answer = client.post_text(&path, &message)?;
    arguments.read.print(&client, &answer, |sent| {
        let to = short(text(sent, "to"));
        output::line(&format!(
            "sent to {to}: programs that listen there now hear it"
        ))
    })
}

/// The id of the one member whose id begins like this.
fn member(client: &Client, beginning: &str) -> Result<String> {
    let members = client.members()?;
    let ids = members.as_array().into_iter().flatten();
    let ids = ids.map(|member| text(member, "id"));
    let found: Vec<&str> = ids.filter(|id| id.starts_with(beginning)).collect();
    match found[..] {
        [id] => Ok(id.to_owned()),
        [] => bail!(WrongArgument(format!(
            "no member's id begins with {beginning}; see `replicant members`"
        ))),
        _ => bail!(WrongArgument(format!(
            "several members' ids begin with {beginning}; give more digits"
        ))),
    }
}

pub(crate) fn receive(arguments: &ReceiveArguments) -> Result<()> {
    follow("/v1/messages", &arguments.follow)
}

/// Prints what is said, until there was enough.
pub(super) fn follow(path: &str, arguments: &FollowArguments) -> Result<()> {
    let client = arguments.read.client()?;
    let mut events = client.events(path)?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let event = events.next()?;
        left -= u64::from(event.name == "message");
        print(&event, arguments.read.json)?;
    }
    Ok(())
}

fn print(event: &Event, as_json: bool) -> Result<()> {
    if event.name != "message" {
        let missed = match event.data.as_str() {
            "1" => "1 message came faster than it was read, and is".to_owned(),
            count => format!("{count} messages came faster than they were read, and are"),
        };
        // In JSON it would not be one; there it stands beside.
        return match as_json {
            true => {
                output::aside(&format!("{missed} gone"));
                Ok(())
            }
            false => Ok(output::line(&printable(&format!("({missed} gone)")))?),
        };
    }
    if as_json {
        return Ok(output::json(&event.data)?);
    }
    let told: serde_json::Value = serde_json::from_str(&event.data)?;
    let author = short(text(&told, "author"));
    let from = match told["topic"].as_str() {
        None => author.to_owned(),
        Some(topic) => format!("{author} in {topic}"),
    };
    Ok(output::line(&printable(&format!(
        "{from}: {}",
        told["payload"]
    )))?)
}
