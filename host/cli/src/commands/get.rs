//! `replicant get`: an object's value.

use anyhow::Result;
use clap::Args;

use crate::arguments::{ObjectArguments, ReadArguments};
use crate::client::{ReadOptions, object_path};
use crate::output;

#[derive(Args)]
pub(crate) struct GetArguments {
    #[command(flatten)]
    object: ObjectArguments,
    /// Wait until the node has this version (the `version` of an earlier answer)
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true)]
    after: Option<String>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &GetArguments) -> Result<()> {
    let object = &arguments.object;
    let options = ReadOptions {
        type_name: object.type_name.as_deref(),
        after: arguments.after.as_deref(),
    };
    let path = options.path(&object_path(&object.topic, &object.id));
    arguments
        .read
        .read(&path, |object| output::value(&object["value"]))
}
