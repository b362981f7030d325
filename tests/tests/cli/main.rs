//! The command against real nodes, as a session in a shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod benching;
mod checking;
mod contradictions;
mod demo;
mod discovering;
mod facts;
mod messaging;
mod partial_views;
mod reading;
mod readme;
mod serving;
mod simulating;
mod tuning;
mod unheard;
mod updating;
mod upgrading;
mod usage;
mod watching;
