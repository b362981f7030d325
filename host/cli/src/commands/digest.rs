//! `replicant digest`: a topic's contents in one hash.

use anyhow::Result;
use clap::Args;
use replicant::ids::TopicName;
use serde_json::Value;

use crate::arguments::{ReadArguments, written};
use crate::client::topic_path;
use crate::output::Table;

#[derive(Args)]
pub(crate) struct DigestArguments {
    /// The topic
    #[arg(value_parser = written::<TopicName>)]
    topic: String,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &DigestArguments) -> Result<()> {
    let path = format!("{}/digest", topic_path(&arguments.topic));
    arguments.read.read(&path, |digest| {
        let mut table = Table::new(&["what", "value"]);
        for (name, value) in digest.as_object().into_iter().flatten() {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            table.row(&[name, &value]);
        }
        table.print("")
    })
}
