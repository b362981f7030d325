//! What programs say to each other by way of the nodes.

use std::sync::Arc;

use replicant_protocol::ids::{NodeId, TopicName};

/// Something that a node said, as another one hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The topic that it was said in; none if it was said to this node alone.
    pub topic: Option<TopicName>,
    /// The node that said it.
    pub author: NodeId,
    /// What was said; opaque to the nodes. The API takes and gives CBOR.
    pub payload: Arc<[u8]>,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenEvent {
    /// Something was said.
    Heard(Heard),
    /// So many messages came faster than the listener read, and are gone. Those that follow are
    /// later ones.
    Missed(u64),
}

/// What became of something that was said in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The number of nodes that listen to the topic as far as this node knows, itself included.
    pub audience: usize,
}

/// A path that members subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The path.
    pub topic: TopicName,
    /// How many members subscribe to it.
    pub subscribers: usize,
    /// Whether this node does.
    pub own: bool,
}
