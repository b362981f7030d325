//! `replicant tune`: what follows from where nodes run.

use replicant_tests::process::Replicant;
use serde_json::Value;

fn tune(arguments: &[&str]) -> Value {
    let all = [&["tune", "--json"], arguments].concat();
    Replicant::new().run(all).json()
}

#[test]
fn parameters_and_expectations_follow_from_the_environment() {
    let lan = tune(&[]);
    assert_eq!(lan, tune(&["--profile", "lan"]));
    assert_eq!(lan["measured"], Value::Null);
    let wan = tune(&["--profile", "wan"]);
    for name in ["swim.probe_interval_ms", "swim.probe_timeout_ms"] {
        let of = |told: &Value| told["parameters"][name].as_f64().unwrap();
        assert!(of(&wan) > of(&lan), "{name}: {wan:#}");
    }
    let later = |told: &Value| told["expected"]["all_know_s"].as_f64().unwrap();
    assert!(later(&wan) > later(&lan));
    let table = Replicant::new().run(["tune", "--reliability", "0.5"]);
    table.mentions(&["reliability", "0.5", "swim.probe_interval_ms", "all_know_s"]);
}

#[test]
fn a_parameter_can_be_given_and_changes_what_is_expected() {
    let given = tune(&["--parameter", "swim.probe_interval_ms=5000"]);
    assert_eq!(given["parameters"]["swim.probe_interval_ms"], 5000);
    let first = |told: &Value| told["expected"]["first_suspicion_s"].as_f64().unwrap();
    assert!(first(&given) > first(&tune(&[])));
}

#[test]
fn what_is_measured_stands_beside_what_is_expected() {
    let asked = ["--profile", "local", "--nodes", "300"];
    let few = [&asked[..], &["--measure", "--measure-nodes", "8"]].concat();
    let told = tune(&few);
    assert_eq!(told["measured"]["nodes"], 8);
    assert!(told["measured"]["all_know_s"].as_f64().unwrap() > 0.0);
    assert_eq!(told, tune(&few), "the seed decides");
    // What is told of the size that was asked for is what it is without measuring.
    let asked = tune(&asked);
    for part in ["environment", "parameters", "expected"] {
        assert_eq!(told[part], asked[part], "{part}");
    }
    assert_ne!(told["measured"]["expected"], told["expected"]);
    let table = Replicant::new().run([&["tune"], &few[..]].concat());
    table.mentions(&["OF 8 NODES", "MEASURED", "bytes_per_second"]);
    let measured = told["measured"].as_object().unwrap();
    for name in told["expected"].as_object().unwrap().keys() {
        assert!(measured[name].is_f64(), "{name}: {measured:#?}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_could() {
    let refused = |arguments: &[&str], words: &[&str]| {
        let all = [&["tune"], arguments].concat();
        Replicant::new().run(all).fails(2, words);
    };
    refused(&["--profile", "moon"], &["moon", "lan", "wan"]);
    refused(&["--reliability", "2"], &["--reliability"]);
    refused(&["--reliability", "0"], &["0.01 to 1.0", "never up"]);
    refused(&["--loss", "1"], &["0.0 to 0.9", "arrives"]);
    refused(&["--nodes", "1"], &["--nodes", "2"]);
    refused(
        &["--parameter", "swim.probe_timeout_ms=5000"],
        &[
            "swim.probe_interval_ms=350",
            "swim.probe_timeout_ms=5000",
            "swim.probe_interval_ms=10000 or more",
            "swim.probe_timeout_ms=175 or less",
        ],
    );
    refused(&["--parameter", "swim.speed=1"], &["swim.speed"]);
    refused(&["--parameter", "swim.probe_interval_ms=no"], &["no"]);
    refused(&["--measure-nodes", "8"], &["--measure"]);
}
