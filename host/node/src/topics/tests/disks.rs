//! Disks that fail, and what topics make of it.

use std::collections::BTreeSet;

use super::*;
use crate::storage::tests::disk::Lie;

impl Bed {
    /// Repeats an update until the disk takes it.
    async fn until_updated(&self, update: Update) {
        eventually(async || self.topics.update(update.clone()).await.ok()).await;
    }
}

/// A node that was told that a batch failed which is on disk all the same: `x` has the value that
/// is returned, and the batch adds 5 to `new`, which it makes. A failed sync of a transaction that
/// changes the file's length takes it back, so this looks for one that does not.
async fn stored_in_spite_of_an_error(lie: Lie) -> (Bed, u64, Result<Updated, NodeError>) {
    for before in 1..20 {
        let bed = bed(|_| {});
        for _ in 0..before {
            bed.topics.update(increment(1)).await.unwrap();
        }
        bed.disk.state().lie_at_sync = Some(lie);
        let told = bed.topics.update(increment_of("new", 5)).await;
        let looked = bed.disk.fork().storage().unwrap();
        let ops = looked.topic(&topic()).unwrap().unwrap().counters.ops;
        if ops == before + 1 {
            return (bed, before, told);
        }
        bed.end();
    }
    panic!("every failed sync took the batch back");
}

#[tokio::test]
async fn what_was_stored_in_spite_of_an_error_and_could_not_be_looked_at_is_found_again() {
    // Neither the write nor looking afterwards works: nobody can know.
    let (bed, x, told) = stored_in_spite_of_an_error(Lie::AndDie).await;
    assert!(
        matches!(told, Err(NodeError::StorageFailed { .. })),
        "{told:?}"
    );
    bed.disk.state().dead = false;
    // Whoever reads now sees what is stored, not an object without its ops.
    eventually(async || {
        let value = bed.value_of("new").await;
        assert!(matches!(value, None | Some(5)), "{value:?}");
        value
    })
    .await;
    bed.until_updated(increment_of("new", 2)).await;
    assert_eq!(bed.value_of("new").await, Some(7));
    bed.until_updated(increment(1)).await;
    assert_eq!(bed.value().await, Some(x + 1));
    // The log says the same.
    let bed = bed.restart(test_config(), 1, &["g-counter"]);
    assert_eq!(
        (bed.value_of("new").await, bed.value().await),
        (Some(7), Some(x + 1))
    );
    bed.end();
}

#[tokio::test]
async fn a_read_that_waits_for_a_version_is_answered_after_the_disk_works_again() {
    let (bed, x, told) = stored_in_spite_of_an_error(Lie::AndDie).await;
    assert!(told.is_err());
    let replica = bed.heard.broadcast.lock().unwrap()[0].replica();
    let mut version = VersionVector::new();
    version.advance(replica, replicant_protocol::ids::Counter::new(x + 1));
    let token = VersionToken::from(&version);
    bed.disk.state().dead = false;
    // Nobody writes: the topic itself looks again.
    let read = eventually(async || {
        let id = "new".parse().unwrap();
        let read = bed.topics.value(topic(), id, None, Some(token.clone()));
        read.await.ok()
    })
    .await;
    let value: u64 = ciborium::from_reader(read.value.as_slice()).unwrap();
    assert_eq!(value, 5);
    bed.end();
}

#[tokio::test]
async fn a_sync_that_failed_after_its_work_was_done_counts_as_done() {
    let (bed, x, told) = stored_in_spite_of_an_error(Lie::Once).await;
    told.unwrap();
    bed.until_updated(increment(4)).await;
    assert_eq!(
        (bed.value_of("new").await, bed.value().await),
        (Some(5), Some(x + 4))
    );
    let heard = bed.heard.broadcast.lock().unwrap().clone();
    let dots: BTreeSet<_> = heard.iter().map(|bundle| bundle.end()).collect();
    assert_eq!(dots.len(), heard.len(), "a dot is used once");
    bed.end();
}

/// Runs updates until the power fails in the sync of this number; says what was acknowledged.
async fn until_power_fails(disk: &Disk, crash: u64) -> (u64, Vec<SignedBundle>) {
    let bed = Bed::on(disk.clone(), test_config(), 1, &["g-counter"]);
    let syncs = disk.state().syncs;
    disk.state().crash_at_sync = Some(syncs + crash);
    let mut acknowledged = 0;
    for n in 0..6 {
        // Two objects, and two updates at a time, so that batches hold more than one.
        let updates = [increment_of("x", 1), increment_of(&format!("o{n}"), 1)];
        let [x, o] = updates.map(|update| bed.topics.update(update));
        let (x, o) = futures::future::join(x, o).await;
        if x.is_err() || o.is_err() {
            acknowledged += u64::from(x.is_ok());
            break;
        }
        acknowledged += 1;
    }
    let heard = bed.heard.broadcast.lock().unwrap().clone();
    bed.end();
    disk.restart();
    (acknowledged, heard)
}

/// The bundles in the log of a topic, in its order.
pub(super) fn log(bed: &Bed) -> Vec<SignedBundle> {
    let mut bundles = Vec::new();
    if let Some(stored) = bed.storage.topic(&topic()).unwrap() {
        let mut visit = |_, _, bytes: &[u8]| {
            bundles.push(SignedBundle::decode(bytes).unwrap());
            true
        };
        let from = crate::storage::Sequence(1);
        bed.storage.bundles(stored.topic, from, &mut visit).unwrap();
    }
    bundles
}

#[tokio::test]
async fn whenever_the_power_fails_nothing_acknowledged_is_lost_and_nothing_was_heard_too_early() {
    for crash in 1..12 {
        for seed in 0..3 {
            let disk = Disk::new(seed * 100 + crash);
            drop(disk.storage().unwrap());
            let (acknowledged, heard) = until_power_fails(&disk, crash).await;
            let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
            let stored = log(&bed);
            for bundle in &heard {
                assert!(
                    stored.contains(bundle),
                    "heard of {bundle:?} before it was stored"
                );
            }
            let value = bed.value().await.unwrap_or(0);
            assert!(
                (acknowledged..=acknowledged + 1).contains(&value),
                "crash in sync {crash}, seed {seed}: {acknowledged} acknowledged, {value} there"
            );
            // What follows uses no dot again.
            bed.topics.update(increment(1)).await.unwrap();
            let next = bed.heard.broadcast.lock().unwrap().remove(0);
            let mut dots = heard.iter().chain(&stored);
            assert!(dots.all(|bundle| bundle.end() < next.end() && bundle.hlc() < next.hlc()));
            assert_eq!(bed.value().await, Some(value + 1));
            bed.end();
        }
    }
}
