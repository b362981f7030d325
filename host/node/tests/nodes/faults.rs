//! Guests that fail: what it costs, and what it must not cost.

use std::path::Path;
use std::sync::OnceLock;

use replicant::{NodeError, Outcome};
use replicant_guest_build::{Options, build};
use serde_json::json;

use crate::harness::{TestNode, converged, topic_name, until};

/// The component that fails on purpose, built once.
fn fragile() -> Vec<u8> {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = BYTES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/fragile");
        let built = build(&folder, &[], &Options::detect().unwrap()).unwrap();
        std::fs::read(&built[0].path).unwrap()
    });
    bytes.clone()
}

/// Rounds of computing that take more than a third of a call's fuel, and less than all of it.
const TOIL: u32 = 7_000_000;

async fn pair() -> (TestNode, TestNode) {
    let first = TestNode::start(&[]).await;
    first.node.load_module(fragile()).await.unwrap();
    let second = TestNode::start(&[first.address()]).await;
    until("the module spreads", async || {
        second.node.module("fragile").is_ok()
    })
    .await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_command_that_traps_is_refused() {
    let (first, second) = pair().await;
    first
        .apply("t", "other", "fragile", json!({"add": 5}))
        .await;
    let commands = [json!({"add": 1}), json!("trap"), json!({"add": 2})];
    let updated = first.update("t", "x", "fragile", &commands).await.unwrap();
    let [
        Outcome::Applied(_),
        Outcome::Failed(reason),
        Outcome::Applied(_),
    ] = &updated.outcomes[..]
    else {
        panic!("{updated:?}");
    };
    assert!(reason.starts_with("fragile@0.1.0: update"), "{reason}");
    assert!(reason.contains("as asked"), "what the guest said: {reason}");
    converged(&[&first, &second], "t", 3).await;
    for node in [&first, &second] {
        assert_eq!(node.value("t", "x").await, json!(3));
        assert_eq!(node.value("t", "other").await, json!(5));
    }
    first.node.shutdown().await;
    second.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_all_trap_do_not_hold_the_shard() {
    let node = TestNode::start(&[]).await;
    node.node.load_module(fragile()).await.unwrap();
    let commands = vec![json!("trap"); 1_000];
    let updated = node.update("t", "x", "fragile", &commands).await.unwrap();
    assert!(
        updated
            .outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Failed(_)))
    );
    let faults = node.count("guest_faults_total");
    assert!(faults < 20, "{faults} faults for one request");
    let read = node.read("t", "x").await;
    assert!(
        matches!(read, Err(NodeError::UnknownObject { .. })),
        "{read:?}"
    );
    node.node.shutdown().await;
}

/// A poisoned op took the ops of its object away that stood beside it.
#[tokio::test(flavor = "multi_thread")]
async fn an_op_that_traps_has_no_effect_and_those_beside_it_count() {
    let (first, second) = pair().await;
    let commands = [json!({"add": 2}), json!("bomb"), json!({"add": 4})];
    first.update("t", "x", "fragile", &commands).await.unwrap();
    converged(&[&first, &second], "t", 3).await;
    assert_eq!(second.value("t", "x").await, json!(6));
    assert_eq!(second.count("ops_void_total"), 1);
    second.apply("t", "x", "fragile", json!({"add": 8})).await;
    converged(&[&first, &second], "t", 4).await;
    assert_eq!(second.value("t", "x").await, json!(14));
    // A restart does not change what the log says.
    let second = second.restart().await;
    assert_eq!(second.value("t", "x").await, json!(14));
    converged(&[&first, &second], "t", 4).await;
    first.node.shutdown().await;
    second.node.shutdown().await;
}

/// Each of the commands was accepted with the fuel of a call of its own. Where their ops came as
/// one bundle the object was shown as faulted, for good.
#[tokio::test(flavor = "multi_thread")]
async fn ops_that_are_too_much_together_are_applied_one_by_one() {
    let (first, second) = pair().await;
    let commands = vec![json!({"toil": TOIL}); 3];
    let updated = first.update("t", "x", "fragile", &commands).await.unwrap();
    assert!(
        first.count("guest_faults_total") > 0,
        "one call has the fuel for all"
    );
    let is_applied = |outcome: &Outcome| matches!(outcome, Outcome::Applied(_));
    assert!(updated.outcomes.iter().all(is_applied), "{updated:?}");
    converged(&[&first, &second], "t", 3).await;
    assert_eq!(second.value("t", "x").await, json!(3));
    assert_eq!(second.count("ops_void_total"), 0);
    let second = second.restart().await;
    assert_eq!(second.value("t", "x").await, json!(3));
    first.node.shutdown().await;
    second.node.shutdown().await;
}

