//! Replication from outside: a simulated network with faults, and peers that lie.
//!
//! A failing seed is replayed with
//! `REPLICANT_SEED=N cargo test -p replicant-protocol --test replication one_seed`.

// Helpers of tests may stop a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod abuse;
mod checker;
mod disk;
mod driving;
mod faults;
mod malice;
mod network;
mod node;
mod repair;
mod sessions;
mod simulation;
mod victim;
mod world;
