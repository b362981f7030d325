//! What is asked of a node and what it answers about objects.

use replicant_protocol::ids::{Dot, ObjectId, TopicName, TypeName};

use super::{NodeError, VersionToken};

/// Commands for one object, carried out together and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The object's topic.
    pub topic: TopicName,
    /// The object; made if it does not exist.
    pub id: ObjectId,
    /// The object's type. None: the only existing object of this id.
    pub type_name: Option<TypeName>,
    /// The commands, each in CBOR; at least one.
    pub commands: Vec<Vec<u8>>,
}

/// Limits that a module is registered with; what is left out has its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadLimits {
    /// Fuel of one call, before what its items and bytes add.
    pub fuel_per_call: Option<u64>,
    /// Memory of one instance, in bytes.
    pub memory_bytes: Option<u64>,
    /// Output of one call, in bytes.
    pub output_bytes: Option<u64>,
}

impl LoadLimits {
    /// The least fuel of a call: as much as each command adds. With less, reading an empty object
    /// fails.
    pub const FUEL_PER_CALL_MIN: u64 = 100_000;
    /// The least memory: one page of WebAssembly.
    pub const MEMORY_BYTES_MIN: u64 = 64 << 10;
    /// The least output: a value or saved bytes of one small object.
    pub const OUTPUT_BYTES_MIN: u64 = 4 << 10;
    /// The most fuel of a call: seconds in which nothing else of a shard goes on.
    pub const FUEL_PER_CALL_MAX: u64 = 10_000_000_000;
    /// The most memory that a node has room for in one instance: 1 GiB.
    pub const MEMORY_BYTES_MAX: u64 = 1 << 30;
    /// The most output: as much as a call takes as input.
    pub const OUTPUT_BYTES_MAX: u64 = 64 << 20;

    /// Checks that a type could work under them at all, and that nodes grant them. They are
    /// registered for ever.
    ///
    /// # Errors
    /// [`NodeError::LimitTooSmall`] and [`NodeError::LimitTooLarge`] name the limit and what it may
    /// be.
    pub fn check(&self) -> Result<(), NodeError> {
        for (limit, given, least, most) in [
            (
                "fuel_per_call",
                self.fuel_per_call,
                Self::FUEL_PER_CALL_MIN,
                Self::FUEL_PER_CALL_MAX,
            ),
            (
                "memory_bytes",
                self.memory_bytes,
                Self::MEMORY_BYTES_MIN,
                Self::MEMORY_BYTES_MAX,
            ),
            (
                "output_bytes",
                self.output_bytes,
                Self::OUTPUT_BYTES_MIN,
                Self::OUTPUT_BYTES_MAX,
            ),
        ] {
            if let Some(value) = given.filter(|value| *value > most) {
                return Err(NodeError::LimitTooLarge { limit, value, most });
            }
            if let Some(value) = given.filter(|value| *value < least) {
                return Err(NodeError::LimitTooSmall {
                    limit,
                    value,
                    least,
                });
            }
        }
        Ok(())
    }
}

/// Which version a type is to run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switching {
    /// The type.
    pub name: TypeName,
    /// The version. None: up to the highest that is loaded, or down to the one that ran before.
    pub version: Option<String>,
    /// Which way; a version that lies the other way is refused.
    pub direction: Direction,
    /// Also if there may be ops that the version does not read: their objects wait then.
    pub force: bool,
}

/// To a higher version or to a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a higher version.
    Upgrade,
    /// To a lower version.
    Rollback,
}

/// What became of an [`Update`]. Everything in it is durable on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// A version of the topic that contains the update: for reads with `after`.
    pub version: VersionToken,
    /// What became of each command.
    pub outcomes: Vec<Outcome>,
}

/// What became of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It made the op with this dot.
    Applied(Dot),
    /// It was accepted and there was nothing to change.
    Unchanged,
    /// It was refused and changed nothing; the message is the type's own.
    Refused(String),
    /// The type's code failed on it, or was not tried any more; nothing changed. The message names
    /// module, export and limit.
    Failed(String),
}

/// An object's value at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRead {
    /// The object's topic.
    pub topic: TopicName,
    /// The object.
    pub id: ObjectId,
    /// The object's type.
    pub type_name: TypeName,
    /// The whole value, in CBOR.
    pub value: Vec<u8>,
    /// The version of the topic that was read.
    pub version: VersionToken,
    /// Ops of the object without effect, since its type says it cannot read them.
    pub ops_unread: u64,
}

/// The answer to a query at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryAnswer {
    /// The object's type.
    pub type_name: TypeName,
    /// The answer, in CBOR.
    pub answer: Vec<u8>,
    /// The version of the topic that was asked.
    pub version: VersionToken,
}

/// Some of a topic's objects, ordered by type and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects, as (type, id).
    pub objects: Vec<(TypeName, ObjectId)>,
    /// Hand this in to get the objects after these; none when there are no more.
    pub next: Option<String>,
}

/// A topic that this node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// The topic.
    pub name: TopicName,
    /// How many ops were delivered.
    pub ops: u64,
    /// How many objects there are.
    pub objects: u64,
}

/// A topic's contents in one hash: equal on two nodes if and only if every object's state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestInfo {
    /// The version that was hashed.
    pub version: VersionToken,
    /// How many ops were delivered.
    pub ops: u64,
    /// How many objects there are.
    pub objects: u64,
    /// Bytes of all saved states together.
    pub bytes: u64,
    /// BLAKE3 over every object's key and the hash of its saved bytes, in the order of keys; in
    /// hexadecimal. An object that cannot be shown here counts with its key and a mark.
    pub digest: String,
    /// How many objects could not be shown here (no module, or faulted).
    pub unavailable: u64,
}
