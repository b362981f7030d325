//! Scenario files that are part of the program.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// Name and text of each.
pub const SHIPPED: &[(&str, &str)] = shipped![
    "crash-and-return",
    "one-way-partition",
    "churn",
    "slow-nodes",
    "clock-skew",
    "lossy-links",
    "tree-parts",
    "full-views",
    "canary",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::ScenarioFile;

    fn outcome_of(name: &str, seed: u64) -> crate::Outcome {
        let found = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        let (_, text) = found.expect("it is shipped");
        let file = ScenarioFile::parse(text).expect("it is well-formed");
        file.run(Some(200), seed, &mut |_, _| ())
    }

    #[test]
    fn every_shipped_scenario_holds_with_few_nodes_but_the_canary() {
        for (name, _) in SHIPPED.iter().filter(|(name, _)| *name != "canary") {
            let outcome = outcome_of(name, 7);
            assert!(outcome.holds(), "{name}: {:#?}", outcome.figures);
        }
    }

    #[test]
    fn the_canary_is_found() {
        let outcome = outcome_of("canary", 7);
        let failed = outcome.figures.iter().filter(|figure| !figure.holds());
        assert_eq!(
            failed.map(|it| it.name.as_str()).collect::<Vec<_>>(),
            ["all: reached"]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_hash_whatever_goes_wrong() {
        for name in ["churn", "lossy-links", "slow-nodes"] {
            assert_eq!(outcome_of(name, 3), outcome_of(name, 3), "{name}");
            assert_ne!(outcome_of(name, 3).log_hash, outcome_of(name, 4).log_hash);
        }
    }
}
