//! Database files that were damaged where they lay: bits flipped, pages zeroed, ends cut off.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::disk::Disk;
use super::{bundle_bytes, job, key, replica, topic_name};
use crate::storage::*;

const JOBS: u64 = 40;

fn damaged(seed: u64) -> Disk {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let disk = Disk::new(1);
    let storage = disk.storage().unwrap();
    for n in 1..=JOBS {
        storage.commit(&[job(n)]).unwrap();
    }
    if random.random_bool(0.5) {
        // Closed in order: otherwise opening checks every page.
        drop(storage);
    }
    let disk = disk.fork();
    disk.state().damage(|bytes| {
        let length = bytes.len();
        match random.random_range(0..4) {
            0 => bytes.truncate(random.random_range(0..length)),
            1 => {
                let page = random.random_range(0..length / 4_096) * 4_096;
                bytes[page..page + 4_096].fill(0);
            }
            _ => {
                for _ in 0..random.random_range(1..20) {
                    let at = random.random_range(0..length);
                    bytes[at] ^= 1 << random.random_range(0..8);
                }
            }
        }
    });
    disk
}

/// Reads everything; what is returned must be what was written.
fn look(storage: &RedbStorage) {
    let topics = storage.topics();
    let Ok(Some(topic)) = storage.topic(&topic_name()) else {
        return;
    };
    let _ = (topics, storage.heads(topic.topic), storage.peers());
    for n in 1..=JOBS {
        let sequence = Sequence(n);
        if let Ok(Some(bytes)) = storage.bundle(topic.topic, sequence) {
            assert_eq!(bytes, bundle_bytes(n));
        }
        if let Ok(Some(number)) = storage.object(topic.topic, &key(n)) {
            assert_eq!(number, ObjectNumber(n));
        }
        // Where a record is not found any more, this is the next.
        if let Ok(Some(end)) = storage.boundary(topic.topic, replica(), Counter::new(n)) {
            assert_eq!(end.sequence.0, end.last.get());
        }
        let _ = storage.touched(topic.topic, ObjectNumber(n), Sequence(0), 9);
    }
    let _ = storage.bundles(topic.topic, Sequence(1), &mut |sequence, _, bytes| {
        assert_eq!(bytes, bundle_bytes(sequence.0));
        true
    });
    let _ = storage.objects(topic.topic, None, 100);
    let _ = storage.commit(&[job(topic.counters.last.0 + 1)]);
}

#[test]
fn a_damaged_file_gives_errors_and_never_a_panic_or_other_bytes() {
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..400 {
        match damaged(seed).storage() {
            Ok(storage) => {
                look(&storage);
                opened += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(
        opened > 20 && refused > 20,
        "{opened} opened, {refused} refused"
    );
}
