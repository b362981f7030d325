//! The types that ship keep to every law.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use replicant_check::{Config, check};
use replicant_runtime::{Runtime, RuntimeConfig};

fn holds(name: &str) {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let component = replicant_crdts::find(name).unwrap();
    let config = Config {
        runs: 60,
        ..Config::default()
    };
    let report = check(&runtime, component.bytes, &config, &|_| {}).unwrap();
    assert!(report.failure.is_none(), "{:#?}", report.failure);
    assert_eq!(report.runs, 60);
    assert!(report.deliveries > 1_000 && !report.cost.is_empty());
}

#[test]
fn g_counter_keeps_to_the_laws() {
    holds("g-counter");
}

#[test]
fn pn_counter_keeps_to_the_laws() {
    holds("pn-counter");
}

#[test]
fn lww_register_keeps_to_the_laws() {
    holds("lww-register");
}

#[test]
fn or_set_keeps_to_the_laws() {
    holds("or-set");
}

#[test]
fn text_keeps_to_the_laws() {
    holds("text");
}
