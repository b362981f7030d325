//! A version that goes on with what an older one saved, and one that does so wrongly.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;

use replicant_check::{CheckError, Config, History, Law, Report, check, replay};
use replicant_guest_build::{Options, build};
use replicant_runtime::{Runtime, RuntimeConfig};

fn component(package: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/versions");
    let built = build(&folder, &[package], &Options::detect().unwrap()).unwrap();
    std::fs::read(&built[0].path).unwrap()
}

fn config(older: &str) -> Config {
    Config {
        from: Some(component(older)),
        runs: 60,
        ..Config::default()
    }
}

fn checked(newer: &str, config: &Config) -> Result<Report, CheckError> {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    check(&runtime, &component(newer), config, &|_| {})
}

#[test]
fn a_version_that_loads_what_the_older_ones_saved_keeps_to_every_law() {
    for (older, newer) in [("tally-1-0", "tally-1-1"), ("tally-1-1", "tally-2-0")] {
        let report = checked(newer, &config(older)).unwrap();
        assert!(report.failure.is_none(), "{:#?}", report.failure);
        assert!(report.laws.contains(&Law::OlderStatesLoad));
        assert_eq!(report.runs, 120, "of the newer and of the older");
        assert!(report.from.unwrap().starts_with("tally@1."));
    }
}

#[test]
fn a_state_that_is_not_what_its_ops_make_is_caught_and_seen_again() {
    let config = config("tally-1-1");
    let newer = component("tally-2-0-wrong");
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let report = check(&runtime, &newer, &config, &|_| {}).unwrap();
    let found = report.failure.unwrap();
    assert_eq!(found.violation.law, Law::OlderStatesLoad, "{found:#?}");
    let script = found.script.unwrap();
    assert_eq!(script.steps, [], "an object of which nothing is known yet");
    let history = History {
        module: report.module,
        law: Law::OlderStatesLoad,
        script,
    };
    let again = Config {
        laws: vec![history.law],
        ..config
    };
    let seen = replay(&runtime, &newer, &history, &again).unwrap();
    assert_eq!(seen, Some(found.violation));
}

#[test]
fn a_version_that_does_not_read_what_the_older_one_wrote_is_caught() {
    let report = checked("tally-1-0", &config("tally-2-0")).unwrap();
    let found = report.failure.unwrap().violation;
    assert_eq!(found.law, Law::OlderStatesLoad);
    assert!(found.what.contains("op encoding 2"), "{}", found.what);
}

#[test]
fn what_is_no_other_version_of_the_type_is_refused() {
    let same = checked("tally-2-0", &config("tally-2-0")).unwrap_err();
    assert!(same.to_string().contains("another version"), "{same}");
    let alone = Config {
        laws: vec![Law::OlderStatesLoad],
        from: None,
        ..config("tally-1-0")
    };
    let error = checked("tally-2-0", &alone).unwrap_err();
    assert!(error.to_string().contains("older version"), "{error}");
}
