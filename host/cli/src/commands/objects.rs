//! `replicant objects`: what a topic holds.

use anyhow::Result;
use clap::Args;
use replicant::ids::TopicName;

use crate::arguments::{ReadArguments, written};
use crate::client::{topic_path, with_query};
use crate::output::{Table, line, text};

#[derive(Args)]
pub(crate) struct ObjectsArguments {
    /// The topic
    #[arg(value_parser = written::<TopicName>)]
    topic: String,
    /// How many objects at most
    #[arg(long, value_name = "COUNT", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on behind an earlier page (its `next`)
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    after: Option<String>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &ObjectsArguments) -> Result<()> {
    let limit = arguments.limit.to_string();
    let path = format!("{}/objects", topic_path(&arguments.topic));
    let parameters = [
        ("limit", Some(limit.as_str())),
        ("after", arguments.after.as_deref()),
    ];
    arguments
        .read
        .read(&with_query(&path, &parameters), |page| {
            let mut table = Table::new(&["type", "id"]);
            for object in page["objects"].as_array().into_iter().flatten() {
                table.row(&[text(object, "type"), text(object, "id")]);
            }
            table.print("no objects")?;
            match page["next"].as_str() {
                Some(next) => line(&format!("there are more: --after {next}")),
                None => Ok(()),
            }
        })
}
