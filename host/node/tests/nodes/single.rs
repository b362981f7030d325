//! One node: updates, reads, restart.

use replicant::{Node, NodeError, Outcome, Update, WatchEvent};
use serde_json::json;

use crate::harness::{TestNode, cbor, config, object_id, topic_name, type_of, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_built_in_type_takes_commands_and_survives_a_restart() {
    let node = TestNode::start(&[]).await;
    node.apply("t/a", "hits", "g-counter", json!({"increment": 3}))
        .await;
    node.apply("t/a", "stock", "pn-counter", json!({"decrement": 2}))
        .await;
    node.apply(
        "t/a",
        "title",
        "lww-register",
        json!({"set": {"en": "Hello"}}),
    )
    .await;
    node.apply("t/a", "tags", "or-set", json!({"add": "x"}))
        .await;
    node.apply(
        "t/a",
        "settings",
        "lww-map",
        json!({"set": {"size": 3, "dark": true}}),
    )
    .await;
    node.apply("t/a", "settings", "lww-map", json!({"remove": "size"}))
        .await;
    node.apply(
        "t/a",
        "notes",
        "text",
        json!({"insert": {"at": 0, "text": "hi"}}),
    )
    .await;
    let before = node.node.digest(topic_name("t/a")).await.unwrap();
    assert_eq!((before.ops, before.objects, before.unavailable), (7, 6, 0));

    let node = node.restart().await;
    assert_eq!(node.value("t/a", "hits").await, json!(3));
    assert_eq!(node.value("t/a", "stock").await, json!(-2));
    assert_eq!(node.value("t/a", "title").await, json!({"en": "Hello"}));
    assert_eq!(node.value("t/a", "tags").await, json!(["x"]));
    assert_eq!(node.value("t/a", "settings").await, json!({"dark": true}));
    assert_eq!(node.value("t/a", "notes").await, json!("hi"));
    assert_eq!(node.node.digest(topic_name("t/a")).await.unwrap(), before);

    // Counters and chains go on where they were.
    node.apply("t/a", "hits", "g-counter", json!({"increment": 4}))
        .await;
    assert_eq!(node.value("t/a", "hits").await, json!(7));
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_changes_nothing_and_does_not_stop_the_others() {
    let node = TestNode::start(&[]).await;
    let commands = [
        json!({"insert": {"at": 0, "text": "abc"}}),
        json!({"delete": {"at": 7, "count": 1}}),
        json!({"insert": {"at": 3, "text": "d"}}),
    ];
    let updated = node.update("t", "x", "text", &commands).await.unwrap();
    assert!(matches!(
        updated.outcomes[..],
        [
            Outcome::Applied(_),
            Outcome::Refused(_),
            Outcome::Applied(_)
        ]
    ));
    assert_eq!(node.value("t", "x").await, json!("abcd"));
    // Only refusals: the object is not made.
    let updated = node
        .update("t", "y", "text", &commands[1..2])
        .await
        .unwrap();
    assert!(matches!(updated.outcomes[..], [Outcome::Refused(_)]));
    let unknown = node.read("t", "y").await;
    assert!(
        matches!(unknown, Err(NodeError::UnknownObject { .. })),
        "{unknown:?}"
    );
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_apart() {
    let node = TestNode::start(&[]).await;
    let update = |type_name: Option<&str>| Update {
        topic: topic_name("t"),
        id: object_id("x"),
        type_name: type_name.map(type_of),
        commands: vec![cbor(&json!({"increment": 1}))],
    };
    let missing = node.node.update(update(None)).await;
    assert!(
        matches!(missing, Err(NodeError::TypeMissing { .. })),
        "{missing:?}"
    );
    let unknown = node.node.update(update(Some("no-such"))).await;
    assert!(
        matches!(unknown, Err(NodeError::UnknownType { .. })),
        "{unknown:?}"
    );
    node.node.update(update(Some("g-counter"))).await.unwrap();
    // The only object of that id: its type need not be said.
    node.node.update(update(None)).await.unwrap();
    node.node.update(update(Some("pn-counter"))).await.unwrap();
    let ambiguous = node.node.update(update(None)).await;
    assert!(
        matches!(&ambiguous, Err(NodeError::AmbiguousObject { types, .. }) if types.len() == 2),
        "{ambiguous:?}"
    );
    let read = node.read("t", "x").await;
    assert!(
        matches!(read, Err(NodeError::AmbiguousObject { .. })),
        "{read:?}"
    );
    let empty = Update {
        commands: vec![],
        ..update(Some("g-counter"))
    };
    assert!(matches!(
        node.node.update(empty).await,
        Err(NodeError::NoCommand)
    ));
    node.node.shutdown().await;
    let after = node.node.update(update(None)).await;
    assert!(matches!(after, Err(NodeError::ShuttingDown)), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_answered_and_refused_in_the_types_words() {
    let node = TestNode::start(&[]).await;
    node.apply("t", "s", "or-set", json!({"add": "x"})).await;
    let ask = async |query| {
        let query = cbor(&query);
        node.node
            .query(topic_name("t"), object_id("s"), None, query, None)
            .await
    };
    let answer = ask(json!({"contains": "x"})).await.unwrap();
    assert_eq!(crate::harness::json(&answer.answer), json!(true));
    let refused = ask(json!("nonsense")).await;
    assert!(
        matches!(refused, Err(NodeError::QueryRefused { .. })),
        "{refused:?}"
    );
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_changes_of_its_object_and_the_state_when_it_is_slow() {
    let node = TestNode::start_with(&[], |config| config.watch_events_max = 4).await;
    let topic = topic_name("t");
    let mut one = node
        .node
        .watch(topic.clone(), Some(object_id("b")), None)
        .await
        .unwrap();
    let mut slow = node.node.watch(topic, None, None).await.unwrap();
    node.apply("t", "a", "or-set", json!({"add": "x"})).await;
    node.apply("t", "b", "or-set", json!({"add": "y"})).await;
    let Some(WatchEvent::Change(change)) = one.next().await else {
        panic!("no change")
    };
    assert_eq!(
        (change.id.as_ref(), change.type_name.as_ref()),
        ("b", "or-set")
    );
    assert!(!change.events.is_empty());
    for _ in 0..20 {
        node.apply("t", "c", "g-counter", json!({"increment": 1}))
            .await;
    }
    let Some(WatchEvent::Missed(missed)) = slow.next().await else {
        panic!("nothing was missed")
    };
    assert!(missed.whole && missed.complete && missed.objects.len() == 3);
    node.node.shutdown().await;
    until("the watch ends", async || slow.next().await.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_are_dropped_from_memory_and_come_back() {
    let node = TestNode::start_with(&[], |config| config.loaded_objects_max = 16).await;
    let update = async |n: u64| {
        let id = format!("o{n:03}");
        node.apply("t", &id, "g-counter", json!({"increment": n + 1}))
            .await;
    };
    for n in 0..200 {
        update(n).await;
    }
    // They are dropped after the answer.
    until("objects are dropped", async || {
        node.count("objects_loaded") <= 16
    })
    .await;
    for n in [0, 1, 57, 199] {
        let id = format!("o{n:03}");
        assert_eq!(node.value("t", &id).await, json!(n + 1));
    }
    let before = node.node.digest(topic_name("t")).await.unwrap();
    assert_eq!((before.objects, before.unavailable), (200, 0));
    let page = node.node.objects(topic_name("t"), None, 150).await.unwrap();
    assert_eq!(page.objects.len(), 150);
    let rest = node
        .node
        .objects(topic_name("t"), page.next, 150)
        .await
        .unwrap();
    assert_eq!((rest.objects.len(), rest.next), (50, None));
    let node = node.restart().await;
    assert_eq!(node.node.digest(topic_name("t")).await.unwrap(), before);
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_topics_share_few_instances() {
    let node = TestNode::start_with(&[], |config| config.instances_max = 2).await;
    for n in 0..40 {
        let topic = format!("t/{n}");
        node.apply(&topic, "x", "g-counter", json!({"increment": n + 1}))
            .await;
    }
    for n in 0..40 {
        assert_eq!(node.value(&format!("t/{n}"), "x").await, json!(n + 1));
    }
    // Two in each of two shards.
    until("instances are dropped", async || {
        node.count("instances") <= 4
    })
    .await;
    assert_eq!(node.node.topics().await.unwrap().len(), 40);
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_is_used_by_one_node_at_a_time() {
    let node = TestNode::start(&[]).await;
    let second = Node::start(config(node.folder.path(), &[])).await;
    assert!(
        matches!(second, Err(NodeError::FolderInUse { .. })),
        "{second:?}"
    );
    let node = node.restart().await;
    let empty = tempfile::tempdir().unwrap();
    let other = Node::start(config(empty.path(), &[])).await;
    assert!(
        matches!(other, Err(NodeError::NotInitialised { .. })),
        "{other:?}"
    );
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_becomes_several_bundles_and_is_there_after_a_restart() {
    let node = TestNode::start(&[]).await;
    let commands: Vec<_> = (0..50)
        .map(|n| json!({"set": {"n": n, "text": "x".repeat(200_000)}}))
        .collect();
    let updated = node
        .update("t", "big", "lww-register", &commands)
        .await
        .unwrap();
    assert!(
        updated
            .outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Applied(_)))
    );
    let node = node.restart().await;
    assert_eq!(node.value("t", "big").await["n"], json!(49));
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nobody_holds_ends_by_itself() {
    let TestNode { node, folder, .. } = TestNode::start(&[]).await;
    drop(node);
    until("the folder is free again", async || {
        match Node::start(config(folder.path(), &[])).await {
            Ok(node) => {
                node.shutdown().await;
                true
            }
            // Once the folder is free the database is closed too.
            Err(NodeError::FolderInUse { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
}

/// On one thread, so that all of them wait before the first is looked at.
#[tokio::test]
async fn components_that_wait_to_be_loaded_are_bounded_in_bytes() {
    let node = TestNode::start(&[]).await;
    let load = || node.node.load_module(vec![7; 31 << 20]);
    let (first, second, third) = tokio::join!(load(), load(), load());
    for refused in [first, second] {
        assert!(
            matches!(refused, Err(NodeError::ModuleInvalid { .. })),
            "{refused:?}"
        );
    }
    assert!(matches!(third, Err(NodeError::Busy { .. })), "{third:?}");
    let again = load().await;
    assert!(
        matches!(again, Err(NodeError::ModuleInvalid { .. })),
        "{again:?}"
    );
    node.node.shutdown().await;
}
