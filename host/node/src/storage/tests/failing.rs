//! Disks that are full or not writable, and the writer on top of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::{job, stored_jobs, topic_name};
use crate::storage::{General, Job, Storage, StorageError, Writer};

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_disk_refuses_writes_with_the_reason_and_reads_go_on() {
    let disk = Disk::new(1);
    let storage = disk.storage().unwrap();
    storage.commit(&[job(1)]).unwrap();
    let length = disk.state().durable_bytes();
    disk.state().capacity = Some(length);
    let large = Job::general(General::Meta("large", vec![1; 1 << 20]));
    let error = storage.commit(&[large]).unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(
        storage
            .failure()
            .is_some_and(|reason| reason.contains("no space left"))
    );
    assert_eq!(stored_jobs(&storage), 1);
    // A pause passes before the next attempt; until then the reason is the same.
    assert!(
        storage
            .commit(&[job(2)])
            .unwrap_err()
            .to_string()
            .contains("no space left")
    );
    disk.state().capacity = None;
    until("writable again", || storage.commit(&[job(2)]).is_ok());
    assert_eq!(storage.failure(), None);
    assert_eq!(stored_jobs(&storage), 2);
}

#[test]
fn a_disk_that_cannot_be_written_at_all_recovers_when_it_can() {
    let disk = Disk::new(1);
    let storage = Arc::new(disk.storage().unwrap());
    let writer = Writer::start(storage.clone()).unwrap();
    writer.commit(job(1)).unwrap();
    disk.state().read_only = true;
    assert!(matches!(
        writer.commit(job(2)),
        Err(StorageError::Failed { .. })
    ));
    assert!(storage.failure().is_some());
    disk.state().read_only = false;
    // Nobody writes: the writer itself finds out.
    until("probed", || storage.failure().is_none());
    let stored = stored_jobs(&storage);
    assert_eq!(stored, 1);
    writer.commit(job(2)).unwrap();
    assert_eq!(stored_jobs(&storage), 2);
}

#[test]
fn jobs_that_wait_are_merged_into_one_transaction() {
    let disk = Disk::new(1);
    let storage = Arc::new(disk.storage().unwrap());
    let before = disk.state().syncs;
    let writer = Arc::new(Writer::start(storage.clone()).unwrap());
    let gate = disk.state();
    let threads: Vec<_> = (0..40_u8)
        .map(|n| {
            let writer = writer.clone();
            std::thread::spawn(move || writer.commit(Job::general(General::Meta("x", vec![n]))))
        })
        .collect();
    // While the disk is held the writer is stuck in its first transaction and the rest waits.
    std::thread::sleep(Duration::from_millis(50));
    drop(gate);
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    let syncs = disk.state().syncs - before;
    assert!(syncs < 40, "{syncs} syncs for 40 jobs");
}

#[test]
fn a_closed_writer_refuses_jobs() {
    let disk = Disk::new(1);
    let storage = Arc::new(disk.storage().unwrap());
    let writer = Writer::start(storage.clone()).unwrap();
    writer.commit(job(1)).unwrap();
    writer.close();
    assert_eq!(writer.commit(job(2)), Err(StorageError::Closed));
    assert!(storage.topic(&topic_name()).unwrap().is_some());
}
