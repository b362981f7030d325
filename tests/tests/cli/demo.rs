//! `replicant demo`: what it says before it starts, and what it leaves behind.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use replicant_tests::process::Replicant;

const POLL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/poll");
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_is_wrong_is_found_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let no_trace = folder.path().join("trace.json");
    std::fs::write(&no_trace, "{\"kind\": \"concurrent\"}").unwrap();
    let no_trace = no_trace.to_str().unwrap();
    let demo = |arguments: &[&str], words: &[&str]| {
        let arguments = ["demo", "--fast", "--example", POLL]
            .iter()
            .chain(arguments);
        let ran = Replicant::new().run(arguments).fails(1, words);
        assert_eq!(ran.stdout, "");
    };
    demo(
        &["--trace", "/no/such.json"],
        &["cannot read /no/such.json"],
    );
    demo(&["--trace", no_trace], &[no_trace, "no sequential trace"]);
    demo(
        &["--report", "/no/such/report.json"],
        &["cannot write the report to /no/such/report.json"],
    );
    Replicant::new()
        .run(["demo", "--example", "/no/such"])
        .fails(1, &["no crate at /no/such", "--example DIR"]);
    // It may be the data of a node.
    demo(&["--keep", POLL], &[POLL, "holds other things", "--keep"]);
    let ran = Replicant::new()
        .with("REPLICANT_GUEST_RUSTC", "/no/such/rustc")
        .run(["demo", "--fast", "--example", POLL])
        .fails(1, &["/no/such/rustc", "rustup target add", "apt-get"]);
    assert_eq!(ran.stdout, "");
}

/// Starts the demo until its nodes run; returns it and their processes.
fn started(folder: &Path) -> (replicant_tests::process::Running, Vec<u64>) {
    let mut demo = Replicant::new()
        .with("TMPDIR", folder.to_str().unwrap())
        .start(["demo", "--fast", "--example", POLL]);
    while !demo.line().starts_with("1. ") {}
    let data = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    let process = |name: &&str| {
        let ready = std::fs::read(data.path().join(name).join("ready.json")).unwrap();
        let ready: serde_json::Value = serde_json::from_slice(&ready).unwrap();
        ready["pid"].as_u64().unwrap()
    };
    (demo, ["ada", "bob", "cyd"].iter().map(process).collect())
}

fn is_running(process: &u64) -> bool {
    let mut kill = Command::new("kill");
    kill.args(["-0", &process.to_string()]);
    kill.output().unwrap().status.success()
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let (demo, nodes) = started(folder.path());
        assert!(nodes.iter().all(is_running));
        demo.signal(signal);
        demo.ends().fails(130, &["interrupted"]);
        assert!(!nodes.iter().any(is_running));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_nodes_of_a_killed_demo_end_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let (demo, nodes) = started(folder.path());
    demo.signal("KILL");
    demo.ends();
    let deadline = Instant::now() + PATIENCE;
    while nodes.iter().any(is_running) {
        assert!(Instant::now() < deadline, "{nodes:?} are still running");
        std::thread::sleep(Duration::from_millis(20));
    }
}
