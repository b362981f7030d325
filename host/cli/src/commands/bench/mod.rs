//! `replicant bench`: figures of a whole cluster on this machine.

mod idle_objects;
mod throughput;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{exit, signals};

/// Measures real nodes on loopback. Build with `--release` before you believe a figure.
#[derive(Args)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    figure: Option<Figure>,
    /// Print the figures as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Figure {
    /// Acknowledged increments per second, and the time until all nodes show them
    Throughput(throughput::ThroughputArguments),
    /// Resident memory per object that nobody uses
    IdleObjects(idle_objects::IdleObjectsArguments),
}

/// Runs one measurement, or all of them with their defaults.
pub(crate) fn run(arguments: &BenchArguments) -> Result<()> {
    signals::note(exit::INTERRUPTED)?;
    let measured = measure(arguments);
    // Whatever failed because the nodes got the signal too.
    signals::check()?;
    measured
}

fn measure(arguments: &BenchArguments) -> Result<()> {
    match &arguments.figure {
        Some(Figure::Throughput(wanted)) => throughput::run(wanted, arguments.json),
        Some(Figure::IdleObjects(wanted)) => idle_objects::run(wanted, arguments.json),
        None => {
            throughput::run(&throughput::ThroughputArguments::default(), arguments.json)?;
            idle_objects::run(
                &idle_objects::IdleObjectsArguments::default(),
                arguments.json,
            )
        }
    }
}
