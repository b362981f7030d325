//! The `replicant` command: starts a node, or talks to one over its HTTP API.
//!
//! Every command is a thin client of the library or of the API. Results go to standard output,
//! everything else to standard error. The exit code says how it went; see [`exit`].
#![forbid(unsafe_code)]
// They panic where nobody listens any more: see `output::line` and `output::aside`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod client;
mod commands;
mod environment;
mod exit;
mod files;
mod guest;
mod local_cluster;
mod logs;
mod open_files;
mod output;
mod progress;
mod sandbox;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == sandbox::COMPILE)
    {
        return replicant::compile_for_parent();
    }
    replicant::storage::silence_guarded_panics();
    let arguments = Arguments::parse();
    match commands::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
