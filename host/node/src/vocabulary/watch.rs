//! Following what changes.

use replicant_protocol::ids::{ObjectId, TopicName, TypeName};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use super::VersionToken;

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// An object changed. Sent once the change is durable on this node.
    Change(Change),
    /// The watcher was too slow, or a change was too large to tell: some changes are missing here.
    /// Read the objects again to know their state.
    Overrun,
}

/// One object's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object's topic.
    pub topic: TopicName,
    /// The object.
    pub id: ObjectId,
    /// The object's type.
    pub type_name: TypeName,
    /// A version of the topic that contains the change.
    pub version: VersionToken,
    /// What changed, each in CBOR as the type's event schema says. May be empty for a type that
    /// tells no events.
    pub events: Vec<Vec<u8>>,
}

/// A stream of changes in a topic. It holds a bounded number of changes; a watcher that falls
/// behind gets [`WatchEvent::Overrun`] in place of what it missed. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    receiver: broadcast::Receiver<WatchEvent>,
    id: Option<ObjectId>,
    /// One of a bounded number; given back when the watch ends.
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    pub(crate) fn new(
        receiver: broadcast::Receiver<WatchEvent>,
        id: Option<ObjectId>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            receiver,
            id,
            _permit: permit,
        }
    }

    /// Waits for the next change; none once the node has shut down. May be dropped while it waits
    /// without losing a change.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            match self.receiver.recv().await {
                Ok(WatchEvent::Change(change)) => {
                    if self.id.as_ref().is_none_or(|id| *id == change.id) {
                        return Some(WatchEvent::Change(change));
                    }
                }
                Ok(WatchEvent::Overrun) | Err(RecvError::Lagged(_)) => {
                    return Some(WatchEvent::Overrun);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
