//! Records of the log that do not match their checksums.

use replicant_protocol::ids::NodeId;

use super::*;
use crate::storage::tests::{BOUNDARIES, BUNDLES, COUNTERS, TOPICS, alter};

#[tokio::test]
async fn a_corrupt_bundle_is_named_to_whoever_reads_what_is_in_it_and_the_rest_goes_on() {
    let bed = bed(|_| {});
    for id in ["x", "y"] {
        bed.topics.update(increment_of(id, 1)).await.unwrap();
    }
    let disk = bed.disk.clone();
    bed.end();
    alter(&disk, BUNDLES, (1, 1));
    let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
    let read = bed.topics.value(topic(), "x".parse().unwrap(), None, None);
    let Err(NodeError::StorageFailed { reason }) = read.await else {
        panic!("it was read");
    };
    assert_eq!(
        reason,
        "record 1/1 of table bundles is corrupt: its checksum does not match"
    );
    let refused = bed.topics.update(increment(1)).await;
    assert!(
        matches!(refused, Err(NodeError::StorageFailed { .. })),
        "{refused:?}"
    );
    let digest = bed.topics.digest(topic()).await;
    assert!(
        matches!(digest, Err(NodeError::StorageFailed { .. })),
        "{digest:?}"
    );
    assert_eq!(bed.value_of("y").await, Some(1));
    bed.topics.update(increment_of("y", 1)).await.unwrap();
    assert_eq!(bed.value_of("y").await, Some(2));
    bed.end();
}

#[tokio::test]
async fn a_topic_whose_ends_cannot_be_read_is_refused_with_the_reason_and_the_others_go_on() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let other = Update {
        topic: "other".parse().unwrap(),
        ..increment(2)
    };
    bed.topics.update(other.clone()).await.unwrap();
    let replica = bed.heard.broadcast.lock().unwrap()[0].replica();
    let disk = bed.disk.clone();
    bed.end();
    alter(&disk, BOUNDARIES, (1, replica.get(), 1));
    let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
    let refused = bed.topics.update(increment(1)).await;
    let Err(NodeError::StorageFailed { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("table boundaries is corrupt"), "{reason}");
    bed.topics.update(other).await.unwrap();
    bed.end();
}

/// Another node's two increments of `x` on a disk, with one of the two bundles corrupt.
async fn damaged_at(sequence: u64) -> (Bed, [SignedBundle; 2]) {
    let like = sample().await;
    let bed = bed(|_| {});
    let peer = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(peer);
    let mut author = Author::new(2);
    let bundles = [author.bundle(&like), author.bundle(&like)];
    for bundle in bundles.clone() {
        assert!(bed.topics.handle_bundle(peer, bundle));
    }
    bed.until_value(2).await;
    let disk = bed.disk.clone();
    bed.end();
    alter(&disk, BUNDLES, (1, sequence));
    (Bed::on(disk, test_config(), 1, &["g-counter"]), bundles)
}

/// The last request to a peer for something corrupt: those have numbers of their own.
fn asked(bed: &Bed, peer: NodeId) -> Option<replication::SyncRequest> {
    let sent = bed.heard.sent.lock().unwrap();
    sent.iter().rev().find_map(|(to, message)| match message {
        Message::SyncRequest(request) if *to == peer && request.request.0 >> 63 == 1 => {
            Some(request.clone())
        }
        _ => None,
    })
}

/// Answers the last request to a peer with a bundle; none if it was not asked.
fn answer(bed: &Bed, peer: NodeId, bundle: &SignedBundle) -> Option<()> {
    answer_with(bed, peer, bundle, false)
}

fn answer_with(bed: &Bed, peer: NodeId, bundle: &SignedBundle, more: bool) -> Option<()> {
    let chunk = replication::SyncChunk {
        topic: topic(),
        request: asked(bed, peer)?.request,
        bundles: vec![bundle.into()],
        more,
        version: VersionVector::new(),
    };
    bed.topics
        .handle_message(peer, Message::SyncChunk(chunk))
        .then_some(())
}

#[tokio::test]
async fn a_corrupt_bundle_is_fetched_from_a_peer_and_its_topic_goes_on() {
    // In the middle of the log, and at the end of a chain, without which the topic is not open.
    for sequence in [1, 2] {
        let (bed, bundles) = damaged_at(sequence).await;
        let lost = &bundles[sequence as usize - 1];
        let read = bed.topics.value(topic(), "x".parse().unwrap(), None, None);
        let failed = read.await;
        assert!(
            matches!(failed, Err(NodeError::StorageFailed { .. })),
            "{failed:?}"
        );
        let peer = NodeId::from_bytes([9; 32]);
        bed.topics.handle_peer_up(peer);
        // Another bundle under the same name is not what was lost.
        let like = sample().await;
        let forged = Author::new(2).bundle_at(&like, 1);
        eventually(async || answer(&bed, peer, &forged)).await;
        assert_eq!(bed.value().await, None);
        // The next request, since that one is answered.
        eventually(async || {
            answer(&bed, peer, lost);
            (bed.value().await == Some(2)).then_some(())
        })
        .await;
        assert_eq!(bed.count("bundles_repaired_total"), 1);
        bed.topics.update(increment(1)).await.unwrap();
        // It is on the disk.
        let bed = bed.restart(test_config(), 1, &["g-counter"]);
        assert_eq!(bed.value().await, Some(3));
        bed.end();
    }
}

