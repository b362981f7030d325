//! Types that are made of others with the SDK's combinators keep to every law, as components.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;

use replicant_check::{Config, check};
use replicant_guest_build::{Options, build};
use replicant_runtime::{Runtime, RuntimeConfig};

fn holds(example: &str, runs: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(example);
    let built = build(&folder, &[], &Options::detect().unwrap()).unwrap();
    let component = std::fs::read(&built[0].path).unwrap();
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let config = Config {
        runs,
        ..Config::default()
    };
    let report = check(&runtime, &component, &config, &|_| {}).unwrap();
    assert!(report.failure.is_none(), "{:#?}", report.failure);
    assert_eq!(report.module, format!("{example}@0.1.0"));
}

#[test]
fn a_map_of_counters_keeps_to_the_laws() {
    holds("scores", 60);
}

#[test]
fn a_map_of_pairs_of_everything_keeps_to_the_laws() {
    holds("wiki", 20);
}
