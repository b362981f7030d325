//! Exit codes, and how a failure is told.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | done |
//! | 1 | refused by the node or a type, or failed |
//! | 2 | the command line was wrong; nothing was tried |
//! | 3 | the node could not be reached, or went away |
//! | 130 | interrupted (`demo` and `bench`) |

use std::io;
use std::process::ExitCode;

use crate::client::ClientError;
use crate::output::{aside, printable};
use crate::signals::Interrupted;

const FAILED: u8 = 1;
const MISUSED: u8 = 2;
const UNREACHABLE: u8 = 3;
/// What shells say of a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// What `--help` says of it.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  refused by the node or a type, or failed
  2  the command line was wrong; nothing was tried
  3  the node could not be reached, or went away
  130  interrupted (demo and bench)";

/// An argument that is wrong in itself, found out before anything was tried.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongArgument(pub(crate) String);

/// How a check of a component, a simulation, or waiting for acknowledgements ended, if not well.
/// Its own codes: 1 and 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// A law is broken, a figure is beyond its bound, or who should have a message has not;
    /// everything has been said.
    #[error("what was checked does not hold")]
    Told,
    /// Nothing is known of the component.
    #[error("{0}")]
    Unknown(String),
}

impl Unfit {
    /// The check could not be done.
    pub(crate) fn could_not_run(error: anyhow::Error) -> anyhow::Error {
        match is_closed_pipe(&error) {
            true => error,
            false => Self::Unknown(format!("{error:#}")).into(),
        }
    }
}

/// Tells the person what happened, why, and what to do next; says which exit code it is.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        // Whoever read the output has seen enough: `replicant objects … | head`.
        return ExitCode::SUCCESS;
    }
    if let Some(Unfit::Told) = error.downcast_ref::<Unfit>() {
        return ExitCode::from(FAILED);
    }
    let client_error = error.downcast_ref::<ClientError>();
    aside(&format!("error: {}", printable(&format!("{error:#}"))));
    if let Some(hint) = client_error.and_then(ClientError::hint) {
        aside(&format!("  hint: {}", printable(hint)));
    }
    ExitCode::from(match client_error {
        Some(
            ClientError::Unreachable { .. }
            | ClientError::Broken { .. }
            | ClientError::Ended { .. },
        ) => UNREACHABLE,
        Some(ClientError::Address { .. }) => MISUSED,
        _ if error.is::<WrongArgument>() || error.is::<Unfit>() => MISUSED,
        _ if error.is::<Interrupted>() => INTERRUPTED,
        _ => FAILED,
    })
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let as_io = error.downcast_ref::<io::Error>();
    as_io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
