//! From ops to bodies: how many fit into one.

use std::collections::BTreeMap;

use super::{BodyObject, BodyOp, BundleError, limits};
use crate::ids::ObjectKey;

/// An op that this node made and that is not in a bundle yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOp {
    /// The object that it touches.
    pub object: ObjectKey,
    /// The version of the type's op encoding in which it is written. One for each object: the
    /// first op of an object in a bundle decides.
    pub schema: u32,
    /// The op as its type encoded it.
    pub bytes: Vec<u8>,
}

/// Objects and ops of one body.
pub(crate) struct Part {
    pub(crate) objects: Vec<BodyObject>,
    pub(crate) ops: Vec<BodyOp>,
}

/// Bytes that a body needs besides dependencies, objects and ops, at most: 14 for the headers of
/// arrays, 1 format, 259 topic, 34 lineage, 34 author, 9 generation, 9 first, 10 + 34 reference,
/// 34 previous, 9 hlc.
const FIXED_BYTES: usize = 512;
/// Bytes of one dependency, at most: array header, two numbers, hash.
const DEPENDENCY_BYTES: usize = 1 + 9 + 9 + 34;
/// Bytes of an object besides its names, at most: array header, two text headers, schema.
const OBJECT_BYTES: usize = 1 + 2 + 3 + 5;
/// Bytes of an op besides its own, at most: array header, index, header of the byte string.
const OP_BYTES: usize = 1 + 5 + 5;

/// Distributes ops over as few bodies as the limits allow, in order. Where one object's ops change
/// their schema, a new body begins. The first body has `dependencies_count` dependencies, the
/// others have none.
///
/// # Errors
/// [`BundleError::TooLarge`] if a single op is too large, [`BundleError::Empty`] if there is none.
pub(crate) fn split(
    ops: Vec<LocalOp>,
    dependencies_count: usize,
) -> Result<Vec<Part>, BundleError> {
    if ops.is_empty() {
        return Err(BundleError::Empty);
    }
    let sizes = ops.iter().map(|op| op.bytes.len());
    if let Some(size) = sizes.max().filter(|size| *size > limits::OP_BYTES_MAX) {
        let max = limits::OP_BYTES_MAX;
        return Err(BundleError::TooLarge {
            what: "an op",
            size,
            max,
        });
    }
    let first_bytes = FIXED_BYTES + DEPENDENCY_BYTES * dependencies_count;
    let mut parts = Vec::new();
    let mut filling = Filling::new(first_bytes);
    for op in ops {
        if !filling.takes(&op) {
            parts.push(std::mem::replace(&mut filling, Filling::new(FIXED_BYTES)).part);
        }
        filling.push(op);
    }
    parts.push(filling.part);
    Ok(parts)
}

struct Filling {
    part: Part,
    bytes: usize,
    indexes: BTreeMap<ObjectKey, u32>,
}

impl Filling {
    fn new(bytes: usize) -> Self {
        let part = Part {
            objects: Vec::new(),
            ops: Vec::new(),
        };
        Self {
            part,
            bytes,
            indexes: BTreeMap::new(),
        }
    }

    fn takes(&self, op: &LocalOp) -> bool {
        let known = self.indexes.get(&op.object);
        let object = known.and_then(|index| self.part.objects.get(*index as usize));
        if object.is_some_and(|object| object.schema != op.schema) {
            return false;
        }
        let object_bytes = if known.is_some() {
            0
        } else {
            object_bytes(&op.object)
        };
        let bytes = self.bytes + OP_BYTES + op.bytes.len() + object_bytes;
        self.part.ops.len() < limits::OPS_MAX && bytes <= limits::BODY_BYTES_MAX
    }

    fn push(&mut self, op: LocalOp) {
        self.bytes += OP_BYTES + op.bytes.len();
        let object_index = match self.indexes.get(&op.object) {
            Some(index) => *index,
            None => self.add_object(op.object, op.schema),
        };
        self.part.ops.push(BodyOp {
            object_index,
            bytes: op.bytes,
        });
    }

    fn add_object(&mut self, key: ObjectKey, schema: u32) -> u32 {
        self.bytes += object_bytes(&key);
        let index = self.part.objects.len() as u32;
        let ObjectKey { type_name, id } = key.clone();
        self.part.objects.push(BodyObject {
            type_name,
            id,
            schema,
        });
        self.indexes.insert(key, index);
        index
    }
}

fn object_bytes(key: &ObjectKey) -> usize {
    OBJECT_BYTES + key.type_name.as_str().len() + key.id.as_str().len()
}
