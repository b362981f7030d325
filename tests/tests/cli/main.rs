//! The command against real nodes, as a session in a shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reading;
mod serving;
mod updating;
mod usage;
mod watching;
