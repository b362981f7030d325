//! What was found.

use serde::Serialize;

use crate::cost::CostPoint;
use crate::law::{Law, Violation};
use crate::script::Script;

/// What was found about one component.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `name@version`.
    pub module: String,
    /// `name@version` of the older version whose histories had to go on.
    pub from: Option<String>,
    /// The first seed.
    pub seed: u64,
    /// How many runs were done.
    pub runs: u64,
    /// How many ops were delivered to objects in them.
    pub deliveries: u64,
    /// The laws that were checked, in their order.
    pub laws: Vec<Law>,
    /// What calls cost as history grows.
    pub cost: Vec<CostPoint>,
    /// The first law that is broken, by the run with the lowest seed; none if all hold.
    pub failure: Option<Failure>,
}

/// A broken law, and how to break it again.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// What was seen.
    pub violation: Violation,
    /// The shortest script that was found; none if the law is not about scripts.
    pub script: Option<Script>,
    /// How many steps the script had before it was made smaller.
    pub steps_before: usize,
}

/// How far a check has come.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// So many runs are done.
    Runs(u64),
    /// A law is broken; the script is being made smaller.
    Shrinking(Law),
    /// Costs are measured.
    Cost,
}
