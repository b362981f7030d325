//! Node ids of simulated nodes: they look random, and lead back to the node's number.

use replicant_protocol::ids::{Hash, NodeId};

use super::Index;

const INDEX_BYTES: usize = size_of::<Index>();

/// The id of a node: a hash, so that their order says nothing, that ends in the number.
pub fn node_id(node: Index) -> NodeId {
    let mut bytes = *Hash::of(&node.to_be_bytes()).as_bytes();
    let start = bytes.len() - INDEX_BYTES;
    bytes[start..].copy_from_slice(&node.to_be_bytes());
    NodeId::from_bytes(bytes)
}

/// The number of the node that has this id. Means nothing for ids that [`node_id`] did not make.
pub fn index_of(id: &NodeId) -> Index {
    let bytes = id.as_bytes();
    let end = bytes.last_chunk().copied().unwrap_or_default();
    Index::from_be_bytes(end)
}
