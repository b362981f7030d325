//! Whole nodes in one process, with real sockets, real components and real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cluster;
mod failing_storage;
mod faults;
mod harness;
mod lost_history;
mod single;
mod versions;
