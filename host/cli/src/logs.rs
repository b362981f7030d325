//! The log of a node that runs in this process, on standard error.

use std::io::IsTerminal;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::exit::WrongArgument;

/// What is logged, and how.
#[derive(Args)]
pub(crate) struct LogArguments {
    /// What to log: a level, or levels by module as in `info,replicant::network=debug`
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// How to write the log
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

impl LogArguments {
    /// Starts to log. An error if the filter is not one.
    pub(crate) fn start(&self) -> Result<()> {
        let filter = EnvFilter::try_new(&self.log)
            .with_context(|| WrongArgument(format!("`--log {}` is no log filter", self.log)))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            // Saying so on the same standard error would panic.
            .log_internal_errors(false)
            .with_ansi(std::io::stderr().is_terminal());
        let started = match self.log_format {
            LogFormat::Text => log.try_init(),
            LogFormat::Json => log.json().try_init(),
        };
        started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
    }
}
