//! Thousands of nodes in one thread: the protocols of Replicant on virtual time.
//!
//! A run is a function of its seed: events happen in the order of (time, sequence), the one
//! generator is seeded, collections iterate in order. [`Engine::log_hash`] sums up all that
//! happened; two runs of one seed have the same.
//!
//! [`Engine`] moves messages between nodes and fires their timers; what a node is, says
//! [`Process`]; [`worlds`] has them. [`Network`] decides what becomes of a message. Sessions are
//! modelled as far as protocols can see them: a node watches a peer as a TCP connection does, and
//! is told when the peer's process ended, or when what it sent to a machine that is gone, or beyond
//! a cut, has not been acknowledged for too long.
//!
//! [`scenarios`] is what is measured, by name; [`checkers`] say what must be true.
//!
//! Not here: encryption, framing, the operating system. End-to-end tests run those.

pub mod checkers;
mod engine;
pub mod file;
mod names;
mod network;
mod outcome;
mod plot;
pub mod scenarios;
pub mod worlds;

#[cfg(test)]
mod tests;

pub use engine::{Context, Counts, Crash, Engine, Process};
pub use names::{index_of, node_id};
pub use network::{Latency, Network, Transport};
pub use outcome::{Bound, Figure, Outcome, Progress};
pub use plot::{Line, Plot};

/// A node's number in the simulation, from 0.
pub type Index = u32;
