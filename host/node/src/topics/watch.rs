//! One watch: reads what is told of a topic at its own pace, and asks for the state where it missed
//! something.

use std::sync::Arc;
use std::time::{Duration, Instant};

use replicant_protocol::ids::{ObjectId, TopicName};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::inbox::{Inbox, Refused};
use super::input::{Read, ReadRequest};
use super::watchers::{Entry, Reader, Told};
use crate::vocabulary::{
    Change, Missed, NodeError, ObjectState, VersionToken, WatchEvent, WatchToken,
};

/// How long a watch waits before it asks for the state again when the node is busy.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// A stream of changes in a topic. The node keeps a bounded number of them; a watcher that falls
/// further behind gets [`WatchEvent::Missed`] in place of what it missed. Dropping it ends the
/// watch.
#[derive(Debug)]
pub struct Watch {
    topic: TopicName,
    id: Option<ObjectId>,
    reader: Reader,
    /// Where the next event stands; none if that is gone, and the state comes next.
    position: Option<u64>,
    inbox: Arc<Inbox>,
    /// One of a bounded number; given back when the watch ends.
    _permit: OwnedSemaphorePermit,
}

/// What there is to do next.
enum Step {
    Tell(WatchEvent),
    ReadState,
    Wait,
}

impl Watch {
    pub(super) fn new(
        (topic, id): (TopicName, Option<ObjectId>),
        (reader, position): (Reader, Option<u64>),
        inbox: Arc<Inbox>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            topic,
            id,
            reader,
            position,
            inbox,
            _permit: permit,
        }
    }

    /// From where to go on if this watch ended now. None if it knows only after the next event.
    pub fn token(&self) -> Option<WatchToken> {
        let position = self.position?;
        Some(self.reader.ring().token(position))
    }

    /// Waits for the next event; none once the node has shut down. May be dropped while it waits
    /// without losing a change.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            match self.step() {
                Step::Tell(event) => return Some(event),
                Step::ReadState => {
                    let missed = self.read_state().await?;
                    self.position = Some(missed.token.position);
                    return Some(WatchEvent::Missed(missed));
                }
                Step::Wait if self.reader.grown().await => {}
                Step::Wait => return None,
            }
        }
    }

    /// Reads on up to the next event that concerns this watch.
    fn step(&mut self) -> Step {
        while let Some(position) = self.position {
            let (entry, token) = {
                let ring = self.reader.ring();
                (ring.at(position), ring.token(position + 1))
            };
            match entry {
                Entry::NotYet => return Step::Wait,
                Entry::Gone => self.position = None,
                Entry::Told(told) => {
                    self.position = match *told {
                        Told::Unknown => None,
                        Told::Change { .. } | Told::State { .. } => Some(position + 1),
                    };
                    if let Some(event) = self.event(&told, token) {
                        return Step::Tell(event);
                    }
                }
            }
        }
        Step::ReadState
    }

    /// What was told, if it concerns this watch.
    fn event(&self, told: &Told, token: WatchToken) -> Option<WatchEvent> {
        let (Told::Change { key, version, .. } | Told::State { key, version, .. }) = told else {
            return None;
        };
        if self.id.as_ref().is_some_and(|id| *id != key.id) {
            return None;
        }
        let (id, type_name) = (key.id.clone(), key.type_name.clone());
        let (topic, version) = (self.topic.clone(), version.clone());
        Some(match told {
            Told::State { value, .. } => WatchEvent::Missed(Missed {
                topic,
                version,
                token,
                whole: false,
                complete: true,
                objects: vec![ObjectState {
                    id,
                    type_name,
                    value: value.clone(),
                }],
            }),
            Told::Change { events, .. } => WatchEvent::Change(Change {
                topic,
                id,
                type_name,
                version,
                token,
                events: events.clone(),
            }),
            Told::Unknown => return None,
        })
    }

    /// Asks for the state; none if the node ends.
    async fn read_state(&self) -> Option<Missed> {
        loop {
            let (reply, answer) = oneshot::channel();
            let request = ReadRequest {
                topic: self.topic.clone(),
                after: None,
                deadline: Instant::now(),
                read: Read::State {
                    id: self.id.clone(),
                    reply,
                },
            };
            match self.inbox.push_read(request) {
                Err(Refused::Closed) => return None,
                Err(Refused::Full) => {}
                Ok(()) => match answer.await {
                    Ok(Ok(missed)) => return Some(missed),
                    Err(_) | Ok(Err(NodeError::ShuttingDown)) => return None,
                    Ok(Err(NodeError::Busy { .. })) => {}
                    Ok(Err(error)) => return Some(self.unreadable(&error)),
                },
            }
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    /// The state cannot be read: whoever watches is told that much.
    fn unreadable(&self, error: &NodeError) -> Missed {
        tracing::warn!(topic = %self.topic, %error, "the state cannot be told to a watcher");
        Missed {
            topic: self.topic.clone(),
            version: VersionToken::default(),
            token: self.reader.ring().end(),
            whole: true,
            complete: false,
            objects: Vec::new(),
        }
    }
}
