//! The HTTP API over real sockets, with a real node behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bodies;
mod formats;
mod limits;
mod names;
mod objects;
mod operation;
mod server;
mod topics;
mod watching;
mod web_pages;
