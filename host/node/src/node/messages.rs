//! What programs say to each other by way of this node.

use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::topics::PUBLISHED_BYTES_MAX;

use super::Node;
use crate::messages::{Listener, Scope};
use crate::vocabulary::{NodeError, Published, Subscription};

impl Node {
    /// Says something in a topic, to all nodes where somebody listens to it or to a path above it.
    /// It is handed to the network and not stored: who is away does not hear it later. At most
    /// [`PUBLISHED_BYTES_MAX`] bytes; listeners at the API expect CBOR.
    ///
    /// # Errors
    /// [`NodeError::Topics`], [`NodeError::TooLarge`], [`NodeError::Busy`],
    /// [`NodeError::ShuttingDown`].
    pub async fn publish(
        &self,
        topic: TopicName,
        payload: Vec<u8>,
    ) -> Result<Published, NodeError> {
        check_size(&payload)?;
        let network = self.running()?.network.clone();
        network.publish(topic, payload).await
    }

    /// Says something to one node. It is handed to the session with it, and lost if that breaks.
    ///
    /// # Errors
    /// [`NodeError::NodeUnreachable`], [`NodeError::TooLarge`], [`NodeError::ShuttingDown`].
    pub async fn send(&self, to: NodeId, payload: Vec<u8>) -> Result<(), NodeError> {
        check_size(&payload)?;
        let running = self.running()?;
        match running.network.say_to(to, payload) {
            true => Ok(()),
            false => Err(NodeError::NodeUnreachable { node: to }),
        }
    }

    /// Listens to a topic and all below it, or to what is said to this node. As long as somebody
    /// listens to a topic the node subscribes to it; the other nodes hear of that within a moment.
    ///
    /// # Errors
    /// [`NodeError::Topics`], [`NodeError::Busy`], [`NodeError::ShuttingDown`].
    pub fn listen(&self, scope: Scope) -> Result<Listener, NodeError> {
        self.running()?.listeners.listen(scope)
    }

    /// Lists the paths that members subscribe to, by name.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        let running = self.running();
        running.map_or_else(
            |_| Vec::new(),
            |running| running.network.subscriptions().to_vec(),
        )
    }
}

fn check_size(payload: &[u8]) -> Result<(), NodeError> {
    if payload.len() <= PUBLISHED_BYTES_MAX {
        return Ok(());
    }
    Err(NodeError::TooLarge {
        what: "a message in bytes",
        size: payload.len() as u64,
        max: PUBLISHED_BYTES_MAX as u64,
    })
}
