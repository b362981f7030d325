//! `replicant demo`: a cluster on this machine, from nothing to converged.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

#[derive(Args)]
pub(crate) struct DemoArguments {
    /// Type only the beginning of the paper
    #[arg(long)]
    fast: bool,
    /// Write what was proved to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Type this editing history instead (editing-traces format, may be gzipped)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// The crate of the user-written type
    #[arg(long, value_name = "DIR", default_value = "examples/poll")]
    example: PathBuf,
}

pub(crate) fn run(arguments: &DemoArguments) -> Result<()> {
    let DemoArguments {
        fast: _,
        report: _,
        trace: _,
        example: _,
    } = arguments;
    bail!("this release has no demo yet")
}
