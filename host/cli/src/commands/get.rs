//! `replicant get`: an object's value.

use anyhow::Result;
use clap::Args;
use replicant::VersionToken;
use serde_json::Value;

use crate::arguments::{ObjectArguments, ReadArguments, written};
use crate::client::{ReadOptions, object_path};
use crate::output::{self, number, one_line, text};

#[derive(Args)]
pub(crate) struct GetArguments {
    #[command(flatten)]
    object: ObjectArguments,
    /// Wait until the node has this version (the `version` of an earlier answer)
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true,
          value_parser = written::<VersionToken>)]
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
    arguments.read.read(&path, |read| {
        tell_unread(&object.id, read);
        output::value(&read["value"])
    })
}

/// Says that there are ops of the object that its type cannot read: the value is without them.
fn tell_unread(id: &str, read: &Value) {
    let ops = match number(read, "ops_unread") {
        0 => return,
        1 => "1 op".to_owned(),
        count => format!("{count} ops"),
    };
    let (id, of) = (one_line(id), one_line(text(read, "type")));
    output::aside(&format!(
        "warning: {ops} of {id} could not be read by {of}, and the value is without them; \
         `replicant module show {of}` says what it reads, docs/versions.md what to do"
    ));
}
