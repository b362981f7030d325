//! Power failures: in every sync, with every mixture of lost, kept and torn writes that the seeds
//! give.

use super::disk::Disk;
use super::{job, stored_jobs};
use crate::storage::{Storage, StorageError};

const JOBS: u64 = 12;

/// Commits the jobs behind `done`, until the power fails. Returns how many were acknowledged.
fn run(disk: &Disk, done: u64) -> Result<u64, u64> {
    let Ok(storage) = disk.storage() else {
        return Err(done);
    };
    for n in done + 1..=JOBS {
        if storage.commit(&[job(n)]).is_err() {
            return Err(n - 1);
        }
    }
    Ok(JOBS)
}

/// A disk with an empty database. Making it is not under test here: the file gets its name only
/// once it is whole ([`crate::storage::RedbStorage::open`]).
fn formatted(seed: u64) -> Disk {
    let disk = Disk::new(seed);
    drop(disk.storage().unwrap());
    disk
}

/// How many syncs the whole sequence takes.
fn syncs_without_failure() -> u64 {
    let disk = formatted(0);
    let before = disk.state().syncs;
    assert_eq!(run(&disk, 0), Ok(JOBS));
    disk.state().syncs - before
}

#[test]
fn a_power_failure_in_any_sync_loses_nothing_acknowledged_and_tears_no_job() {
    let syncs = syncs_without_failure();
    assert!(syncs >= JOBS);
    for crash in 1..=syncs {
        for seed in 0..6 {
            let disk = formatted(seed * 1_000 + crash);
            let before = disk.state().syncs;
            disk.state().crash_at_sync = Some(before + crash);
            let acknowledged = match run(&disk, 0) {
                Ok(all) => all,
                Err(acknowledged) => acknowledged,
            };
            disk.restart();
            let storage = disk.storage().unwrap_or_else(|error| {
                panic!("crash in sync {crash}, seed {seed}: {error}");
            });
            let stored = stored_jobs(&storage);
            assert!(
                (acknowledged..=acknowledged + 1).contains(&stored),
                "crash in sync {crash}, seed {seed}: {acknowledged} acknowledged, {stored} stored"
            );
            // The rest can be written, and a clean restart finds it.
            drop(storage);
            assert_eq!(run(&disk, stored), Ok(JOBS));
            assert_eq!(stored_jobs(&disk.storage().unwrap()), JOBS);
        }
    }
}

#[test]
fn power_failures_during_recovery_lose_nothing_either() {
    for seed in 0..40 {
        let disk = formatted(seed);
        let mut stored = 0;
        // Fails again a few syncs after every restart, recovery included.
        for round in 0..30 {
            let syncs = disk.state().syncs;
            disk.state().crash_at_sync = Some(syncs + 1 + (seed + round) % 3);
            let acknowledged = match run(&disk, stored) {
                Ok(acknowledged) | Err(acknowledged) => acknowledged,
            };
            disk.restart();
            let syncs = disk.state().syncs;
            disk.state().crash_at_sync = (round % 2 == 0).then_some(syncs + 1);
            let opened = disk.storage();
            if disk.state().crash_at_sync.is_some() {
                drop(opened);
                disk.restart();
            }
            stored = stored_jobs(&disk.storage().unwrap());
            assert!(stored >= acknowledged, "seed {seed}, round {round}");
            disk.restart();
        }
    }
}

#[test]
fn a_file_of_another_format_is_refused() {
    let disk = Disk::new(1);
    drop(disk.storage().unwrap());
    {
        use crate::storage::record::{Part, Place};
        use crate::storage::tables::{FORMAT, FORMAT_KEY, META};
        let database = (disk.opener())().unwrap();
        let transaction = database.begin_write().unwrap();
        let place = Place {
            table: "meta",
            key: &[Part::Text(FORMAT_KEY)],
        };
        let value = place.seal(&crate::storage::write::cbor(&(FORMAT + 1)));
        transaction
            .open_table(META)
            .unwrap()
            .insert(FORMAT_KEY, value.as_slice())
            .unwrap();
        transaction.commit().unwrap();
    }
    assert!(matches!(
        disk.storage(),
        Err(StorageError::Format {
            found: 2,
            expected: 1
        })
    ));
}
