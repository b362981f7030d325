//! Checkpoints are a shortcut: whatever becomes of one, the log decides.

use replicant_protocol::ids::ModuleHash;

use super::*;
use crate::storage::tests::{CHECKPOINTS, alter};
use crate::storage::{Checkpoint, Job, ObjectNumber, Storage, TopicNumber, TopicWrite};

const X: ObjectNumber = ObjectNumber(1);
const TOPIC: TopicNumber = TopicNumber(1);

/// A disk on which `x` has a checkpoint at 1,100 and stands at 1,102; after `doctor` was there.
async fn doctored(doctor: impl FnOnce(&mut Checkpoint)) -> Disk {
    let bed = bed(|_| {});
    let (mut x, mut y) = (increment_of("x", 1), increment_of("y", 1));
    x.commands = vec![x.commands.remove(0); 1_100];
    y.commands = vec![y.commands.remove(0); 2_000];
    bed.topics.update(x).await.unwrap();
    bed.topics.update(y).await.unwrap();
    bed.topics.update(increment(2)).await.unwrap();
    let disk = bed.disk.clone();
    bed.end();
    let storage = disk.storage().unwrap();
    let stored = storage.topic(&topic()).unwrap().unwrap();
    let mut checkpoint = storage.checkpoint(TOPIC, X).unwrap().unwrap();
    let of_y = storage.checkpoint(TOPIC, ObjectNumber(2)).unwrap().unwrap();
    checkpoint.saved = of_y.saved;
    doctor(&mut checkpoint);
    let mut write = TopicWrite::new(TOPIC, None, stored.counters);
    write.checkpoints.push((X, checkpoint));
    let job = Job {
        topics: vec![write],
        general: vec![],
    };
    storage.commit(&[job]).unwrap();
    disk
}

async fn value_on(disk: Disk) -> u64 {
    let bed = Bed::on(disk, test_config(), 1, &["g-counter"]);
    let digest = bed.topics.digest(topic()).await.unwrap();
    assert_eq!(digest.unavailable, 0);
    let value = bed.value().await.unwrap();
    bed.end();
    value
}

#[tokio::test]
async fn a_checkpoint_is_what_an_object_is_made_from() {
    // The state of another object, so that it shows.
    assert_eq!(value_on(doctored(|_| {}).await).await, 2_002);
}

#[tokio::test]
async fn a_checkpoint_of_another_module_is_not_used_since_not_every_node_has_it() {
    let disk = doctored(|checkpoint| checkpoint.module = ModuleHash::from_bytes([9; 32])).await;
    assert_eq!(value_on(disk).await, 1_102);
}

#[tokio::test]
async fn a_checkpoint_that_the_type_cannot_load_is_passed_over() {
    let disk = doctored(|checkpoint| checkpoint.saved = vec![0xff; 40]).await;
    assert_eq!(value_on(disk).await, 1_102);
}

#[tokio::test]
async fn an_object_with_a_corrupt_checkpoint_is_made_from_the_log() {
    let disk = doctored(|_| {}).await;
    alter(&disk, CHECKPOINTS, (1, 1));
    assert_eq!(value_on(disk).await, 1_102);
}
