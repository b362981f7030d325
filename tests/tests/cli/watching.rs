//! `replicant watch`.

use replicant_tests::process::{NodeProcess, Running};
use serde_json::Value;

fn increment(node: &NodeProcess, id: &str) {
    node.run([
        "update",
        "t",
        id,
        "{\"increment\": 1}",
        "--type",
        "g-counter",
    ])
    .succeeds();
}

/// The watch, once it hears: changes are made until it tells of one.
fn hearing(node: &NodeProcess, watch: Running) -> Running {
    let (heard, hears) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let mut watch = watch;
        watch.line();
        heard.send(()).unwrap();
        watch
    });
    while hears
        .recv_timeout(std::time::Duration::from_millis(50))
        .is_err()
    {
        increment(node, "warm-up");
    }
    waiting.join().unwrap()
}

#[test]
fn changes_are_told_as_they_happen() {
    let node = NodeProcess::alone();
    let mut watch = hearing(&node, node.replicant.start(["watch", "t"]));
    increment(&node, "visits");
    let mut line = watch.line();
    while line.contains("warm-up") {
        line = watch.line();
    }
    assert_eq!(line, "g-counter visits  1");
}

#[test]
fn programs_get_one_json_object_a_line_and_an_end() {
    let node = NodeProcess::alone();
    let mut watch = hearing(
        &node,
        node.replicant
            .start(["watch", "t", "--json", "--count", "500"]),
    );
    let change: Value = loop {
        increment(&node, "visits");
        let change: Value = serde_json::from_str(&watch.line()).unwrap();
        if change["id"] == "visits" {
            break change;
        }
    };
    assert_eq!(
        (&change["topic"], &change["type"]),
        (&"t".into(), &"g-counter".into())
    );
    assert!(change["version"].is_string() && change["events"].is_array());
    let lines = "{\"increment\": 1}\n".repeat(10);
    let few = node.replicant.start(["watch", "t", "--count", "0"]);
    assert_eq!(few.ends().code, Some(0));
    node.replicant
        .run_with(["update", "t", "visits", "-"], &lines)
        .succeeds();
}

#[test]
fn the_end_of_the_node_is_the_end_of_the_watch() {
    let mut node = NodeProcess::alone();
    let watch = hearing(&node, node.replicant.start(["watch", "t"]));
    node.terminate();
    watch.ends().fails(3, &["ended the watch"]);
}

#[test]
fn a_watch_can_outlive_the_node() {
    let mut node = NodeProcess::alone();
    let mut watch = hearing(
        &node,
        node.replicant
            .start(["watch", "t", "--reconnect", "--json"]),
    );
    node.kill();
    let overrun = "{\"overrun\":true}";
    while watch.line() != overrun {}
    node.restart();
    let mut watch = hearing(&node, watch);
    increment(&node, "back");
    while !watch.line().contains("back") {}
}
