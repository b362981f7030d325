//! Tests across crates: tidiness, simulation, hostile guests, end to end.
//!
//! What several of them need stands here: [`process`] runs the `replicant` command and nodes as
//! real processes, [`name_server`] is what they may ask for names.

pub mod name_server;
pub mod process;
