//! `replicant dev`: a type that changes while a node runs it.

use std::fs;

use replicant_tests::process::{Replicant, Running};

use crate::place::{place, replicant, scaffold, text};
use crate::tools::Tools;

/// Reads lines until one has these words.
fn until(running: &mut Running, words: &str) -> String {
    loop {
        let line = running.line();
        if line.contains(words) {
            return line;
        }
    }
}

#[test]
fn a_type_is_loaded_anew_when_it_changes_and_its_objects_are_kept() {
    if !Tools::C.are_there() {
        return;
    }
    let folder = place("dev").join("marble-run");
    scaffold(&folder, "c");
    let source = folder.join("type.c");
    let code = fs::read_to_string(&source).unwrap();
    let arguments = ["dev", text(&folder), "--api", "127.0.0.1:0", "--runs", "10"];
    let mut dev = replicant().start(arguments);
    let ready = until(&mut dev, "node: API on ");
    let api = ready
        .split([' ', ','])
        .find(|word| word.starts_with("http"));
    let node = Replicant::at(api.unwrap());
    until(&mut dev, "marble-run@0.1.0-dev.1");
    until(&mut dev, "loaded; objects that were kept: 0");
    let update = |score| ["update", "arcade", "pinball", score, "--type", "marble-run"];
    node.run(update("340")).succeeds();
    node.run(update("1500")).fails(1, &["too good"]);

    // Another limit: the score that was reached is kept, and a better one is accepted.
    fs::write(&source, code.replace("SCORE_MAX 1000", "SCORE_MAX 2000")).unwrap();
    until(&mut dev, "type.c changed");
    until(&mut dev, "marble-run@0.1.0-dev.2");
    until(&mut dev, "loaded; objects that were kept: 1");
    node.run(["get", "arcade", "pinball"]).prints("340\n");
    node.run(update("1500")).succeeds();

    // What does not build, and what breaks a law, is not loaded.
    for wrong in [
        ("score->best = reported", "score->best = "),
        ("if (reported <= score->best) return false;", ""),
    ] {
        fs::write(&source, code.replace(wrong.0, wrong.1)).unwrap();
        until(&mut dev, "the node goes on with what it has");
        node.run(["get", "arcade", "pinball"]).prints("1500\n");
    }

    dev.signal("INT");
    let ended = dev.ends();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for told in ["marble-run/type.c", "is broken"] {
        assert!(ended.stderr.contains(told), "{ended:#?}");
    }
    assert!(ended.stdout.contains("stopped"), "{ended:#?}");
    node.run(["status"]).fails(3, &[]);
}

/// `timeout` sends one to the command and one to its group: the second ended it before it had
/// removed its folder.
#[test]
fn what_is_ended_by_two_signals_at_once_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let (folder, temporary) = (place.path().join("one"), place.path().join("temporary"));
    fs::create_dir(&temporary).unwrap();
    scaffold(&folder, "rust");
    // It runs without a build, too.
    let bare = replicant()
        .with("REPLICANT_GUEST_RUSTC", "/nowhere/rustc")
        .with("TMPDIR", text(&temporary));
    let is_empty = || fs::read_dir(&temporary).unwrap().next().is_none();
    let dev = ["dev", text(&folder), "--api", "127.0.0.1:0"];
    let mut running = bare.start(dev);
    until(&mut running, "waiting for a change");
    assert!(!is_empty());
    running.signal("TERM");
    running.signal("TERM");
    let ended = running.ends().succeeds();
    assert!(ended.stdout.contains("stopped"), "{ended:#?}");
    assert!(is_empty());

    // With a folder for its data it needs none, and makes none that a `kill -9` would leave.
    let data = place.path().join("data");
    let mut running = bare.start([&dev[..], &["--data", text(&data)]].concat());
    until(&mut running, "waiting for a change");
    assert!(is_empty());
    running.signal("TERM");
    running.ends().succeeds();
}
