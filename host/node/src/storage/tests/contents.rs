//! What is written is what is read; what was altered is named.

use redb::ReadableTable;
use replicant_protocol::clock::Hlc;
use replicant_protocol::ids::{Counter, Hash, ModuleHash, NodeId, ObjectKey, ReplicaId};

use super::disk::Disk;
use super::{job, key, replica};
use crate::storage::*;

fn boundary(replica: u64, last: u64, sequence: u64) -> Boundary {
    Boundary {
        replica: ReplicaId::new(replica).unwrap(),
        last: Counter::new(last),
        sequence: Sequence(sequence),
        hlc: Hlc::at_millisecond(sequence),
        hash: Hash::from_bytes([9; 32]),
    }
}

fn topic_job(topic: u32, name: &str, boundaries: &[Boundary], objects: &[ObjectKey]) -> Job {
    let counters = TopicCounters {
        last: Sequence(boundaries.len() as u64),
        objects: ObjectNumber(objects.len() as u64),
        ops: 0,
    };
    let name = Some(name.parse().unwrap());
    let mut write = TopicWrite::new(TopicNumber(topic), name, counters);
    for boundary in boundaries {
        write.bundles.push(BundleWrite {
            boundary: *boundary,
            bytes: vec![1],
            touched: vec![],
        });
    }
    for (key, number) in objects.iter().zip(1..) {
        write.objects.push((key.clone(), ObjectNumber(number)));
    }
    Job {
        topics: vec![write],
        general: vec![],
    }
}

fn object(type_name: &str, id: &str) -> ObjectKey {
    ObjectKey {
        type_name: type_name.parse().unwrap(),
        id: id.parse().unwrap(),
    }
}

#[test]
fn heads_are_the_last_boundary_of_each_replica_of_this_topic() {
    let storage = Disk::new(1).storage().unwrap();
    let own = [
        boundary(1, 5, 1),
        boundary(1, 9, 2),
        boundary(3, 2, 3),
        boundary(u64::MAX, 1, 4),
    ];
    let others = [boundary(1, 77, 1), boundary(2, 1, 2)];
    storage
        .commit(&[
            topic_job(2, "b", &own, &[]),
            topic_job(1, "a", &others, &[]),
        ])
        .unwrap();
    assert_eq!(
        storage.heads(TopicNumber(2)).unwrap(),
        [own[1], own[2], own[3]]
    );
    assert_eq!(storage.heads(TopicNumber(3)).unwrap(), []);
    let find = |replica: u64, counter: u64| {
        let replica = ReplicaId::new(replica).unwrap();
        storage
            .boundary(TopicNumber(2), replica, Counter::new(counter))
            .unwrap()
    };
    assert_eq!(find(1, 1), Some(own[0]));
    assert_eq!(find(1, 5), Some(own[0]));
    assert_eq!(find(1, 6), Some(own[1]));
    assert_eq!(find(1, 10), None);
    assert_eq!(find(2, 1), None);
}

#[test]
fn objects_are_listed_by_type_and_id_in_pages() {
    let storage = Disk::new(1).storage().unwrap();
    let keys = [
        object("a", "x"),
        object("a", "y"),
        object("a-b", "x"),
        object("b", "é"),
        object("b", "ü"),
    ];
    storage.commit(&[topic_job(1, "t", &[], &keys)]).unwrap();
    storage
        .commit(&[topic_job(2, "u", &[], &[object("a", "z")])])
        .unwrap();
    let page = |after: Option<&ObjectKey>, limit| -> Vec<ObjectKey> {
        let rows = storage.objects(TopicNumber(1), after, limit).unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(page(None, 10), keys);
    assert_eq!(page(None, 2), keys[..2]);
    assert_eq!(page(Some(&keys[1]), 2), keys[2..4]);
    assert_eq!(page(Some(&keys[4]), 2), []);
    let types = storage
        .types_of(TopicNumber(1), &"x".parse().unwrap())
        .unwrap();
    assert_eq!(types, ["a".parse().unwrap(), "a-b".parse().unwrap()]);
    assert_eq!(
        storage
            .types_of(TopicNumber(1), &"z".parse().unwrap())
            .unwrap(),
        []
    );
    assert_eq!(storage.topics().unwrap().len(), 2);
}

#[test]
fn general_records_are_read_back() {
    let storage = Disk::new(1).storage().unwrap();
    let (module, hash) = (ModuleHash::from_bytes([1; 32]), Hash::from_bytes([2; 32]));
    let peers = [NodeId::from_bytes([3; 32]), NodeId::from_bytes([4; 32])];
    let proof = Proof {
        topic: "t".parse().unwrap(),
        replica: replica(),
        first: vec![8],
        second: vec![9],
    };
    let general = vec![
        General::Meta("cluster", vec![5]),
        General::Module(module, vec![6; 100_000]),
        General::Announcement(hash, vec![7]),
        General::Fact(hash, vec![10]),
        General::Fact(Hash::ZERO, vec![11]),
        General::Proof(proof.clone()),
        General::Peer(peers[0], "a:1".to_owned()),
        General::Peer(peers[1], "b:2".to_owned()),
    ];
    storage
        .commit(&[Job {
            topics: vec![],
            general,
        }])
        .unwrap();
    storage
        .commit(&[
            Job::general(General::ForgetPeer(peers[0])),
            Job::general(General::ForgetFact(Hash::ZERO)),
        ])
        .unwrap();
    assert_eq!(storage.facts().unwrap(), [(hash, vec![10])]);
    assert_eq!(storage.meta("cluster").unwrap(), Some(vec![5]));
    assert_eq!(storage.meta("nothing").unwrap(), None);
    assert_eq!(
        storage.module(&module).unwrap().map(|bytes| bytes.len()),
        Some(100_000)
    );
    assert_eq!(storage.proofs().unwrap(), [proof]);
    assert_eq!(storage.modules().unwrap(), [module]);
    assert_eq!(storage.announcements().unwrap(), [(hash, vec![7])]);
    assert_eq!(storage.peers().unwrap(), [(peers[1], "b:2".to_owned())]);
}

#[test]
fn an_altered_record_is_named_and_the_others_are_read() {
    let disk = Disk::new(1);
    let storage = disk.storage().unwrap();
    storage.commit(&[job(1), job(2)]).unwrap();
    drop(storage);
    {
        let database = (disk.opener())().unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction
                .open_table(super::super::tables::BUNDLES)
                .unwrap();
            let mut value = table.get((1, 1)).unwrap().unwrap().value().to_vec();
            *value.last_mut().unwrap() ^= 1;
            table.insert((1, 1), value.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let storage = disk.storage().unwrap();
    let error = storage.bundle(TopicNumber(1), Sequence(1)).unwrap_err();
    assert!(
        matches!(&error, StorageError::Corrupt { table: "bundles", key, .. } if key == "1/1"),
        "{error}"
    );
    assert!(
        storage
            .bundle(TopicNumber(1), Sequence(2))
            .unwrap()
            .is_some()
    );
    assert_eq!(
        storage.object(TopicNumber(1), &key(1)).unwrap(),
        Some(ObjectNumber(1))
    );
    assert_eq!(storage.heads(TopicNumber(1)).unwrap()[0].replica, replica());
    assert_eq!(storage.failure(), None);
}
