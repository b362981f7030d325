//! The protocols of Replicant as plain state machines: no socket, no clock, no thread, no
//! randomness of their own.
//!
//! Time, the wall clock and a seeded random number generator are arguments, collections iterate in
//! order, and nothing here waits. So a run is a function of its inputs: one thread simulates a
//! cluster, and a seed replays it.
//!
//! Every protocol has the same shape: `Config` (each field says meaning, unit and trade-off),
//! `State` (its documentation is the operating manual), `handle_*` for local inputs, `on_*` for
//! what a peer sent, `OutEvent` for what the driver has to do next, `Message` for what travels.
//! `now: Duration` is monotonic time since the driver's start; `wall_ms` is milliseconds since the
//! Unix epoch. Protocols never import each other: whoever drives them turns the output of one into
//! the input of another.
//!
//! What stands here: [`ids`], [`clock`], [`version`], [`identity`] are the words that all share,
//! and [`bundle`] is what they move.
//! Elsewhere: sockets, threads, storage and guests (crate `replicant`).
#![forbid(unsafe_code)]

mod allowance;
mod bounded;
pub mod broadcast;
pub mod bundle;
mod chunks;
pub mod circles;
pub mod clock;
pub mod content;
pub mod discovery;
pub mod environment;
pub mod facts;
pub mod identity;
pub mod ids;
pub mod membership;
mod recent;
pub mod reconciliation;
pub mod replication;
pub mod scores;
mod seen;
pub mod session;
mod signed;
pub mod topics;
pub mod version;
pub mod wire;
