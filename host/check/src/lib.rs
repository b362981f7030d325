//! Finds out whether a CRDT component converges, whatever language it was written in.
//!
//! A few replicas live through random histories in the real sandbox: commands that the component
//! itself makes up (`sample`), deliveries in random causal orders, saving and loading, snapshots
//! with compaction. After each, every [`Law`] is checked. What breaks one is a [`Script`], which
//! is made as small as it can be and run again at will ([`replay`]).
//!
//! ```text
//! check ─▶ generate (script, by living through it) ─▶ laws ─▶ shrink ─▶ Report
//! ```
//!
//! The laws are those of `wit/replicant-crdt-0.1.0`. That they hold in some thousand histories
//! proves nothing, as always with tests; but each failure is a real one. Everything follows from
//! [`Config::seed`]: the same component, configuration and version of this crate give the same
//! report, on any number of threads.

mod chance;
mod check;
mod config;
mod cost;
mod generate;
mod law;
mod laws;
mod object;
mod queries;
mod report;
mod runs;
mod script;
mod shrink;
mod story;
mod tally;
mod world;

pub use check::{CheckError, check, replay};
pub use config::{Config, Readable};
pub use cost::{COST_OPS_MAX, CostPoint, GROWTH_MAX};
pub use law::{Evidence, Law, Violation};
pub use queries::{QueryCount, QuerySource};
pub use replicant_runtime::{CacheConfig, CompilerProcess, Limits, Module, Runtime, RuntimeConfig};
pub use report::{Failure, Progress, Report, Unchecked};
pub use script::{Action, Command, History, Script, Step, Update};
pub use story::Show;
