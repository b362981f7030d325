//! Replication from outside: a simulated network with faults, and peers that lie.
//!
//! A failing seed is replayed with
//! `REPLICANT_SEED=N cargo test -p replicant-protocol --test replication one_seed`.

mod checker;
mod disk;
mod faults;
mod malice;
mod node;
mod simulation;
mod world;
