//! Jobs into tables, in one transaction.

use minicbor::Encode;
use redb::{Database, TableDefinition, WriteTransaction};

use super::job::Checkpoint;
use super::record::{Part, Place};
use super::tables::*;
use super::{General, Job, Proof, Result, TopicWrite};

/// Writes all jobs and syncs them.
pub(super) fn commit(database: &Database, jobs: &[Job]) -> Result<()> {
    let transaction = database.begin_write()?;
    for job in jobs {
        for write in &job.topics {
            write_topic(&transaction, write)?;
        }
        for write in &job.general {
            write_general(&transaction, write)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Encodes a value of our own in CBOR. Writing into memory does not fail.
pub(super) fn cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    match minicbor::encode(value, &mut bytes) {
        Ok(()) => bytes,
        Err(error) => match error.is_write() {
            true => bytes,
            false => unreachable!("our own types encode"),
        },
    }
}

fn write_topic(transaction: &WriteTransaction, write: &TopicWrite) -> Result<()> {
    let topic = write.topic;
    if let Some(name) = &write.name {
        let place = Place {
            table: "topics",
            key: &topic_key(name),
        };
        transaction
            .open_table(TOPICS)?
            .insert(name.as_ref(), place.seal(&cbor(&topic)).as_slice())?;
    }
    let place = Place {
        table: "counters",
        key: &counters_key(topic),
    };
    transaction
        .open_table(COUNTERS)?
        .insert(topic.0, place.seal(&cbor(&write.counters)).as_slice())?;
    write_objects(transaction, write)?;
    write_bundles(transaction, write)?;
    write_checkpoints(transaction, write)?;
    write_commands(transaction, write)
}

fn write_objects(transaction: &WriteTransaction, write: &TopicWrite) -> Result<()> {
    if write.objects.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(OBJECTS)?;
    for (key, number) in &write.objects {
        let place = Place {
            table: "objects",
            key: &object_key(write.topic, key),
        };
        let row = (write.topic.0, key.type_name.as_ref(), key.id.as_ref());
        table.insert(row, place.seal(&cbor(number)).as_slice())?;
    }
    Ok(())
}

fn write_bundles(transaction: &WriteTransaction, write: &TopicWrite) -> Result<()> {
    if write.bundles.is_empty() {
        return Ok(());
    }
    let topic = write.topic;
    let mut bundles = transaction.open_table(BUNDLES)?;
    let mut boundaries = transaction.open_table(BOUNDARIES)?;
    let mut touched = transaction.open_table(TOUCHED)?;
    for bundle in &write.bundles {
        let end = &bundle.boundary;
        let place = Place {
            table: "bundles",
            key: &bundle_key(topic, end.sequence),
        };
        let (replica, last) = (end.replica.get(), end.last.get());
        let head = [replica.to_be_bytes(), last.to_be_bytes()];
        let value = place.seal(&[head.as_flattened(), &bundle.bytes].concat());
        bundles.insert((topic.0, end.sequence.0), value.as_slice())?;

        let place = Place {
            table: "boundaries",
            key: &boundary_key(topic, replica, last),
        };
        let value = cbor(&(end.sequence, end.hlc, end.hash));
        boundaries.insert((topic.0, replica, last), place.seal(&value).as_slice())?;

        for object in &bundle.touched {
            let key = touched_key(topic, *object, end.sequence);
            let place = Place {
                table: "touched",
                key: &key,
            };
            touched.insert(
                (topic.0, object.0, end.sequence.0),
                place.seal(&[]).as_slice(),
            )?;
        }
    }
    Ok(())
}

fn write_checkpoints(transaction: &WriteTransaction, write: &TopicWrite) -> Result<()> {
    if write.checkpoints.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(CHECKPOINTS)?;
    for (object, checkpoint) in &write.checkpoints {
        let place = Place {
            table: "checkpoints",
            key: &checkpoint_key(write.topic, *object),
        };
        let value = place.seal(&encode_checkpoint(checkpoint));
        table.insert((write.topic.0, object.0), value.as_slice())?;
    }
    Ok(())
}

fn encode_checkpoint(checkpoint: &Checkpoint) -> Vec<u8> {
    cbor(&(
        checkpoint.sequence,
        checkpoint.module,
        <&minicbor::bytes::ByteSlice>::from(checkpoint.saved.as_slice()),
        checkpoint.ops_unread,
    ))
}

fn write_commands(transaction: &WriteTransaction, write: &TopicWrite) -> Result<()> {
    if write.commands.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(COMMANDS)?;
    for commands in &write.commands {
        let first = commands.first.get();
        let key = commands_key(write.topic, commands.replica, first);
        let place = Place {
            table: "commands",
            key: &key,
        };
        let value = place.seal(&cbor(&commands.commands));
        table.insert(
            (write.topic.0, commands.replica.get(), first),
            value.as_slice(),
        )?;
    }
    Ok(())
}

fn write_proof(transaction: &WriteTransaction, proof: &Proof) -> Result<()> {
    let key = (proof.topic.as_str(), proof.replica.get());
    let parts = [Part::Text(key.0), Part::Number(key.1)];
    let place = Place {
        table: "proofs",
        key: &parts,
    };
    let bytes = |bytes| <&minicbor::bytes::ByteSlice>::from(bytes);
    let value = cbor(&(
        bytes(proof.first.as_slice()),
        bytes(proof.second.as_slice()),
    ));
    transaction
        .open_table(PROOFS)?
        .insert(key, place.seal(&value).as_slice())?;
    Ok(())
}

/// Writes a record whose key is 32 bytes.
fn put(
    transaction: &WriteTransaction,
    table: TableDefinition<'static, [u8; 32], &'static [u8]>,
    name: &'static str,
    key: &[u8; 32],
    bytes: &[u8],
) -> Result<()> {
    let parts = [Part::Hash(key)];
    let place = Place {
        table: name,
        key: &parts,
    };
    transaction
        .open_table(table)?
        .insert(key, place.seal(bytes).as_slice())?;
    Ok(())
}

fn write_general(transaction: &WriteTransaction, write: &General) -> Result<()> {
    match write {
        General::Meta(name, bytes) => {
            let place = Place {
                table: "meta",
                key: &[Part::Text(name)],
            };
            transaction
                .open_table(META)?
                .insert(*name, place.seal(bytes).as_slice())?;
        }
        General::Module(hash, bytes) => {
            put(transaction, MODULES, "modules", hash.as_bytes(), bytes)?
        }
        General::Announcement(hash, bytes) => {
            put(
                transaction,
                ANNOUNCEMENTS,
                "announcements",
                hash.as_bytes(),
                bytes,
            )?;
        }
        General::ForgetAnnouncement(hash) => {
            transaction
                .open_table(ANNOUNCEMENTS)?
                .remove(hash.as_bytes())?;
        }
        General::Fact(id, bytes) => put(transaction, FACTS, "facts", id.as_bytes(), bytes)?,
        General::ForgetFact(id) => {
            transaction.open_table(FACTS)?.remove(id.as_bytes())?;
        }
        General::Proof(proof) => write_proof(transaction, proof)?,
        General::Peer(id, address) => {
            put(
                transaction,
                PEERS,
                "peers",
                id.as_bytes(),
                address.as_bytes(),
            )?;
        }
        General::ForgetTopicRow(key) => {
            transaction.open_table(TOPICS)?.remove(key.as_str())?;
        }
        General::ForgetPeer(id) => {
            transaction.open_table(PEERS)?.remove(id.as_bytes())?;
        }
    }
    Ok(())
}
