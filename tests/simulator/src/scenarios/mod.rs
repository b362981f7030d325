//! What is measured, by name. A scenario builds a world, does something to it, and says what came
//! of it.

mod environment;
mod fact;
mod flood;
mod mass_crash;
mod random_push;
mod rapid;
mod reconcile;
mod shipped;
mod swim;
mod topics;
mod tree;
mod versions;

use crate::file::ScenarioFile;
use crate::{Index, Outcome, Progress};

pub use environment::{Measured, measure};
pub use shipped::SHIPPED;

/// How a scenario is run: nodes, seed, and whom to tell.
pub type Run = fn(Index, u64, &mut Progress<'_>) -> Outcome;

/// Something that can be measured.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// With how many nodes, if nobody says.
    pub nodes: Index,
    /// Whether something of it can be drawn.
    pub is_drawn: bool,
    /// Runs it.
    pub run: Run,
}

/// All of them, in the order of telling. One line each, and its module above.
#[rustfmt::skip]
pub const SCENARIOS: &[Scenario] = &[
    drawn("flood", "random nodes flood a random graph", 1_000, flood::flood),
    scenario("reconcile", "two sets that differ in 100 meet", 1_000_000, reconcile::reconcile),
    scenario("versions", "nodes with many topics; 100 differ", 100_000, versions::versions),
    drawn("rapid", "rapid broadcast; a tenth is dead, 5 % is lost", 10_000, rapid::rapid),
    drawn("random_push", "plain random push, as `rapid`", 10_000, random_push::random_push),
    drawn("swim", "machines go silently", 1_000, swim::crash),
    scenario("swim_slow", "one of twenty is blocked again and again", 1_000, swim::slow),
    drawn("swim_load", "what a node sends in clusters of three sizes", 1_000, swim::load),
    scenario("swim_life", "members come and go, the network parts and heals", 1_000, swim::life),
    drawn("fact", "facts reach everybody; 5 % is lost", 10_000, fact::fact),
    drawn("tree", "nodes join through one, then random ones speak", 10_000, tree::tree),
    drawn("tree_of_fifty", "the same, joined through one of fifty", 10_000, tree::tree_of_fifty),
    scenario("topics", "messages in topics, among those that listen", 2_000, topics::topics),
    drawn("tree_crash", "50, 80, 90 % of processes end", 10_000, mass_crash::mass_crash),
    drawn("tree_crash_silent", "the same, unnoticed", 10_000, mass_crash::mass_crash_silent),
];

const fn scenario(name: &'static str, about: &'static str, nodes: Index, run: Run) -> Scenario {
    Scenario {
        name,
        about,
        nodes,
        is_drawn: false,
        run,
    }
}

/// One of which something can be drawn.
const fn drawn(name: &'static str, about: &'static str, nodes: Index, run: Run) -> Scenario {
    Scenario {
        is_drawn: true,
        ..scenario(name, about, nodes, run)
    }
}

/// A scenario, from the table or from a file.
#[derive(Clone)]
pub enum Found {
    /// Of the table.
    Built(&'static Scenario),
    /// Of a file.
    File(Box<ScenarioFile>),
}

/// The scenario of this name: of the table, or a file that is part of the program. `-` and `_` are
/// the same.
pub fn find(name: &str) -> Option<Found> {
    let name = name.replace('_', "-");
    let is_named = |other: &str| other.replace('_', "-") == name;
    if let Some(built) = SCENARIOS.iter().find(|it| is_named(it.name)) {
        return Some(Found::Built(built));
    }
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| is_named(shipped))?;
    // A test reads all of them.
    let file = ScenarioFile::parse(text).ok()?;
    Some(Found::File(Box::new(file)))
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    let built = SCENARIOS.iter().map(|it| it.name);
    built.chain(SHIPPED.iter().map(|(name, _)| *name))
}

impl Found {
    /// What it does, in a line.
    pub fn about(&self) -> &str {
        match self {
            Self::Built(built) => built.about,
            Self::File(file) => &file.about,
        }
    }

    /// With how many nodes it is run if nobody says.
    pub fn nodes(&self) -> Index {
        match self {
            Self::Built(built) => built.nodes,
            Self::File(file) => file.nodes(),
        }
    }

    /// Whether something of it can be drawn.
    pub fn is_drawn(&self) -> bool {
        match self {
            Self::Built(built) => built.is_drawn,
            Self::File(file) => file.is_drawn(),
        }
    }

    /// Runs it.
    pub fn run(&self, nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
        match self {
            Self::Built(built) => (built.run)(nodes, seed, progress),
            Self::File(file) => file.run(Some(nodes), seed, progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_leads_to_one_scenario() {
        let plain: BTreeSet<String> = names().map(|name| name.replace('_', "-")).collect();
        assert_eq!(plain.len(), names().count());
        for name in names() {
            let found = find(&name.replace('-', "_"));
            assert!(
                found.is_some_and(|it| it.nodes() >= 2 && !it.about().is_empty()),
                "{name}"
            );
        }
        assert!(find("nothing").is_none());
    }

    /// Some were drawn empty.
    #[test]
    fn what_is_said_to_be_drawn_is_and_nothing_else() {
        for it in SCENARIOS {
            let outcome = (it.run)(64, 1, &mut |_, _| {});
            assert_eq!(it.is_drawn, !outcome.plots.is_empty(), "{}", it.name);
        }
    }
}
