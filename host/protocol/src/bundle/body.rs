//! What an author signs.

use std::collections::BTreeSet;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::{BundleError, limits};
use crate::bounded;
use crate::clock::Hlc;
use crate::identity::replica_id;
use crate::ids::{
    Counter, Generation, Hash, LineageId, NodeId, ObjectId, ObjectKey, ReplicaId, SnapshotRef,
    TopicName, TypeName,
};

/// The format of a body: 1, the only one so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Format;

impl Format {
    pub(super) const NUMBER: u8 = 1;
}

impl<C> Encode<C> for Format {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(Self::NUMBER)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Format {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.u8()? {
            Self::NUMBER => Ok(Self),
            _ => Err(minicbor::decode::Error::message("an unknown format")),
        }
    }
}

/// What an author signs: ops, and where they belong.
///
/// Rules beyond the types, checked by [`SignedBundle::sign`](super::SignedBundle::sign) and
/// [`decode`](super::SignedBundle::decode):
/// - at least one op; no counter is 0 or beyond `u64`;
/// - `previous` is zero exactly if `first` is 1;
/// - `dependencies` ascend strictly by replica, have no counter 0, and do not name the author's
///   own replica, of which `previous` speaks;
/// - `objects` have no duplicates and stand in the order in which the ops first touch them, each
///   touched at least once;
/// - everything is within [`limits`](super::limits).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Body {
    /// Says how the rest is to be read.
    #[n(0)]
    pub format: Format,
    /// The topic.
    #[n(1)]
    pub topic: TopicName,
    /// Which history of the topic.
    #[n(2)]
    pub lineage: LineageId,
    /// Who made and signed the ops.
    #[n(3)]
    pub author: NodeId,
    /// The author's generation; with the author it determines the replica id.
    #[n(4)]
    pub generation: Generation,
    /// The counter of the first op; further ops have the next ones.
    #[n(5)]
    pub first: Counter,
    /// The newest snapshot that the author had adopted.
    #[n(6)]
    pub reference: SnapshotRef,
    /// Where the chain of every other replica stood that the author had heard more of since its
    /// previous bundle.
    #[n(7)]
    #[cbor(decode_with = "bounded::vec::<_, _, { limits::DEPENDENCIES_MAX }>")]
    pub dependencies: Vec<Dependency>,
    /// Hash of the author's previous bundle in this topic; zero for its first.
    #[n(8)]
    pub previous: Hash,
    /// The timestamp of all ops: larger than that of every dependency, not smaller than that of
    /// the previous bundle.
    #[n(9)]
    pub hlc: Hlc,
    /// The objects that the ops touch.
    #[n(10)]
    #[cbor(decode_with = "bounded::vec::<_, _, { limits::OBJECTS_MAX }>")]
    pub objects: Vec<BodyObject>,
    /// The ops, in the order in which they were made.
    #[n(11)]
    #[cbor(decode_with = "bounded::vec::<_, _, { limits::OPS_MAX }>")]
    pub ops: Vec<BodyOp>,
}

/// One thing that happened before a bundle: another replica's chain up to a bundle's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Dependency {
    /// The other replica.
    #[n(0)]
    pub replica: ReplicaId,
    /// The counter of the last op of the bundle.
    #[n(1)]
    pub counter: Counter,
    /// The hash of the bundle.
    #[n(2)]
    pub hash: Hash,
}

/// An object that the ops of a bundle touch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BodyObject {
    /// The type.
    #[n(0)]
    pub type_name: TypeName,
    /// The name within topic and type.
    #[n(1)]
    pub id: ObjectId,
    /// The version of the type's op encoding in which the ops are written.
    #[n(2)]
    pub schema: u32,
}

impl BodyObject {
    /// What the object is called.
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            type_name: self.type_name.clone(),
            id: self.id.clone(),
        }
    }
}

/// One op.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BodyOp {
    /// Which of the bundle's objects it touches.
    #[n(0)]
    pub object_index: u32,
    /// The op as its type encoded it.
    #[n(1)]
    #[cbor(
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded::bytes::<_, { limits::OP_BYTES_MAX }>"
    )]
    pub bytes: Vec<u8>,
}

impl Body {
    /// The replica that makes the ops.
    pub fn replica(&self) -> ReplicaId {
        replica_id(&self.author, self.generation)
    }

