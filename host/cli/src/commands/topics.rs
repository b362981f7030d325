//! `replicant topics`: what the node holds.

use anyhow::Result;
use clap::Args;

use crate::arguments::ReadArguments;
use crate::output::{Table, grouped, number, text};

#[derive(Args)]
pub(crate) struct TopicsArguments {
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &TopicsArguments) -> Result<()> {
    arguments.read.read("/v1/topics", |topics| {
        let mut table = Table::new(&["topic", "objects", "ops"]);
        for topic in topics.as_array().into_iter().flatten() {
            let (objects, ops) = (number(topic, "objects"), number(topic, "ops"));
            table.row(&[text(topic, "topic"), &grouped(objects), &grouped(ops)]);
        }
        table.print("no topics")
    })
}
