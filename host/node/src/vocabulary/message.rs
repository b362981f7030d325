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

/// Which way something travels that is said in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Along the tree of the topic's audience: one copy for each node.
    Tree,
    /// To many nodes at once: many copies, and a handful of steps.
    Rapid,
}

/// What became of something that was said in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The number of nodes that listen to the topic as far as this node knows, itself included.
    /// None with partial views: nobody knows.
    pub audience: Option<usize>,
}

/// Who has something that was said in a topic, as far as was heard.
///
/// It is hearsay: whoever passes an acknowledgement on could make it up, or keep it. What must be
/// certain of a node is for that node to sign and say itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgements {
    /// The number of nodes that listened to the topic when it was said, as far as this node knew,
    /// itself included. None with partial views: nobody knows.
    pub audience: Option<usize>,
    /// How many of them have it.
    pub count: usize,
    /// Whether that is what was wanted.
    pub is_enough: bool,
    /// Those of which nothing was heard, in the order of ids. Empty where so many were wanted and
    /// have it, since the others are not waited for; with partial views always.
    pub missing: Vec<NodeId>,
}

/// A path that members subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The path.
    pub topic: TopicName,
    /// How many members subscribe to it. None with partial views: nobody knows.
    pub subscribers: Option<usize>,
    /// Whether this node does.
    pub own: bool,
}
