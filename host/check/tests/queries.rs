//! Which queries are asked, and what the report says of them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use replicant_check::{Config, QueryCount, QuerySource, Report, check};
use replicant_runtime::{Runtime, RuntimeConfig};

fn report(name: &str, queries: &[&[u8]]) -> Report {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let component = replicant_crdts::find(name).unwrap();
    let config = Config {
        runs: 20,
        queries: queries.iter().map(|query| query.to_vec()).collect(),
        ..Config::default()
    };
    check(&runtime, component.bytes, &config, &|_| {}).unwrap()
}

fn count(report: &Report, source: QuerySource) -> Option<QueryCount> {
    let mut counts = report.queries.iter();
    counts.find(|count| count.source == source).copied()
}

#[test]
fn what_a_query_schema_describes_is_asked_and_answered() {
    for name in ["or-set", "lww-map", "text"] {
        let report = report(name, &[]);
        let own = count(&report, QuerySource::Schema).unwrap();
        assert!(own.asked >= 10, "{name}: {own:?}");
        // A part of a text that begins behind its end is refused.
        assert!(own.answered > own.asked / 2, "{name}: {own:?}");
        assert!(report.answered_own_queries());
        assert_eq!(count(&report, QuerySource::Given), None);
    }
}

#[test]
fn what_is_given_is_asked_too() {
    // {"contains": "given"}, and a number.
    let given: [&[u8]; 2] = [b"\xa1\x68contains\x65given", b"\x07"];
    let asked = count(&report("or-set", &given), QuerySource::Given).unwrap();
    assert_eq!((asked.asked, asked.answered), (2, 1));
}

#[test]
fn a_type_whose_schema_describes_no_query_of_its_own_is_known_by_the_report() {
    let report = report("g-counter", &[]);
    assert_eq!(count(&report, QuerySource::Schema), None);
    assert!(!report.answered_own_queries());
    let value = count(&report, QuerySource::Value).unwrap();
    assert_eq!((value.asked, value.answered), (1, 1));
}
