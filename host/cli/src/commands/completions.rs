//! `replicant completions`: completes commands and options in a shell.

use std::io::Write;

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;

#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// The shell to write a script for
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "replicant",
        &mut script,
    );
    Ok(std::io::stdout().write_all(&script)?)
}
