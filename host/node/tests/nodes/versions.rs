//! Versions of a type in a cluster: what nodes agree on that decided by themselves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use replicant::{Direction, LoadLimits, ModuleInfo, NodeError, Switching};
use replicant_guest_build::{Options, build};
use serde_json::json;

use crate::harness::{TestNode, converged, type_of, until};

/// One type in three versions, built once.
static TALLIES: LazyLock<BTreeMap<&str, Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/versions");
    let packages = ["tally-1-0", "tally-1-1", "tally-2-0"];
    let built = build(&folder, &packages, &Options::detect().unwrap()).unwrap();
    let bytes = built.iter().map(|of| std::fs::read(&of.path).unwrap());
    ["1.0.0", "1.1.0", "2.0.0"].into_iter().zip(bytes).collect()
});

fn tally(version: &str) -> Vec<u8> {
    TALLIES[version].clone()
}

/// The same component with other bytes: a custom section more.
fn rebuilt(mut component: Vec<u8>) -> Vec<u8> {
    component.extend([0, 2, 1, b'x']);
    component
}

async fn pair() -> (TestNode, TestNode) {
    let first = TestNode::start(&[]).await;
    let second = TestNode::start(&[first.address()]).await;
    (first, second)
}

/// Takes the second node off the network, or puts it back.
async fn connect(first: &TestNode, second: &TestNode, is_connected: bool) {
    second.node.set_network(is_connected).await;
    until("the session opens or closes", async || {
        let sessions = [first, second].map(|of| of.node.status().network.sessions);
        sessions == [u64::from(is_connected); 2]
    })
    .await;
}

async fn upgrade(node: &TestNode, version: &str) -> Result<ModuleInfo, NodeError> {
    let switching = Switching {
        name: type_of("tally"),
        version: Some(version.to_owned()),
        direction: Direction::Upgrade,
        force: false,
    };
    node.node.switch_module(switching).await
}

