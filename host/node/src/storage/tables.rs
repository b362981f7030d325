//! The tables of the database and the places of their records.

use redb::TableDefinition;
use replicant_protocol::ids::{ObjectKey, ReplicaId, TopicName};

use super::record::Part;
use super::{ObjectNumber, Sequence, TopicNumber};

/// The format of everything in the file. Raised with every change that an older release cannot
/// read.
pub(super) const FORMAT: u32 = 1;

/// Under which name the format stands in [`META`].
pub(super) const FORMAT_KEY: &str = "format";

type Value = &'static [u8];

pub(super) const META: TableDefinition<'_, &str, Value> = TableDefinition::new("meta");
pub(crate) const TOPICS: TableDefinition<'_, &str, Value> = TableDefinition::new("topics");
pub(crate) const COUNTERS: TableDefinition<'_, u32, Value> = TableDefinition::new("counters");
pub(crate) const BUNDLES: TableDefinition<'_, (u32, u64), Value> = TableDefinition::new("bundles");
pub(crate) const BOUNDARIES: TableDefinition<'_, (u32, u64, u64), Value> =
    TableDefinition::new("boundaries");
pub(super) const OBJECTS: TableDefinition<'_, (u32, &str, &str), Value> =
    TableDefinition::new("objects");
pub(super) const TOUCHED: TableDefinition<'_, (u32, u64, u64), Value> =
    TableDefinition::new("touched");
pub(crate) const CHECKPOINTS: TableDefinition<'_, (u32, u64), Value> =
    TableDefinition::new("checkpoints");
pub(super) const COMMANDS: TableDefinition<'_, (u32, u64, u64), Value> =
    TableDefinition::new("commands");
pub(super) const MODULES: TableDefinition<'_, [u8; 32], Value> = TableDefinition::new("modules");
pub(super) const ANNOUNCEMENTS: TableDefinition<'_, [u8; 32], Value> =
    TableDefinition::new("announcements");
pub(super) const PROOFS: TableDefinition<'_, (&str, u64), Value> = TableDefinition::new("proofs");
pub(super) const FACTS: TableDefinition<'_, [u8; 32], Value> = TableDefinition::new("facts");
pub(super) const PEERS: TableDefinition<'_, [u8; 32], Value> = TableDefinition::new("peers");

pub(super) fn topic_key(name: &TopicName) -> [Part<'_>; 1] {
    [Part::Text(name.as_ref())]
}

pub(super) fn counters_key(topic: TopicNumber) -> [Part<'static>; 1] {
    [Part::Number(topic.0.into())]
}

pub(super) fn bundle_key(topic: TopicNumber, sequence: Sequence) -> [Part<'static>; 2] {
    [Part::Number(topic.0.into()), Part::Number(sequence.0)]
}

pub(super) fn boundary_key(topic: TopicNumber, replica: u64, last: u64) -> [Part<'static>; 3] {
    [
        Part::Number(topic.0.into()),
        Part::Number(replica),
        Part::Number(last),
    ]
}

pub(super) fn object_key(topic: TopicNumber, key: &ObjectKey) -> [Part<'_>; 3] {
    [
        Part::Number(topic.0.into()),
        Part::Text(key.type_name.as_ref()),
        Part::Text(key.id.as_ref()),
    ]
}

pub(super) fn touched_key(
    topic: TopicNumber,
    object: ObjectNumber,
    sequence: Sequence,
) -> [Part<'static>; 3] {
    [
        Part::Number(topic.0.into()),
        Part::Number(object.0),
        Part::Number(sequence.0),
    ]
}

pub(super) fn checkpoint_key(topic: TopicNumber, object: ObjectNumber) -> [Part<'static>; 2] {
    [Part::Number(topic.0.into()), Part::Number(object.0)]
}

pub(super) fn commands_key(
    topic: TopicNumber,
    replica: ReplicaId,
    first: u64,
) -> [Part<'static>; 3] {
    [
        Part::Number(topic.0.into()),
        Part::Number(replica.get()),
        Part::Number(first),
    ]
}

/// Makes every table, so that reads never find one missing.
pub(super) fn create_all(transaction: &redb::WriteTransaction) -> super::Result<()> {
    transaction.open_table(META)?;
    transaction.open_table(TOPICS)?;
    transaction.open_table(COUNTERS)?;
    transaction.open_table(BUNDLES)?;
    transaction.open_table(BOUNDARIES)?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(TOUCHED)?;
    transaction.open_table(CHECKPOINTS)?;
    transaction.open_table(COMMANDS)?;
    transaction.open_table(MODULES)?;
    transaction.open_table(ANNOUNCEMENTS)?;
    transaction.open_table(PROOFS)?;
    transaction.open_table(FACTS)?;
    transaction.open_table(PEERS)?;
    Ok(())
}
