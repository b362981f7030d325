//! What watchers are told, and what they are told in place of what they missed.

use replicant_protocol::ids::NodeId;

use super::*;
use crate::vocabulary::{Change, Missed, WatchEvent};

async fn watch(bed: &Bed, id: Option<&str>, from: Option<WatchToken>) -> Watch {
    let id = id.map(|id| id.parse().unwrap());
    bed.topics.watch(topic(), id, from).await.unwrap()
}

async fn change(watch: &mut Watch) -> Change {
    match watch.next().await {
        Some(WatchEvent::Change(change)) => change,
        other => panic!("no change but {other:?}"),
    }
}

async fn missed(watch: &mut Watch) -> Missed {
    match watch.next().await {
        Some(WatchEvent::Missed(missed)) => missed,
        other => panic!("not missed but {other:?}"),
    }
}

fn number(cbor: &[u8]) -> u64 {
    ciborium::from_reader(cbor).unwrap()
}

/// The value that a g-counter's change leads to.
fn counted(change: &Change) -> u64 {
    number(change.events.last().unwrap())
}

/// The values of all objects, by id.
fn values(missed: &Missed) -> Vec<(&str, u64)> {
    let objects = missed.objects.iter();
    let value = |object: &Result<Vec<u8>, String>| number(object.as_ref().unwrap());
    objects
        .map(|object| (object.id.as_ref(), value(&object.value)))
        .collect()
}

#[tokio::test]
async fn a_watcher_who_does_not_read_gets_the_state_and_then_what_follows() {
    let bed = bed(|config| config.watch_events_max = 4);
    let mut slow = watch(&bed, None, None).await;
    for _ in 0..10 {
        bed.topics.update(increment(1)).await.unwrap();
    }
    bed.topics.update(increment_of("y", 7)).await.unwrap();
    let state = missed(&mut slow).await;
    assert!(state.whole && state.complete);
    assert_eq!(values(&state), [("x", 10), ("y", 7)]);
    bed.topics.update(increment(1)).await.unwrap();
    assert_eq!(counted(&change(&mut slow).await), 11);
    bed.end();
    assert_eq!(slow.next().await, None);
}

#[tokio::test]
async fn whoever_comes_back_with_a_token_gets_each_change_once_and_in_order() {
    let bed = bed(|_| {});
    let mut first = watch(&bed, Some("x"), None).await;
    let begin = first.token().unwrap();
    for _ in 0..3 {
        bed.topics.update(increment(1)).await.unwrap();
        bed.topics.update(increment_of("y", 1)).await.unwrap();
    }
    let seen = change(&mut first).await;
    assert_eq!(counted(&seen), 1);
    drop(first);
    bed.topics.update(increment(1)).await.unwrap();
    for (from, expected) in [(begin, 1), (seen.token, 2)] {
        let mut again = watch(&bed, Some("x"), Some(from)).await;
        for value in expected..=4 {
            assert_eq!(counted(&change(&mut again).await), value);
        }
        // What comes now is next.
        let next = again.next();
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
    }
    bed.end();
}

#[tokio::test]
async fn whoever_comes_back_too_late_gets_the_state_of_what_he_follows() {
    let bed = bed(|config| config.watch_events_max = 4);
    let mut first = watch(&bed, Some("x"), None).await;
    bed.topics.update(increment(1)).await.unwrap();
    let seen = change(&mut first).await;
    drop(first);
    for _ in 0..5 {
        bed.topics.update(increment(1)).await.unwrap();
        bed.topics.update(increment_of("y", 1)).await.unwrap();
    }
    let mut late = watch(&bed, Some("x"), Some(seen.token)).await;
    assert_eq!(late.token(), None);
    let state = missed(&mut late).await;
    assert_eq!((state.whole, values(&state)), (true, vec![("x", 6)]));
    // The state's token leads on.
    drop(late);
    bed.topics.update(increment(1)).await.unwrap();
    let mut again = watch(&bed, Some("x"), Some(state.token)).await;
    assert_eq!(counted(&change(&mut again).await), 7);
    bed.end();
}

