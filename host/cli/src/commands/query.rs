//! `replicant query`: asks an object a question, as its type defines it.

use anyhow::Result;
use clap::Args;
use replicant::VersionToken;

use super::json_argument;
use crate::arguments::{ObjectArguments, ReadArguments, written};
use crate::client::{ReadOptions, object_path};
use crate::output;

#[derive(Args)]
pub(crate) struct QueryArguments {
    #[command(flatten)]
    object: ObjectArguments,
    /// The query, in JSON, as the type's query schema says (see `replicant module show`)
    #[arg(value_name = "QUERY_JSON", allow_hyphen_values = true)]
    query: String,
    /// Wait until the node has this version (the `version` of an earlier answer)
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true,
          value_parser = written::<VersionToken>)]
    after: Option<String>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &QueryArguments) -> Result<()> {
    let query = json_argument("query", &arguments.query)?;
    let object = &arguments.object;
    let options = ReadOptions {
        type_name: object.type_name.as_deref(),
        after: arguments.after.as_deref(),
    };
    let path = options.path(&format!("{}/query", object_path(&object.topic, &object.id)));
    let client = arguments.read.client()?;
    let answer = client.post_text(&path, query.get())?;
    arguments
        .read
        .print(&client, &answer, |answer| output::value(&answer["answer"]))
}
