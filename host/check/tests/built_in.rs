//! The types that ship keep to every law.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use replicant_check::{CheckError, Config, Law, check};
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

fn laws_checked(name: &str) -> Vec<Law> {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let component = replicant_crdts::find(name).unwrap();
    let config = Config {
        runs: 1,
        ..Config::default()
    };
    check(&runtime, component.bytes, &config, &|_| {})
        .unwrap()
        .laws
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
fn lww_map_keeps_to_the_laws_of_merging_too() {
    holds("lww-map");
    let laws = &laws_checked("lww-map");
    let without_older = Law::ALL.len() - 1;
    assert_eq!(laws.len(), without_older);
    assert!(!laws_checked("or-set").contains(&Law::MergingCommutes));
}

#[test]
fn laws_of_merging_are_not_for_op_based_types() {
    let config = Config {
        laws: vec![Law::MergingCommutes],
        ..Config::default()
    };
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let component = replicant_crdts::find("or-set").unwrap();
    let error = check(&runtime, component.bytes, &config, &|_| {}).unwrap_err();
    assert!(matches!(error, CheckError::OtherWorld { .. }), "{error}");
    let told = error.to_string();
    for part in ["merging-commutes", "or-set@", "op-based", "never-faults"] {
        assert!(told.contains(part), "{told}");
    }
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