#[tokio::test]
async fn a_token_of_another_life_of_the_node_is_told_from_those_of_this_one() {
    let bed = bed(|_| {});
    let mut first = watch(&bed, None, None).await;
    bed.topics.update(increment(1)).await.unwrap();
    let seen = change(&mut first).await;
    drop(first);
    let bed = bed.restart(test_config(), 1, &["g-counter"]);
    // As many as before: by count alone the token would fit.
    let mut other = watch(&bed, None, None).await;
    bed.topics.update(increment(1)).await.unwrap();
    assert_eq!(counted(&change(&mut other).await), 2);
    let mut back = watch(&bed, None, Some(seen.token)).await;
    assert_eq!(values(&missed(&mut back).await), [("x", 2)]);
    bed.topics.update(increment(1)).await.unwrap();
    assert_eq!(counted(&change(&mut back).await), 3);
    bed.end();
}

#[tokio::test]
async fn a_change_too_large_to_be_told_is_told_as_the_state_of_its_object() {
    let disk = Disk::new(1);
    drop(disk.storage().unwrap());
    let bed = Bed::on(disk, test_config(), 1, &["g-counter", "lww-register"]);
    let mut all = watch(&bed, None, None).await;
    let mut other = watch(&bed, Some("x"), None).await;
    let text = "a".repeat(super::super::batch::CHANGE_BYTES_MAX);
    let large = Update {
        topic: topic(),
        id: "large".parse().unwrap(),
        type_name: Some("lww-register".parse().unwrap()),
        commands: vec![cbor(&serde_json::json!({ "set": text }))],
    };
    bed.topics.update(large).await.unwrap();
    bed.topics.update(increment(1)).await.unwrap();
    let state = missed(&mut all).await;
    assert!(!state.whole && state.complete);
    assert_eq!(state.objects.len(), 1);
    let value = state.objects[0].value.as_ref().unwrap();
    let value: String = ciborium::from_reader(value.as_slice()).unwrap();
    assert_eq!(value, text);
    assert_eq!(counted(&change(&mut all).await), 1);
    // Who follows something else need not know.
    assert_eq!(counted(&change(&mut other).await), 1);
    bed.end();
}

#[tokio::test]
async fn the_state_of_more_objects_than_can_be_told_is_said_to_be_incomplete() {
    let bed = bed(|config| (config.watch_events_max, config.queued_commands_max) = (1, 1_000));
    let mut slow = watch(&bed, None, None).await;
    let updates = (0..300).map(|n| bed.topics.update(increment_of(&format!("o{n}"), 1)));
    for updated in futures::future::join_all(updates).await {
        updated.unwrap();
    }
    let state = missed(&mut slow).await;
    assert!(state.whole && !state.complete && state.objects.is_empty());
    bed.topics.update(increment(1)).await.unwrap();
    assert_eq!(counted(&change(&mut slow).await), 1);
    bed.end();
}

#[tokio::test]
async fn a_watcher_gets_the_state_when_a_missing_module_comes() {
    let like = sample().await;
    let bed = bed(|_| {});
    let modules = std::mem::take(&mut *bed.types.0.lock().unwrap());
    let mut watching = watch(&bed, None, None).await;
    let from = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(from);
    bed.topics.handle_bundle(from, like);
    eventually(async || {
        let id = "x".parse().unwrap();
        let read = bed.topics.value(topic(), id, None, None).await;
        matches!(read, Err(NodeError::UnknownType { .. })).then_some(())
    })
    .await;
    // Also whoever comes meanwhile is told why there is none.
    let unknown = WatchToken {
        telling: 1,
        position: 1,
    };
    let mut other = watch(&bed, None, Some(unknown)).await;
    let state = missed(&mut other).await;
    let reason = state.objects[0].value.as_ref().unwrap_err();
    assert!(reason.contains("no module for type g-counter"), "{reason}");
    *bed.types.0.lock().unwrap() = modules;
    // A type that the topic has no objects of concerns nobody here.
    bed.topics.handle_type_changed(&"text".parse().unwrap());
    bed.topics
        .handle_type_changed(&"g-counter".parse().unwrap());
    assert_eq!(values(&missed(&mut watching).await), [("x", 1)]);
    bed.topics.update(increment(1)).await.unwrap();
    assert_eq!(counted(&change(&mut watching).await), 2);
    bed.end();
}