/// Reads an object that is made again step by step.
async fn value_at_last(node: &TestNode, id: &str) -> serde_json::Value {
    loop {
        match node.read("t", id).await {
            Ok(_) => return node.value("t", id).await,
            Err(NodeError::Busy { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// It was shown as faulted with the seventeenth, for good.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_comes_back_however_many_of_its_ops_trap_and_the_others_go_on() {
    let (first, second) = pair().await;
    first.apply("t", "good", "fragile", json!({"add": 1})).await;
    let bombs = vec![json!("bomb"); 40];
    first.update("t", "bad", "fragile", &bombs).await.unwrap();
    let commands = [json!({"add": 1}), json!("bomb")];
    for _ in 0..20 {
        first
            .update("t", "bad", "fragile", &commands)
            .await
            .unwrap();
    }
    first.apply("t", "good", "fragile", json!({"add": 8})).await;
    until("all ops are there", async || {
        let digest = second.node.digest(topic_name("t")).await;
        digest.is_ok_and(|digest| digest.ops == 82)
    })
    .await;
    assert_eq!(second.value("t", "good").await, json!(9));
    assert_eq!(value_at_last(&second, "bad").await, json!(20));
    assert!(second.count("ops_void_total") >= 60);
    second.apply("t", "bad", "fragile", json!({"add": 2})).await;
    // A restart does not change what the log says.
    let second = second.restart().await;
    assert_eq!(value_at_last(&second, "bad").await, json!(22));
    until("the update is there", async || {
        value_at_last(&first, "bad").await == json!(22)
    })
    .await;
    converged(&[&first, &second], "t", 83).await;
    first.node.shutdown().await;
    second.node.shutdown().await;
}

/// Without what the first steps came to, each start would begin with the first op.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_came_to_is_kept_over_a_restart() {
    let (first, mut second) = pair().await;
    let commands = [json!({"add": 1}), json!("bomb")];
    for _ in 0..60 {
        first
            .update("t", "bad", "fragile", &commands)
            .await
            .unwrap();
    }
    first.apply("t", "bad", "fragile", json!({"add": 1})).await;
    until("all ops are there", async || {
        second.node.digest(topic_name("t")).await.is_ok()
            && second.node.digest(topic_name("t")).await.unwrap().ops == 121
    })
    .await;
    let mut restarts = 0;
    while second.read("t", "bad").await.is_err() {
        second = second.restart().await;
        restarts += 1;
        assert!(restarts < 10, "it begins again each time");
    }
    assert_eq!(second.value("t", "bad").await, json!(61));
    first.node.shutdown().await;
    second.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_do_not_fit_into_one_instance_together_are_not_at_fault() {
    let node = TestNode::start(&[]).await;
    node.node.load_module(fragile()).await.unwrap();
    // Each takes 60 MiB of the 256 that an instance may have.
    for n in 0..8 {
        let id = format!("o{n}");
        node.apply("t", &id, "fragile", json!({"add": n})).await;
        node.apply("t", &id, "fragile", json!({"hoard": 60})).await;
    }
    for n in 0..8 {
        assert_eq!(node.value("t", &format!("o{n}")).await, json!(n));
    }
    assert_eq!(
        node.node.digest(topic_name("t")).await.unwrap().unavailable,
        0
    );
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ops_of_a_type_that_is_not_here_yet_appear_when_the_module_comes() {
    let first = TestNode::start(&[]).await;
    let second = TestNode::start(&[first.address()]).await;
    first.node.load_module(fragile()).await.unwrap();
    for n in 0..20 {
        first
            .apply("t", &format!("o{n}"), "fragile", json!({"add": n}))
            .await;
    }
    converged(&[&first, &second], "t", 20).await;
    assert_eq!(second.value("t", "o7").await, json!(7));
    second.apply("t", "o7", "fragile", json!({"add": 1})).await;
    converged(&[&first, &second], "t", 21).await;
    // The module is still there after a restart.
    let second = second.restart().await;
    assert_eq!(second.value("t", "o7").await, json!(8));
    first.node.shutdown().await;
    second.node.shutdown().await;
}
