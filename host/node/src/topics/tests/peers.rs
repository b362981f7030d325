//! Updates and bundles: what is durable, told, passed on, proven.

use replicant_protocol::ids::{Counter, NodeId};
use replicant_protocol::replication::{Message, RequestId, SyncRequest};
use replicant_protocol::version::VersionVector;

use super::*;

#[tokio::test]
async fn an_update_is_durable_before_anyone_hears_of_it() {
    let bed = bed(|_| {});
    let updated = bed.topics.update(increment(3)).await.unwrap();
    assert!(matches!(updated.outcomes[..], [Outcome::Applied(_)]));
    let broadcast = bed.heard.broadcast.lock().unwrap().remove(0);
    let stored = bed.storage.topic(&topic()).unwrap().unwrap();
    let bytes = bed
        .storage
        .bundle(stored.topic, stored.counters.last)
        .unwrap()
        .unwrap();
    assert_eq!(bytes, broadcast.as_bytes());
    let commands = bed
        .storage
        .commands(stored.topic, broadcast.replica(), broadcast.first());
    let command = &commands.unwrap().unwrap()[0].command;
    assert_eq!(*command, increment(3).commands[0]);
}

#[tokio::test]
async fn a_bundle_of_a_peer_is_applied_and_passed_on_and_given_to_those_who_lack_it() {
    let bed = bed(|_| {});
    bed.topics.update(increment(3)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let (from, asking) = (NodeId::from_bytes([8; 32]), NodeId::from_bytes([9; 32]));
    bed.topics.handle_peer_up(from);
    bed.topics.handle_peer_up(asking);
    let bundle = Author::new(2).bundle(&like);
    assert!(bed.topics.handle_bundle(from, bundle.clone()));
    bed.until_value(6).await;
    assert_eq!(*bed.heard.forwarded.lock().unwrap(), vec![bundle.clone()]);

    // A peer that has the other bundle asks.
    let mut version = VersionVector::new();
    version.advance(like.replica(), like.last());
    let request = RequestId(7);
    let asked = Message::SyncRequest(SyncRequest {
        topic: topic(),
        request,
        version,
        bundle_bytes_max: 1 << 20,
        bundle_count_max: 10,
    });
    assert!(bed.topics.handle_message(asking, asked));
    let chunk = eventually(async || {
        let sent = bed.heard.sent.lock().unwrap();
        sent.iter().find_map(|(to, message)| match message {
            Message::SyncChunk(chunk) if *to == asking && chunk.request == request => {
                Some(chunk.clone())
            }
            _ => None,
        })
    })
    .await;
    assert_eq!((chunk.bundles.len(), chunk.more), (1, false));
    assert_eq!(chunk.bundles[0].0, bundle.as_bytes());
}

#[tokio::test]
async fn what_is_replayed_or_has_a_gap_before_it_changes_nothing_and_is_counted() {
    let like = sample().await;
    // Little may wait, so most of what comes too early is dropped.
    let bed = bed(|config| config.buffered_bytes_max = 16 << 10);
    let from = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(from);
    let mut author = Author::new(2);
    let first = author.bundle(&like);
    for _ in 0..3 {
        assert!(bed.topics.handle_bundle(from, first.clone()));
    }
    eventually(async || (bed.count("bundles_duplicate_total") == 2).then_some(())).await;
    bed.until_value(1).await;
    assert_eq!(bed.count("bundle_gaps_total"), 0);
    let _missing = author.bundle(&like);
    assert!(bed.topics.handle_bundle(from, author.bundle(&like)));
    // Nothing is dropped yet, and it is counted all the same.
    eventually(async || (bed.count("bundle_gaps_total") == 1).then_some(())).await;
    assert_eq!(bed.count("bundles_early_dropped_total"), 0);
    for _ in 0..200 {
        let early = author.bundle(&like);
        eventually(async || bed.topics.handle_bundle(from, early.clone()).then_some(())).await;
    }
    eventually(async || (bed.count("bundles_early_dropped_total") > 0).then_some(())).await;
    bed.until_value(1).await;
}

#[tokio::test]
async fn two_histories_of_one_replica_are_proven_and_counted() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let from = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(from);
    let now = wall_ms();
    let first = Author::new(2).bundle_at(&like, now);
    bed.topics.handle_bundle(from, first.clone());
    bed.until_value(2).await;
    let second = Author::new(2).bundle_at(&like, now + 1);
    assert_ne!(first, second);
    bed.topics.handle_bundle(from, second.clone());
    let proofs = eventually(async || {
        let proofs = bed.storage.proofs().unwrap();
        (!proofs.is_empty()).then_some(proofs)
    })
    .await;
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].replica, first.replica());
    let kept = [&proofs[0].first, &proofs[0].second];
    assert!(kept.iter().any(|kept| kept.as_slice() == first.as_bytes()));
    assert!(kept.iter().any(|kept| kept.as_slice() == second.as_bytes()));
}

