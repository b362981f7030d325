//! Broadcast by flooding.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Hash, NodeId};

use super::{
    Broadcast, BroadcastError, Config, Delivery, Message, MessageError, OutEvent, PAYLOAD_BYTES_MAX,
};
use crate::seen::Seen;

/// The state of flooding: neighbours, and hashes of what was seen. See [`Broadcast`] for how to
/// operate it. It has no timers.
///
/// Invariants: no payload is delivered twice, or sent after it was delivered, while its hash is
/// remembered; a payload never goes back to whom it came from; at most 2 · `seen_max` hashes are
/// held.
#[derive(Debug)]
pub struct Flood {
    config: Config,
    neighbours: BTreeSet<NodeId>,
    seen: Seen,
    events: VecDeque<OutEvent>,
    counts: Counts,
}

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payloads seen for the first time.
    pub delivered_count: u64,
    /// Payloads that came again.
    pub duplicate_count: u64,
    /// Payloads dropped since the driver did not keep up.
    pub dropped_count: u64,
}

impl Flood {
    /// Starts with no neighbours. Values beyond a limit are taken as the limit.
    pub fn new(mut config: Config) -> Self {
        config.payload_bytes_max = config.payload_bytes_max.clamp(1, PAYLOAD_BYTES_MAX);
        config.hops_max = config.hops_max.max(1);
        config.seen_max = config.seen_max.max(1);
        config.events_max = config.events_max.max(1);
        Self {
            seen: Seen::new(config.seen_max),
            config,
            neighbours: BTreeSet::new(),
            events: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn send(&mut self, except: Option<NodeId>, hops: u8, payload: Arc<[u8]>) {
        let others = self.neighbours.iter().copied();
        let to: Vec<NodeId> = others.filter(|peer| Some(*peer) != except).collect();
        if !to.is_empty() {
            let message = Message { hops, payload };
            self.events.push_back(OutEvent::Send { to, message });
        }
    }
}

impl Broadcast for Flood {
    type Message = Message;
    type MessageError = MessageError;

    fn handle_neighbour_up(&mut self, _now: Duration, peer: NodeId) {
        self.neighbours.insert(peer);
    }

    fn handle_neighbour_down(&mut self, _now: Duration, peer: NodeId) {
        self.neighbours.remove(&peer);
    }

    fn handle_broadcast(
        &mut self,
        _now: Duration,
        payload: Arc<[u8]>,
    ) -> Result<Hash, BroadcastError> {
        let (length, max) = (payload.len(), self.config.payload_bytes_max);
        if length == 0 || length > max {
            return Err(BroadcastError::PayloadLength { length, max });
        }
        let id = Hash::of(&payload);
        if self.seen.insert(id) {
            self.send(None, 1, payload);
        }
        Ok(id)
    }

    fn on_message(
        &mut self,
        _now: Duration,
        from: NodeId,
        message: Message,
    ) -> Result<(), MessageError> {
        let (length, max) = (message.payload.len(), self.config.payload_bytes_max);
        if length == 0 || length > max {
            return Err(MessageError::PayloadLength { length, max });
        }
        let (hops, max) = (message.hops, self.config.hops_max);
        if hops == 0 || hops > max {
            return Err(MessageError::Hops { hops, max });
        }
        let id = Hash::of(&message.payload);
        if self.seen.contains(&id) {
            self.counts.duplicate_count += 1;
        } else if self.events.len() >= self.config.events_max {
            self.counts.dropped_count += 1;
        } else {
            self.seen.insert(id);
            self.counts.delivered_count += 1;
            self.events.push_back(OutEvent::Deliver(Delivery {
                id,
                from,
                hops,
                payload: message.payload,
            }));
        }
        Ok(())
    }

    fn handle_accepted(&mut self, _now: Duration, delivery: Delivery) {
        if delivery.hops < self.config.hops_max {
            self.send(Some(delivery.from), delivery.hops + 1, delivery.payload);
        }
    }

    fn handle_timeout(&mut self, _now: Duration) {}

    fn next_timeout(&self) -> Option<Duration> {
        None
    }

    fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }
}
