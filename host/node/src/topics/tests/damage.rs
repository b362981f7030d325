//! Records of the log that do not match their checksums.

use replicant_protocol::ids::NodeId;

use super::*;
use crate::storage::tests::{BOUNDARIES, BUNDLES, alter};

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

/// Answers the last request to a peer with a bundle; none if it was not asked.
fn answer(bed: &Bed, peer: NodeId, bundle: &SignedBundle) -> Option<()> {
    let sent = bed.heard.sent.lock().unwrap().clone();
    let asked = sent.iter().rev().find_map(|(to, message)| match message {
        // Those for something corrupt have numbers of their own.
        Message::SyncRequest(request) if *to == peer && request.request.0 >> 63 == 1 => {
            Some(request.clone())
        }
        _ => None,
    })?;
    let chunk = replication::SyncChunk {
        topic: topic(),
        request: asked.request,
        bundles: vec![bundle.into()],
        more: false,
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
