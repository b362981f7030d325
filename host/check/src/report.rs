//! What was found.

use serde::Serialize;

use crate::cost::CostPoint;
use crate::law::{Law, Violation};
use crate::queries::{QueryCount, QuerySource};
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
    /// How many commands were given in them.
    pub commands: u64,
    /// How many of these were refused.
    pub refused: u64,
    /// The first that was refused, in CBOR, and the component's words.
    #[serde(skip)]
    pub first_refused: Option<(Vec<u8>, String)>,
    /// The queries that were asked, by where they came from.
    pub queries: Vec<QueryCount>,
    /// The laws that were to be checked, in their order.
    pub laws: Vec<Law>,
    /// Those of them that could not be.
    pub unchecked: Vec<Unchecked>,
    /// What calls cost as history grows.
    pub cost: Vec<CostPoint>,
    /// The first law that is broken, by the run with the lowest seed; none if all hold.
    pub failure: Option<Failure>,
}

impl Report {
    /// Whether it is known why nothing is known of this law.
    #[must_use]
    pub fn is_unchecked(&self, law: Law) -> bool {
        self.unchecked.iter().any(|unchecked| unchecked.law == law)
    }

    /// Whether the component answered a query of its type's own.
    #[must_use]
    pub fn answered_own_queries(&self) -> bool {
        let mut own = self.queries.iter().filter(|count| {
            let source = count.source;
            matches!(source, QuerySource::Schema | QuerySource::Given)
        });
        own.any(|count| count.answered > 0)
    }
}

/// A law of which nothing is known, although no history breaks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unchecked {
    /// The law.
    pub law: Law,
    /// What would have been needed, as a sentence.
    pub reason: String,
}

/// A broken law, and how to break it again.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// What was seen.
    pub violation: Violation,
    /// The shortest script that was found; none if the law is not about scripts.
    pub script: Option<Script>,
    /// Whether the script by itself breaks the law, as [`replay`](crate::replay) runs it. It does
    /// not where what went wrong is the making up of commands: then the seed does.
    pub comes_again: bool,
    /// How many steps the script had before it was made smaller.
    pub steps_before: usize,
    /// The seed of the run: with it as [`Config::seed`](crate::Config::seed) and else the same
    /// configuration, the first run ends so again.
    pub seed: u64,
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
