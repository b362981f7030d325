//! A node of rapid broadcast, with a full view.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::broadcast::acknowledgement::{Acknowledged, Ask};
use replicant_protocol::broadcast::rapid::{Config, Counts, Message, OutEvent, Rapid};
use replicant_protocol::ids::{Hash, NodeId};

use crate::checkers::Heard;
use crate::{Context, Index, Process, index_of, node_id};

/// Something to say to everyone.
#[derive(Debug, Clone)]
pub struct Say {
    /// What.
    pub payload: Arc<[u8]>,
    /// Whether acknowledgements are wanted.
    pub ask: Option<Ask>,
}

/// What a node received, in messages and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Payloads, or chunks of them.
    pub bodies_count: u64,
    /// Acknowledgements.
    pub acknowledgements_count: u64,
    /// Their bytes.
    pub acknowledgements_bytes: u64,
    /// All bytes.
    pub bytes: u64,
}

impl Received {
    /// What came after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            bodies_count: self.bodies_count - earlier.bodies_count,
            acknowledgements_count: self.acknowledgements_count - earlier.acknowledgements_count,
            acknowledgements_bytes: self.acknowledgements_bytes - earlier.acknowledgements_bytes,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

/// A node of rapid broadcast.
#[derive(Debug)]
pub struct RapidNode {
    rapid: Rapid,
    /// What it delivered.
    pub heard: Heard,
    /// What it received.
    pub received: Received,
    /// When the number of acknowledgements of its messages last grew, and what it was then.
    pub homes: BTreeMap<Hash, (Duration, u32)>,
    /// What came back of its messages.
    pub outcomes: Vec<Acknowledged>,
}

impl RapidNode {
    /// A node that knows these nodes, itself included.
    pub fn new(own: Index, config: Config, view: Arc<[NodeId]>) -> Self {
        let mut rapid = Rapid::new(node_id(own), config);
        rapid.handle_view((), view);
        Self {
            rapid,
            heard: Heard::default(),
            received: Received::default(),
            homes: BTreeMap::new(),
            outcomes: Vec::new(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.rapid.counts()
    }

    fn drain(&mut self, context: &mut Context<'_, Message>) {
        while let Some(event) = self.rapid.poll_event() {
            match event {
                OutEvent::Send { to, message, .. } => {
                    for peer in to {
                        context.send(index_of(&peer), message.clone());
                    }
                }
                OutEvent::Deliver((), delivery) => {
                    let hops = u32::from(delivery.hops);
                    self.heard.add(delivery.id, context.true_now, hops);
                    self.rapid
                        .handle_accepted(context.now, &(), delivery, context.rng);
                }
                OutEvent::Acknowledged(outcome) => self.outcomes.push(outcome),
            }
        }
        for (id, home) in &mut self.homes {
            if let Some(count) = self
                .rapid
                .acknowledged_count(id)
                .filter(|count| *count > home.1)
            {
                *home = (context.true_now, count);
            }
        }
    }
}

impl Process for RapidNode {
    type Message = Message;
    type Input = Say;

    fn bytes_of(message: &Message) -> usize {
        // As encoded, without the effort: payload and names, and what surrounds them.
        match message {
            Message::Push { way, payload, .. } => payload.len() + 6 + way.map_or(0, |_| 26),
            Message::Announce { way, .. } => 46 + way.map_or(0, |_| 26),
            Message::Request { .. } => 38,
            Message::Chunk { bytes, .. } => bytes.len() + 42,
            Message::Acknowledge { names, .. } => 41 + 8 * names.len(),
        }
    }

    fn on_message(&mut self, from: Index, message: Message, context: &mut Context<'_, Message>) {
        let bytes = Self::bytes_of(&message) as u64;
        self.received.bytes += bytes;
        match message {
            Message::Push { .. } | Message::Chunk { .. } => self.received.bodies_count += 1,
            Message::Acknowledge { .. } => {
                self.received.acknowledgements_count += 1;
                self.received.acknowledgements_bytes += bytes;
            }
            Message::Announce { .. } | Message::Request { .. } => {}
        }
        // Simulated peers are honest, and what they send is well-formed.
        let _ = self
            .rapid
            .on_message(context.now, node_id(from), &(), message, context.rng);
        self.drain(context);
    }

    /// Who is gone stays unknown: membership may take longer than a broadcast.
    fn on_broken(&mut self, _: Index, _: &mut Context<'_, Message>) {}

    fn on_timeout(&mut self, context: &mut Context<'_, Message>) {
        self.rapid.handle_timeout(context.now, context.rng);
        self.drain(context);
    }

    fn on_input(&mut self, say: Say, context: &mut Context<'_, Message>) {
        let id = Hash::of(&say.payload);
        self.heard.add(id, context.true_now, 0);
        // The scenario says payloads of a size that is taken, each once.
        let _ = match say.ask {
            None => self
                .rapid
                .handle_broadcast(context.now, &(), say.payload, context.rng)
                .is_ok(),
            Some(ask) => {
                self.homes.insert(id, (context.now, 0));
                let said = self.rapid.handle_broadcast_asking(
                    context.now,
                    &(),
                    say.payload,
                    ask,
                    context.rng,
                );
                said.is_ok()
            }
        };
        self.drain(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.rapid.next_timeout()
    }
}
