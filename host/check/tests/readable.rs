//! Data that clients cannot be told is found, whatever it is part of.
#![allow(clippy::unwrap_used, missing_docs)]

use replicant_check::{Config, Law, Readable, check};
use replicant_runtime::{Runtime, RuntimeConfig};

/// What is said of an or-set whose data is taken for unreadable where `readable` says so.
fn said(readable: Readable) -> Option<(Law, String)> {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let component = replicant_crdts::find("or-set").unwrap();
    let config = Config {
        runs: 20,
        readable,
        ..Config::default()
    };
    let report = check(&runtime, component.bytes, &config, &|_| {}).unwrap();
    let violation = report.failure?.violation;
    Some((violation.law, violation.what))
}

/// Of CBOR, the first byte says whether it is an array (a value) or a map (an event).
fn is(data: &[u8], major: u8) -> bool {
    data.first().is_some_and(|first| first >> 5 == major)
}

fn not_if(data: &[u8], major: u8) -> Result<(), String> {
    match is(data, major) {
        true => Err("it is none".to_owned()),
        false => Ok(()),
    }
}

#[test]
fn a_value_that_nobody_can_read_breaks_a_law() {
    let (law, what) = said(|data| not_if(data, 4)).unwrap();
    assert_eq!(law, Law::NeverFaults);
    assert!(what.contains("the value cannot be passed on"), "{what}");
}

#[test]
fn an_event_that_nobody_can_read_breaks_a_law() {
    let (_, what) = said(|data| not_if(data, 5)).unwrap();
    assert!(what.contains("an event cannot be passed on"), "{what}");
}

#[test]
fn an_answer_that_nobody_can_read_breaks_a_law() {
    // `contains` is answered by true or false.
    let (_, what) = said(|data| not_if(data, 7)).unwrap();
    assert!(what.contains("an answer cannot be passed on"), "{what}");
}