    /// The counter of the last op.
    pub fn last(&self) -> Counter {
        let after_first = self.ops.len().saturating_sub(1) as u64;
        // Checked when the body was made: it does not overflow.
        self.first
            .checked_add(after_first)
            .unwrap_or(Counter::new(u64::MAX))
    }

    /// Every op with its counter and the object that it touches, in order.
    pub fn ops(&self) -> impl Iterator<Item = (Counter, &BodyObject, &[u8])> {
        let first = self.first.get();
        self.ops
            .iter()
            .zip(first..=u64::MAX)
            .filter_map(|(op, counter)| {
                let object = self.objects.get(op.object_index as usize)?;
                Some((Counter::new(counter), object, op.bytes.as_slice()))
            })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let ops_bytes: usize = self.ops.iter().map(|op| op.bytes.len() + 10).sum();
        let mut encoder = Encoder::new(Vec::with_capacity(ops_bytes + 512));
        // Writing to a vector cannot fail.
        let _ = encoder.encode(self);
        encoder.into_writer()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        check_size(bytes.len())?;
        check_format(bytes)?;
        let mut decoder = Decoder::new(bytes);
        let body: Self = decoder.decode()?;
        body.check()?;
        if body.encode() != bytes {
            return Err(BundleError::NotCanonical);
        }
        Ok(body)
    }

    /// Checks every rule that concerns this body alone, except its encoded size.
    pub(super) fn check(&self) -> Result<(), BundleError> {
        check_count("ops", self.ops.len(), limits::OPS_MAX)?;
        check_count("objects", self.objects.len(), limits::OBJECTS_MAX)?;
        check_count(
            "dependencies",
            self.dependencies.len(),
            limits::DEPENDENCIES_MAX,
        )?;
        if self.ops.is_empty() {
            return Err(BundleError::Empty);
        }
        let after_first = self.ops.len() as u64 - 1;
        if self.first == Counter::ZERO || self.first.checked_add(after_first).is_none() {
            return Err(BundleError::Counter { first: self.first });
        }
        if (self.first.get() == 1) != (self.previous == Hash::ZERO) {
            return Err(BundleError::Previous);
        }
        self.check_dependencies()?;
        self.check_objects()
    }

    fn check_dependencies(&self) -> Result<(), BundleError> {
        let own = self.replica();
        let ascending = self.dependencies.is_sorted_by(|a, b| a.replica < b.replica);
        let each_valid = self
            .dependencies
            .iter()
            .all(|d| d.counter != Counter::ZERO && d.replica != own);
        if ascending && each_valid {
            Ok(())
        } else {
            Err(BundleError::Dependencies)
        }
    }

    fn check_objects(&self) -> Result<(), BundleError> {
        let mut touched_count = 0;
        for op in &self.ops {
            let size = op.bytes.len();
            if size > limits::OP_BYTES_MAX {
                let max = limits::OP_BYTES_MAX;
                return Err(BundleError::TooLarge {
                    what: "an op",
                    size,
                    max,
                });
            }
            if op.object_index as usize > touched_count {
                return Err(BundleError::Objects);
            }
            touched_count = touched_count.max(op.object_index as usize + 1);
        }
        let keys: BTreeSet<_> = self.objects.iter().map(|o| (&o.type_name, &o.id)).collect();
        if touched_count != self.objects.len() || keys.len() != self.objects.len() {
            return Err(BundleError::Objects);
        }
        Ok(())
    }
}

pub(super) fn check_size(size: usize) -> Result<(), BundleError> {
    if size > limits::BODY_BYTES_MAX {
        let max = limits::BODY_BYTES_MAX;
        return Err(BundleError::TooLarge {
            what: "a bundle's body",
            size,
            max,
        });
    }
    Ok(())
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), BundleError> {
    if count > max {
        Err(BundleError::TooMany { what, count, max })
    } else {
        Ok(())
    }
}

/// Looks at the format first, so that a later one is named as such and not as damaged.
fn check_format(bytes: &[u8]) -> Result<(), BundleError> {
    let mut decoder = Decoder::new(bytes);
    decoder.array()?;
    let found = decoder.u8()?;
    if found != Format::NUMBER {
        return Err(BundleError::Format { found });
    }
    Ok(())
}
