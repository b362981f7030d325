//! Whole nodes in one process, with real sockets, real components and real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cluster;
mod harness;
mod single;