/// What objects of the type run on: version and hash.
fn runs(node: &TestNode) -> Option<(String, String)> {
    let module = node.node.module("tally").ok()?;
    Some((module.version, module.hash.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_modules_under_one_name_and_version_end_as_one_and_the_other_is_named() {
    let (first, second) = pair().await;
    connect(&first, &second, false).await;
    let of_first = first.node.load_module(tally("1.1.0")).await.unwrap();
    let of_second = second
        .node
        .load_module(rebuilt(tally("1.1.0")))
        .await
        .unwrap();
    assert_ne!(of_first.hash, of_second.hash);
    for node in [&first, &second] {
        node.apply("t", "x", "tally", json!({"add": 3})).await;
    }
    connect(&first, &second, true).await;
    until("both run the same and know of the other", async || {
        let others = [&first, &second].map(|of| {
            let shown = of.node.module("tally").map(|module| module.others);
            shown.map_or(0, |others| others.len())
        });
        others == [1, 1] && runs(&first) == runs(&second)
    })
    .await;
    converged(&[&first, &second], "t", 2).await;
    for node in [&first, &second] {
        assert_eq!(node.value("t", "x").await, json!(6));
        let shown = node.node.module("tally").unwrap();
        let known = [shown.hash, shown.others[0].hash];
        assert!(known.contains(&of_first.hash) && known.contains(&of_second.hash));
        assert_ne!(shown.publisher, shown.others[0].publisher);
    }
    first.node.shutdown().await;
    second.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_switches_that_do_not_know_each_other_one_counts_everywhere() {
    let (first, second) = pair().await;
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        first.node.load_module(tally(version)).await.unwrap();
        until("the module spreads", async || {
            second.node.module(&format!("tally@{version}")).is_ok()
        })
        .await;
    }
    assert_eq!(runs(&first).unwrap().0, "1.0.0");
    assert_eq!(runs(&first), runs(&second));
    connect(&first, &second, false).await;
    upgrade(&first, "1.1.0").await.unwrap();
    upgrade(&second, "2.0.0").await.unwrap();
    first.apply("t", "x", "tally", json!({"add": 3})).await;
    second
        .apply("t", "x", "tally", json!({"add": 4, "by": "n"}))
        .await;
    connect(&first, &second, true).await;
    until("both run the same", async || {
        let shown = [&first, &second].map(|of| of.node.module("tally").ok());
        let switches = shown.map(|of| of.map_or(0, |module| module.switches.len()));
        switches == [2, 2] && runs(&first) == runs(&second)
    })
    .await;
    converged(&[&first, &second], "t", 2).await;
    let expected = match runs(&first).unwrap().0.as_str() {
        "1.1.0" => json!(7),
        _ => json!({"": 3, "n": 4}),
    };
    for node in [&first, &second] {
        assert_eq!(node.value("t", "x").await, expected);
    }
    first.node.shutdown().await;
    second.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_go_with_the_module_and_a_newcomer_runs_what_is_to_run() {
    let first = TestNode::start(&[]).await;
    let limits = LoadLimits {
        fuel_per_call: Some(5_000_000),
        memory_bytes: Some(32 << 20),
        output_bytes: Some(1 << 20),
    };
    first.node.load_module(tally("1.1.0")).await.unwrap();
    let load = first.node.load_module_with(tally("2.0.0"), limits);
    let loaded = load.await.unwrap();
    first.apply("t", "x", "tally", json!({"add": 3})).await;
    upgrade(&first, "2.0.0").await.unwrap();
    first
        .apply("t", "x", "tally", json!({"add": 4, "by": "n"}))
        .await;
    let second = TestNode::start(&[first.address()]).await;
    until("the newcomer runs it", async || {
        runs(&second) == runs(&first)
    })
    .await;
    let shown = second.node.module("tally").unwrap();
    assert_eq!(shown.limits, loaded.limits);
    assert!(shown.limits.contains(&("fuel_per_call", 5_000_000)));
    assert_eq!(shown.publisher, first.node.id());
    converged(&[&first, &second], "t", 2).await;
    let second = second.restart().await;
    assert_eq!(runs(&second), runs(&first));
    assert_eq!(second.value("t", "x").await, json!({"": 3, "n": 4}));
    first.node.shutdown().await;
    second.node.shutdown().await;
}

/// It is made after the update was answered.
async fn has_checkpoint(node: &TestNode) {
    until("a checkpoint is made", async || {
        node.count("checkpoints_total") > 0
    })
    .await;
}

/// A checkpoint was saved by the version before: an upgrade must neither take it for its own nor
/// lose what is behind it, and the way back must find the objects as they are by then.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_after_checkpoints_and_a_restart_keeps_what_every_op_did() {
    let node = TestNode::start(&[]).await;
    node.node.load_module(tally("1.1.0")).await.unwrap();
    node.node.load_module(tally("2.0.0")).await.unwrap();
    let many = |command: serde_json::Value| vec![command; 1_100];
    let old = many(json!({"add": 1}));
    node.update("t", "x", "tally", &old).await.unwrap();
    has_checkpoint(&node).await;

    let node = node.restart().await;
    assert_eq!(node.value("t", "x").await, json!(1_100));
    upgrade(&node, "2.0.0").await.unwrap();
    assert_eq!(node.value("t", "x").await, json!({"": 1_100}));
    let new = many(json!({"add": 2, "by": "n"}));
    node.update("t", "x", "tally", &new).await.unwrap();
    has_checkpoint(&node).await;

    let node = node.restart().await;
    assert_eq!(node.value("t", "x").await, json!({"": 1_100, "n": 2_200}));
    let back = Switching {
        name: type_of("tally"),
        version: None,
        direction: Direction::Rollback,
        force: false,
    };
    node.node.switch_module(back).await.unwrap();
    assert_eq!(node.value("t", "x").await, json!(3_300));
    let node = node.restart().await;
    assert_eq!(node.value("t", "x").await, json!(3_300));
    node.node.shutdown().await;
}