#[tokio::test]
async fn ops_without_a_module_are_kept_and_appear_with_it() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let other = self::bed(|_| {});
    let modules = std::mem::take(&mut *other.types.0.lock().unwrap());
    let from = NodeId::from_bytes([8; 32]);
    other.topics.handle_peer_up(from);
    other.topics.handle_bundle(from, like);
    let unknown = eventually(async || {
        let id = "x".parse().unwrap();
        match other.topics.value(topic(), id, None, None).await {
            Err(NodeError::UnknownObject { .. }) => None,
            answer => Some(answer),
        }
    })
    .await;
    assert!(
        matches!(unknown, Err(NodeError::UnknownType { .. })),
        "{unknown:?}"
    );
    let digest = other.topics.digest(topic()).await.unwrap();
    assert_eq!((digest.ops, digest.objects, digest.unavailable), (1, 1, 1));
    *other.types.0.lock().unwrap() = modules;
    other
        .topics
        .handle_type_changed(&"g-counter".parse().unwrap());
    assert_eq!(other.value().await, Some(1));
}

#[tokio::test]
async fn what_waits_is_bounded_and_further_requests_are_told_so() {
    let bed = bed(|_| {});
    let token = {
        let author = Author::new(3);
        let mut version = VersionVector::new();
        version.advance(author.state.replica(), Counter::new(1));
        VersionToken::from(&version)
    };
    let read = || {
        bed.topics
            .value(topic(), "x".parse().unwrap(), None, Some(token.clone()))
    };
    let waiting = futures::future::join(read(), read());
    tokio::pin!(waiting);
    let busy = async {
        loop {
            // The two are in the shard's hands once a third is refused there.
            let third = tokio::time::timeout(Duration::from_millis(20), read()).await;
            if let Ok(answer) = third {
                break answer;
            }
        }
    };
    let answer = tokio::select! {
        biased;
        _ = &mut waiting => panic!("the version cannot come"),
        answer = busy => answer,
    };
    assert!(matches!(answer, Err(NodeError::Busy { .. })), "{answer:?}");

    // Abandoned reads may fill the queue for a moment.
    let watch = || {
        eventually(async || match bed.topics.watch(topic(), None, None).await {
            Err(NodeError::Busy { queue: "reads" }) => None,
            answer => Some(answer),
        })
    };
    let watches = [watch().await.unwrap(), watch().await.unwrap()];
    let busy = watch().await;
    assert!(matches!(busy, Err(NodeError::Busy { queue: "watches" })));
    drop(watches);
    assert!(watch().await.is_ok());
}

#[tokio::test]
async fn reading_topics_that_nobody_has_leaves_nothing_in_memory() {
    let bed = bed(|_| {});
    for n in 0..100 {
        let name: TopicName = format!("t/{n}").parse().unwrap();
        assert!(
            bed.topics
                .value(name, "x".parse().unwrap(), None, None)
                .await
                .is_err()
        );
    }
    // The last is forgotten after it was answered.
    eventually(async || (bed.count("topics_loaded") == 0).then_some(())).await;
}
