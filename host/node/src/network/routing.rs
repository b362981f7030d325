//! From the bytes of a message to whom it is for.

use std::sync::Arc;

use replicant_protocol::membership::StrategyMessage;
use replicant_protocol::wire::{self, WireError};

use tokio::sync::oneshot;

use super::budget::Held;
use super::driver::{ControlInput, DataInput};
use super::events::TopicMessage;
use super::sessions::Link;
use super::shared::Shared;
use super::statistics::Count;

/// Hands a peer's message to the node or to the driver. Waits while the driver's queue is full, or
/// holds as many messages of this peer as it may. Says how many bytes of failure detection it was.
///
/// # Errors
/// [`WireError`]: no correct node sends that.
pub(super) async fn deliver(
    shared: &Shared,
    link: &Arc<Link>,
    bytes: &[u8],
) -> Result<usize, WireError> {
    let (inbox, size) = (&shared.inbox, bytes.len());
    let message = wire::Message::from_bytes(bytes)?;
    let is_membership = matches!(
        message,
        wire::Message::Membership(_) | wire::Message::Views(_)
    );
    // Circles have neighbours of their own.
    let is_circle = matches!(message, wire::Message::Circle(..));
    if !is_membership && !is_circle && !link.is_heard() {
        shared.counters.add(Count::NotOfNeighbours);
        return Ok(0);
    }
    // Sending fails when the driver has ended: then nobody is interested any more.
    match message {
        wire::Message::Membership(message) => {
            deliver_to_membership(shared, link, StrategyMessage::Full(message), size).await;
            return Ok(size);
        }
        wire::Message::Views(message) => {
            deliver_to_membership(shared, link, StrategyMessage::Partial(message), size).await;
            return Ok(size);
        }
        wire::Message::Replication(message) => {
            deliver_to_node(shared, link, TopicMessage::Replication(message));
        }
        wire::Message::AntiEntropy(message) => {
            deliver_to_node(shared, link, TopicMessage::AntiEntropy(message));
        }
        message => {
            let held = Held::take(&link.data_places, &inbox.data_bytes, size).await;
            if let Some(input) = data_input(link.clone(), message, held) {
                let _ = inbox.data.send(input).await;
            }
        }
    }
    Ok(0)
}

/// What the driver takes in turn, of what may be large or many.
fn data_input(link: Arc<Link>, message: wire::Message, held: Held) -> Option<DataInput> {
    Some(match message {
        wire::Message::Broadcast(message) => DataInput::Tree(link, None, message, held),
        wire::Message::Topic(topic, message) => DataInput::Tree(link, Some(topic), message, held),
        wire::Message::Circle(path, message) => DataInput::Circle(link, path, message, held),
        wire::Message::Rapid(scope, message) => DataInput::Rapid(link, scope, message, held),
        wire::Message::Content(message) => DataInput::Content(link, message, held),
        wire::Message::Application(message) => DataInput::Application(link, message, held),
        wire::Message::Facts(message) => DataInput::Facts(link, message, held),
        wire::Message::Membership(_)
        | wire::Message::Views(_)
        | wire::Message::Replication(_)
        | wire::Message::AntiEntropy(_) => return None,
    })
}

/// Hands a message to membership. With partial views it is waited for what that does: what follows
/// may only count since the two are neighbours from there on.
async fn deliver_to_membership(
    shared: &Shared,
    link: &Arc<Link>,
    message: StrategyMessage,
    size: usize,
) {
    let inbox = &shared.inbox;
    let held = Held::take(&link.control_places, &inbox.control_bytes, size).await;
    let (taken, is_taken) = match &message {
        StrategyMessage::Full(_) => (None, None),
        StrategyMessage::Partial(_) => {
            let (taken, is_taken) = oneshot::channel();
            (Some(taken), Some(is_taken))
        }
    };
    let input = ControlInput::Membership(link.clone(), message, held, taken);
    let _ = inbox.control.send(input).await;
    if let Some(is_taken) = is_taken {
        let _ = is_taken.await;
    }
}

fn deliver_to_node(shared: &Shared, link: &Link, message: TopicMessage) {
    if !shared.events.topic_message(link.peer.node, message) {
        shared.counters.add(Count::DroppedNodeBusy);
    }
}
