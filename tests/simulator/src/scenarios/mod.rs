//! What is measured, by name. A scenario builds a world, does something to it, and says what came
//! of it.

mod flood;

use crate::{Index, Outcome, Progress};

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
    /// Runs it.
    pub run: Run,
}

/// All of them, in the order of telling. One line each, and its module above.
#[rustfmt::skip]
pub const SCENARIOS: &[Scenario] = &[
    scenario("flood", "random nodes flood a random graph", 1_000, flood::flood),
];

const fn scenario(name: &'static str, about: &'static str, nodes: Index, run: Run) -> Scenario {
    Scenario {
        name,
        about,
        nodes,
        run,
    }
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_leads_to_one_scenario() {
        let names: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), SCENARIOS.len());
        for name in names {
            assert_eq!(find(name).map(|found| found.name), Some(name));
        }
        assert!(find("nothing").is_none());
    }
}
