//! Own ops: names, clocks, batches.

use std::collections::BTreeSet;

use replicant_protocol::ids::NodeId;

use super::*;
use crate::storage::{
    Boundary, BundleWrite, Job, ObjectNumber, Sequence, TopicCounters, TopicNumber, TopicWrite,
};

/// A disk whose log has one bundle.
fn disk_with(bundle: &SignedBundle) -> Disk {
    let disk = Disk::new(1);
    let counters = TopicCounters {
        last: Sequence(1),
        objects: ObjectNumber(1),
        ops: bundle.body().ops.len() as u64,
    };
    let mut write = TopicWrite::new(TopicNumber(1), Some(topic()), counters);
    let key = bundle.body().objects[0].key();
    write.objects.push((key, ObjectNumber(1)));
    write.bundles.push(BundleWrite {
        boundary: Boundary {
            replica: bundle.replica(),
            last: bundle.last(),
            sequence: Sequence(1),
            hlc: bundle.hlc(),
            hash: bundle.hash(),
        },
        bytes: bundle.as_bytes().to_vec(),
        touched: vec![ObjectNumber(1)],
    });
    let job = Job {
        topics: vec![write],
        general: vec![],
    };
    disk.storage().unwrap().commit(&[job]).unwrap();
    disk
}

#[tokio::test]
async fn a_node_whose_clock_was_far_ahead_says_so_and_makes_no_ops_that_others_would_hold_back() {
    const HOUR_MS: u64 = 3_600_000;
    let like = sample().await;
    // Made by this node while its clock was an hour ahead; now the clock is right.
    let disk = disk_with(&Author::new(1).bundle_at(&like, wall_ms() + HOUR_MS));
    let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
    let Err(NodeError::CannotWrite { reason, .. }) = bed.topics.update(increment(1)).await else {
        panic!("it was written");
    };
    assert!(reason.contains("check this node's clock"), "{reason}");
    assert!(bed.heard.broadcast.lock().unwrap().is_empty());
    assert_eq!(bed.value().await, Some(1));
    // Bundles of others are delivered, and other topics are written to.
    let from = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(from);
    bed.topics.handle_bundle(from, Author::new(2).bundle(&like));
    bed.until_value(2).await;
    let update = Update {
        topic: "other".parse().unwrap(),
        ..increment(1)
    };
    bed.topics.update(update).await.unwrap();
    bed.end();
}

#[tokio::test]
async fn bundles_fresh_from_an_author_whose_clock_is_another_are_counted() {
    let like = sample().await;
    let bed = bed(|_| {});
    let (mut late, mut right) = (Author::new(2), Author::new(3));
    let (author, other) = (late.identity.id(), right.identity.id());
    bed.topics.handle_peer_up(author);
    bed.topics.handle_peer_up(other);
    bed.topics.handle_bundle(other, right.bundle(&like));
    let bundles = [700, 600, 120].map(|s| late.bundle_at(&like, wall_ms() - s * 1_000));
    // What somebody else passes on may be old.
    bed.topics.handle_bundle(other, bundles[0].clone());
    bed.until_value(2).await;
    assert_eq!(bed.count("clocks_apart_total"), 0);
    bed.topics.handle_bundle(author, bundles[1].clone());
    bed.until_value(3).await;
    assert_eq!(bed.count("clocks_apart_total"), 1);
    // Whoever has just connected is given what was said in the last minutes.
    bed.topics.handle_bundle(author, bundles[2].clone());
    bed.until_value(4).await;
    assert_eq!(bed.count("clocks_apart_total"), 1);
    bed.end();
}

#[tokio::test]
async fn a_node_that_learns_of_lost_history_in_one_topic_uses_no_old_name_in_any() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let other: TopicName = "other".parse().unwrap();
    let update = Update {
        topic: other.clone(),
        ..increment(1)
    };
    bed.topics.update(update.clone()).await.unwrap();
    let lost = bed.heard.broadcast.lock().unwrap()[1].replica();
    // A peer has an op of this node's that this node has not, in `t`.
    let mut earlier = Author::new(1);
    earlier.bundle_at(&like, like.hlc().milliseconds());
    let ahead = earlier.bundle(&like);
    let from = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(from);
    assert!(bed.topics.handle_bundle(from, ahead));
    // The same was lost in `other`, of which nobody has told yet.
    let next = eventually(async || {
        bed.topics.update(update.clone()).await.unwrap();
        let replica = bed
            .heard
            .broadcast
            .lock()
            .unwrap()
            .last()
            .unwrap()
            .replica();
        (replica != lost).then_some(replica)
    })
    .await;
    assert_ne!(next, lost);
    bed.end();
}

#[tokio::test]
async fn commands_of_many_clients_get_dots_without_gap_or_repetition() {
    let bed = bed(|_| {});
    let ids = ["x", "y", "x", "z", "y"];
    let updates: Vec<_> = (0..40)
        .map(|n| bed.topics.update(increment_of(ids[n % ids.len()], 1)))
        .collect();
    let mut dots = BTreeSet::new();
    for updated in futures::future::join_all(updates).await {
        let outcomes = updated.unwrap().outcomes;
        let [Outcome::Applied(dot)] = outcomes[..] else {
            panic!("{outcomes:?}");
        };
        assert!(dots.insert(dot), "{dot:?} twice");
    }
    let counters: Vec<u64> = dots.iter().map(|dot| dot.counter.get()).collect();
    assert_eq!(counters, (1..=40).collect::<Vec<_>>());
    bed.end();
}

#[tokio::test]
async fn timestamps_grow_over_restarts_and_whatever_peers_stamped() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    // Within what is tolerated, so it is delivered at once.
    let ahead = Author::new(2).bundle_at(&like, wall_ms() + 50_000);
    bed.topics.handle_peer_up(NodeId::from_bytes([8; 32]));
    bed.topics
        .handle_bundle(NodeId::from_bytes([8; 32]), ahead.clone());
    bed.until_value(2).await;
    let bed = bed.restart(test_config(), 1, &["g-counter"]);
    bed.topics.update(increment(1)).await.unwrap();
    let next = bed.heard.broadcast.lock().unwrap()[0].clone();
    assert!(next.hlc() > ahead.hlc() && ahead.hlc() > like.hlc());
    bed.end();
}

#[tokio::test]
async fn a_shard_that_ends_by_a_panic_is_told_and_nobody_waits_for_it() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    bed.heard.panics.store(true, Ordering::SeqCst);
    // Whether it is told depends on what comes first, telling or the panic.
    let _ = bed.topics.update(increment(1)).await;
    assert_eq!(bed.topics.vital().died().await, "topics");
    let refused = bed.topics.update(increment(1)).await;
    assert!(
        matches!(refused, Err(NodeError::ShuttingDown)),
        "{refused:?}"
    );
    bed.end();
}
