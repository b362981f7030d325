//! What was not checked is not told as if it held.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;

use replicant_check::{CheckError, Config, History, Law, Report, Script, check, replay};
use replicant_guest_build::{Options, build};
use replicant_runtime::{Runtime, RuntimeConfig};

fn runtime() -> Runtime {
    Runtime::new(RuntimeConfig::small()).unwrap()
}

fn component(package: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mutants");
    let built = build(&folder, &[package], &Options::detect().unwrap()).unwrap();
    std::fs::read(&built[0].path).unwrap()
}

fn checked(package: &str, config: &Config) -> Result<Report, CheckError> {
    check(&runtime(), &component(package), config, &|_| {})
}

/// A few histories of these commands.
fn few(commands: &[&[u8]]) -> Config {
    Config {
        runs: 5,
        commands: commands.iter().map(|command| command.to_vec()).collect(),
        ..Config::default()
    }
}

#[test]
fn histories_in_which_every_command_is_refused_check_nothing() {
    // {"out": 3}
    let error = checked("honest-balance", &few(&[b"\xa1\x63out\x03"])).unwrap_err();
    let CheckError::NothingHappened {
        given,
        refused,
        first_refused,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(given, refused);
    let (command, words) = first_refused.clone().unwrap();
    assert_eq!(command, b"\xa1\x63out\x03");
    assert_eq!(words, "there is no 3 to pay out, but 0");
    assert!(error.to_string().contains(&words), "{error}");
}

#[test]
fn histories_in_which_no_command_changes_anything_check_nothing() {
    let error = checked("honest-counter", &few(&[b"\x00"])).unwrap_err();
    assert!(error.to_string().contains("none made an op"), "{error}");
}

#[test]
fn a_cost_of_which_too_little_is_known_is_not_said_to_be_bounded() {
    let mut commands: Vec<&[u8]> = vec![b"\x00"; 200];
    commands.push(b"\x01");
    let many = Config {
        runs: 60,
        ..few(&commands)
    };
    let report = checked("honest-counter", &many).unwrap();
    assert!(report.failure.is_none(), "{:#?}", report.failure);
    assert!(report.is_unchecked(Law::CostIsBounded));
    let reason = &report.unchecked[0].reason;
    assert!(reason.contains("made an op"), "{reason}");
    let report = checked("honest-counter", &few(&[b"\x01"])).unwrap();
    assert_eq!(report.unchecked, []);
}

#[test]
fn compaction_without_a_snapshot_is_not_said_to_be_invisible() {
    let short = Config {
        steps: 1,
        ..few(&[b"\x01"])
    };
    let report = checked("honest-counter", &short).unwrap();
    assert!(report.is_unchecked(Law::CompactionIsInvisible));
}

#[test]
fn the_report_is_the_same_on_any_number_of_threads() {
    for (package, runs) in [("traps-beyond-limit", 400), ("honest-set", 30)] {
        let of = |threads| {
            let config = Config {
                threads,
                runs,
                shrink_tries_max: 100,
                ..Config::default()
            };
            let report = checked(package, &config).unwrap();
            serde_json::to_string(&report).unwrap()
        };
        let first = of(1);
        assert_eq!(of(2), first);
        assert_eq!(of(7), first);
    }
}

#[test]
fn a_history_of_another_type_is_not_run() {
    let history = |module: &str| History {
        module: module.to_owned(),
        law: Law::ReplicasConverge,
        script: Script {
            seed: 0,
            replicas: vec![1],
            steps: Vec::new(),
        },
    };
    let (runtime, component) = (runtime(), component("honest-counter"));
    let seen = |module| replay(&runtime, &component, &history(module), &Config::default());
    assert_eq!(seen("counter@7.0.0").unwrap(), None);
    let error = seen("set@0.1.0").unwrap_err();
    assert!(matches!(error, CheckError::OtherType { .. }), "{error}");
    let words = error.to_string();
    assert!(
        words.contains("of set") && words.contains("is counter"),
        "{words}"
    );
}