/// A peer that has much that this node lacks gave the same bundles for ever, never the lost one.
#[tokio::test]
async fn a_corrupt_bundle_is_found_behind_others_that_a_peer_has() {
    let (bed, bundles) = damaged_at(2).await;
    assert_eq!(bed.value().await, None);
    let peer = NodeId::from_bytes([9; 32]);
    bed.topics.handle_peer_up(peer);
    let like = sample().await;
    let (mut busy, mut answered) = (Author::new(3), None);
    for _ in 0..5 {
        let other = busy.bundle(&like);
        let is_told_of = |other: &SignedBundle| {
            let request = asked(&bed, peer)?;
            let told = request.version.get(other.replica());
            (told >= other.last()).then_some(())
        };
        eventually(async || {
            // Each request is answered once: the same bundle again would be an answer in vain.
            match is_told_of(&other) {
                None if asked(&bed, peer).map(|of| of.request) != answered => {
                    answered = asked(&bed, peer).map(|of| of.request);
                    answer_with(&bed, peer, &other, true);
                    None
                }
                told => told,
            }
        })
        .await;
    }
    eventually(async || {
        answer(&bed, peer, &bundles[1]);
        (bed.value().await == Some(2)).then_some(())
    })
    .await;
    bed.end();
}

/// The first one that was found kept all others from being asked for.
#[tokio::test]
async fn a_bundle_that_no_peer_has_keeps_no_other_from_being_repaired() {
    let bed = bed(|_| {});
    bed.topics.update(increment_of("own", 1)).await.unwrap();
    let like = sample().await;
    let peer = NodeId::from_bytes([9; 32]);
    bed.topics.handle_peer_up(peer);
    let mut author = Author::new(2);
    let lost = author.bundle(&like);
    for bundle in [lost.clone(), author.bundle(&like)] {
        assert!(bed.topics.handle_bundle(peer, bundle));
    }
    bed.until_value(2).await;
    // The ends of both chains can be read.
    bed.topics.update(increment_of("y", 1)).await.unwrap();
    let disk = bed.disk.clone();
    bed.end();
    // This node's own, which nobody has, and the peer's.
    for sequence in [1, 2] {
        alter(&disk, BUNDLES, (1, sequence));
    }
    let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
    assert_eq!(bed.value_of("own").await, None);
    bed.topics.handle_peer_up(peer);
    eventually(async || {
        answer(&bed, peer, &lost);
        (bed.value().await == Some(2)).then_some(())
    })
    .await;
    assert_eq!(bed.count("bundles_corrupt"), 1);
    assert_eq!(bed.value_of("own").await, None);
    bed.end();
}

/// They stopped the start of the whole node.
#[tokio::test]
async fn a_topics_row_that_is_corrupt_is_made_again_and_no_dot_is_used_twice() {
    for table in 0..2 {
        let bed = bed(|_| {});
        for id in ["x", "y", "x"] {
            bed.topics.update(increment_of(id, 1)).await.unwrap();
        }
        let before = bed.heard.broadcast.lock().unwrap()[0].replica();
        let disk = bed.disk.clone();
        bed.end();
        match table {
            0 => alter(&disk, TOPICS, "t"),
            _ => alter(&disk, COUNTERS, 1),
        }
        let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
        assert_eq!(bed.value().await, Some(2));
        bed.topics.update(increment_of("z", 4)).await.unwrap();
        let after = bed.heard.broadcast.lock().unwrap()[0].replica();
        assert_ne!(after, before);
        // It is whole from then on: no further generation.
        let bed = bed.restart(test_config(), 1, &["g-counter"]);
        assert_eq!(bed.value_of("z").await, Some(4));
        bed.topics.update(increment(1)).await.unwrap();
        assert_eq!(bed.heard.broadcast.lock().unwrap()[0].replica(), after);
        assert_eq!(bed.value().await, Some(3));
        bed.end();
    }
}

#[tokio::test]
async fn a_topic_whose_rows_cannot_be_made_again_is_refused_and_the_others_go_on() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let other = Update {
        topic: "other".parse().unwrap(),
        ..increment(2)
    };
    bed.topics.update(other.clone()).await.unwrap();
    let before = bed.heard.broadcast.lock().unwrap()[1].replica();
    let disk = bed.disk.clone();
    bed.end();
    alter(&disk, TOPICS, "t");
    // The only bundle that could have told its name.
    alter(&disk, BUNDLES, (1, 1));
    let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
    let refused = bed.topics.update(increment(1)).await;
    let Err(NodeError::StorageFailed { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("record \"t\" of table topics"), "{reason}");
    bed.topics.update(other).await.unwrap();
    let after = bed.heard.broadcast.lock().unwrap()[0].replica();
    assert_ne!(after, before);
    // A new topic does not get its number.
    let new = Update {
        topic: "new".parse().unwrap(),
        ..increment(1)
    };
    bed.topics.update(new).await.unwrap();
    let numbers = bed.storage.topics().unwrap();
    assert!(numbers.iter().all(|of| of.topic.0 != 1), "{numbers:?}");
    bed.end();
}
