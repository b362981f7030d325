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
    node.restart();
    // It is told what its node knows, which does not know any more where the watch was.
    while !watch.line().contains("\"complete\":true") {}
    increment(&node, "back");
    while !watch.line().contains("back") {}
}

/// A change of `visits` that a watch with these arguments prints; changes are made until it does.
fn first_change(node: &NodeProcess, arguments: &[&str]) -> Value {
    let watch = node.replicant.start(arguments.iter().copied());
    let waiting = std::thread::spawn(move || {
        let mut watch = watch;
        let line = watch.line();
        (watch, line)
    });
    while !waiting.is_finished() {
        increment(node, "visits");
    }
    let (watch, line) = waiting.join().unwrap();
    assert_eq!(watch.ends().code, Some(0));
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_watch_goes_on_where_an_earlier_one_ended() {
    let node = NodeProcess::alone();
    let seen = first_change(&node, &["watch", "t", "visits", "--json", "--count", "1"]);
    let mut value = seen["events"][0].as_u64().unwrap();
    for _ in 0..3 {
        increment(&node, "visits");
        increment(&node, "other");
    }
    let from = seen["token"].as_str().unwrap();
    let mut watch = node
        .replicant
        .start(["watch", "t", "visits", "--json", "--from", from]);
    let all = node.run(["get", "t", "visits"]).succeeds();
    let all: u64 = all.stdout.trim().parse().unwrap();
    assert!(all >= value + 3);
    while value < all {
        let change: Value = serde_json::from_str(&watch.line()).unwrap();
        value += 1;
        assert_eq!(change["events"], serde_json::json!([value]));
    }
}

#[test]
fn a_token_of_before_a_restart_leads_to_the_state() {
    let mut node = NodeProcess::alone();
    let seen = first_change(&node, &["watch", "t", "visits", "--json", "--count", "1"]);
    increment(&node, "visits");
    node.terminate();
    node.restart();
    let from = seen["token"].as_str().unwrap();
    let mut watch = node
        .replicant
        .start(["watch", "t", "visits", "--from", from]);
    assert_eq!(
        watch.line(),
        "(some changes were missed; what they led to:)"
    );
    let all = node.run(["get", "t", "visits"]).succeeds();
    assert_eq!(
        watch.line(),
        format!("g-counter visits = {}", all.stdout.trim())
    );
    increment(&node, "visits");
    assert!(watch.line().starts_with("g-counter visits  "));
    let refused = node.run(["watch", "t", "--from", "yesterday"]);
    refused.fails(2, &["not the token of a watch"]);
}
