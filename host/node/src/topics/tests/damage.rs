//! Records of the log that do not match their checksums.

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
