//! Names and numbers that every layer shares: newtypes that cannot hold an invalid value.
//!
//! Every type validates where it is made, whether from text, bytes or CBOR; what has been made
//! needs no second check. Text forms ([`Display`](std::fmt::Display) and
//! [`FromStr`](std::str::FromStr)) are inverse to each other and are what people and the API see;
//! CBOR forms are what peers see, and are described in `docs/wire-format.md`.
//!
//! Not here: what a [`NodeId`] can prove (see [`identity`](crate::identity)), and versions, which
//! are maps of these (see [`version`](crate::version)).

mod dot;
mod error;
mod hash;
mod name;

pub use dot::{Counter, Dot, Generation, ReplicaId, SnapshotRef};
pub use error::IdError;
pub use hash::{ClusterId, Hash, LineageId, ModuleHash, NodeId};
pub use name::{
    FactKind, OBJECT_ID_BYTES_MAX, ObjectId, ObjectKey, TOPIC_BYTES_MAX, TOPIC_SEGMENT_BYTES_MAX,
    TOPIC_SEGMENTS_MAX, TYPE_NAME_BYTES_MAX, TopicName, TypeName,
};
