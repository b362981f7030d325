//! Storage held to its guarantee, on a disk that fails on purpose.

mod contents;
mod crash;
mod damage;
pub(crate) mod disk;
mod failing;
mod format;

use redb::ReadableTable;
use replicant_protocol::clock::Hlc;
use replicant_protocol::ids::{Counter, Dot, Hash, ModuleHash, ObjectKey, ReplicaId, TopicName};

pub(crate) use super::tables::{BOUNDARIES, BUNDLES, CHECKPOINTS, COUNTERS, TOPICS};
use super::*;

/// Flips a bit in a record.
pub(crate) fn alter<K: redb::Key>(
    disk: &disk::Disk,
    table: redb::TableDefinition<'static, K, &'static [u8]>,
    key: K::SelfType<'static>,
) {
    let database = (disk.opener())().unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(table).unwrap();
        let mut value = table.get(&key).unwrap().unwrap().value().to_vec();
        *value.last_mut().unwrap() ^= 1;
        table.insert(&key, value.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

pub(super) fn topic_name() -> TopicName {
    "a/topic".parse().unwrap()
}

pub(super) fn replica() -> ReplicaId {
    ReplicaId::new(7).unwrap()
}

pub(super) fn key(id: u64) -> ObjectKey {
    ObjectKey {
        type_name: "g-counter".parse().unwrap(),
        id: format!("o{id}").parse().unwrap(),
    }
}

/// The `n`-th job of a sequence: one bundle of one op on an object of its own.
pub(crate) fn job(n: u64) -> Job {
    let counters = TopicCounters {
        last: Sequence(n),
        objects: ObjectNumber(n),
        ops: n,
    };
    let name = (n == 1).then(topic_name);
    let mut write = TopicWrite::new(TopicNumber(1), name, counters);
    write.objects.push((key(n), ObjectNumber(n)));
    write.bundles.push(BundleWrite {
        boundary: Boundary {
            replica: replica(),
            last: Counter::new(n),
            sequence: Sequence(n),
            hlc: Hlc::at_millisecond(n),
            hash: Hash::from_bytes([n as u8; 32]),
        },
        bytes: bundle_bytes(n),
        touched: vec![ObjectNumber(n)],
    });
    write.checkpoints.push((
        ObjectNumber(1),
        Checkpoint {
            sequence: Sequence(n),
            module: ModuleHash::from_bytes([4; 32]),
            saved: bundle_bytes(n),
            ops_unread: n,
        },
    ));
    write.commands.push(CommandsWrite {
        replica: replica(),
        first: Counter::new(n),
        commands: vec![CommandRecord {
            object: ObjectNumber(n),
            command: vec![1, 2],
        }],
    });
    Job {
        topics: vec![write],
        general: Vec::new(),
    }
}

/// Sizes from a few bytes to several pages.
pub(super) fn bundle_bytes(n: u64) -> Vec<u8> {
    vec![n as u8; (n as usize * 977) % 9_000 + 1]
}

/// How many jobs of the sequence are stored; checks that each is there as a whole, and nothing
/// of the next.
pub(super) fn stored_jobs(storage: &RedbStorage) -> u64 {
    let Some(topic) = storage.topic(&topic_name()).unwrap() else {
        assert_eq!(storage.topics().unwrap(), []);
        return 0;
    };
    let count = topic.counters.last.0;
    assert_eq!(topic.counters.ops, count);
    let mut seen = 0;
    let mut visit = |sequence: Sequence, end: Dot, bytes: &[u8]| {
        seen += 1;
        assert_eq!((sequence.0, end.counter.get()), (seen, seen));
        assert_eq!(bytes, bundle_bytes(seen).as_slice());
        true
    };
    storage
        .bundles(topic.topic, Sequence(1), &mut visit)
        .unwrap();
    assert_eq!(seen, count);
    for n in 1..=count {
        let object = storage.object(topic.topic, &key(n)).unwrap();
        assert_eq!(object, Some(ObjectNumber(n)));
        let touched = storage
            .touched(topic.topic, ObjectNumber(n), Sequence(0), 9)
            .unwrap();
        assert_eq!(touched, [Sequence(n)]);
        let boundary = storage
            .boundary(topic.topic, replica(), Counter::new(n))
            .unwrap()
            .unwrap();
        assert_eq!(
            (boundary.last, boundary.sequence),
            (Counter::new(n), Sequence(n))
        );
        let commands = storage
            .commands(topic.topic, replica(), Counter::new(n))
            .unwrap();
        assert_eq!(commands.unwrap().len(), 1);
    }
    assert_eq!(storage.object(topic.topic, &key(count + 1)).unwrap(), None);
    let checkpoint = storage
        .checkpoint(topic.topic, ObjectNumber(1))
        .unwrap()
        .unwrap();
    assert_eq!(
        (checkpoint.sequence.0, checkpoint.saved),
        (count, bundle_bytes(count))
    );
    count
}
