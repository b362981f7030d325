//! `replicant init`: makes a node's data folder.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::output;

#[derive(Args)]
pub(crate) struct InitArguments {
    /// The folder to make; it gets the node's key
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(arguments: &InitArguments) -> Result<()> {
    let node = replicant::init(&arguments.folder)?;
    let folder = arguments.folder.display();
    output::line(&format!("node {node} has its data folder at {folder}"))?;
    let typed = output::quoted(&arguments.folder);
    output::line(&format!("start it with: replicant serve --data {typed}"))?;
    Ok(())
}
