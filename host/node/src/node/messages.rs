//! What programs say to each other by way of this node.

use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::membership::StrategyKind;
use replicant_protocol::topics::PUBLISHED_BYTES_MAX;

use super::Node;
use crate::messages::{Ask, Listener, Scope};
use crate::network::NetworkHandle;
use crate::vocabulary::{Acknowledgements, NodeError, Published, Strategy, Subscription};

impl Node {
    /// Says something in a topic, to all nodes where somebody listens to it or to a path above it.
    /// It is handed to the network and not stored: who is away does not hear it later. At most
    /// [`PUBLISHED_BYTES_MAX`] bytes; listeners at the API expect CBOR. Rapidly it is heard after
    /// a handful of steps, and most nodes get it, or hear of it, about as many times as the fan-out
    /// is large: for what is rare and urgent.
    ///
    /// # Errors
    /// [`NodeError::Topics`], [`NodeError::TooLarge`], [`NodeError::Revoked`],
    /// [`NodeError::Busy`], [`NodeError::ShuttingDown`].
    pub async fn publish(
        &self,
        topic: TopicName,
        payload: Vec<u8>,
        strategy: Strategy,
    ) -> Result<Published, NodeError> {
        let network = self.network_for(&payload)?;
        network.publish(topic, payload, strategy).await
    }

    /// Says something in a topic, as [`publish`](Self::publish), and waits until those who listen
    /// have it: until as many as are wanted have it, nobody is left to wait for, or the deadline
    /// (at most [`DEADLINE_MAX`](crate::messages::DEADLINE_MAX)) has come. A node has a message
    /// once it waits there for its listeners. This node counts too, if it listens. Where so many
    /// are wanted and have it, nobody is missing: the others are not waited for.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and [`NodeError::Asked`]; with partial views
    /// [`NodeError::NeedsFullView`] if all are wanted, since nobody knows who listens.
    pub async fn publish_acknowledged(
        &self,
        topic: TopicName,
        payload: Vec<u8>,
        strategy: Strategy,
        ask: Ask,
    ) -> Result<Acknowledgements, NodeError> {
        let network = self.network_for(&payload)?;
        let said = network.publish_acknowledged(topic, payload, strategy, ask);
        said.await
    }

    /// Says something to one node. It is handed to the session with it, and lost if that breaks, or
    /// if no program listens there at that moment; nothing comes back.
    ///
    /// # Errors
    /// [`NodeError::NodeUnreachable`]; with partial views [`NodeError::NotNeighbour`], since a node
    /// speaks to its neighbours only; [`NodeError::TooLarge`], [`NodeError::Revoked`],
    /// [`NodeError::ShuttingDown`].
    pub async fn send(&self, to: NodeId, payload: Vec<u8>) -> Result<(), NodeError> {
        check_size(&payload)?;
        let running = self.running_to_write()?;
        match running.network.say_to(to, payload) {
            true => Ok(()),
            false
                if running.network.strategy() == StrategyKind::HyParView
                    && !running.network.is_neighbour(&to) =>
            {
                Err(NodeError::NotNeighbour { node: to })
            }
            false => Err(NodeError::NodeUnreachable { node: to }),
        }
    }

    /// The network, to say something of this size.
    fn network_for(&self, payload: &[u8]) -> Result<NetworkHandle, NodeError> {
        check_size(payload)?;
        Ok(self.running_to_write()?.network.clone())
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
        what: "the size of the message as CBOR, in bytes,",
        size: payload.len() as u64,
        max: PUBLISHED_BYTES_MAX as u64,
    })
}
