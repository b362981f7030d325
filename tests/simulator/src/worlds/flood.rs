//! A node that floods: [`Flood`] between fixed neighbours.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::broadcast::{Broadcast as _, Config, Flood, Message, OutEvent};
use replicant_protocol::ids::Hash;

use super::{Disk, Subject, Views, random_graph};
use crate::checkers::Heard;
use crate::{Context, Engine, Index, Process, index_of, node_id};

/// Neighbours that a node of a scenario file draws: 2 + 2 · this many on average.
const CHORDS: u32 = 2;

/// A node that passes every payload on to all its neighbours. They are a list that never changes:
/// a session that broke is opened again at once.
#[derive(Debug)]
pub struct FloodNode {
    flood: Flood,
    neighbours: BTreeSet<Index>,
    /// What it delivered.
    pub heard: Heard,
    /// Copies that it was sent and did not need.
    pub duplicate_count: u64,
}

impl FloodNode {
    /// A node with these neighbours.
    pub fn new(now: Duration, neighbours: BTreeSet<Index>) -> Self {
        let mut flood = Flood::new(Config::default());
        for peer in &neighbours {
            flood.handle_neighbour_up(now, node_id(*peer));
        }
        Self {
            flood,
            neighbours,
            heard: Heard::default(),
            duplicate_count: 0,
        }
    }

    fn drain(&mut self, context: &mut Context<'_, Message>) {
        while let Some(event) = self.flood.poll_event() {
            match event {
                OutEvent::Send { to, message } => {
                    for peer in to {
                        context.send(index_of(&peer), message.clone());
                    }
                }
                OutEvent::Deliver(delivery) => {
                    let hops = u32::from(delivery.hops);
                    self.heard.add(delivery.id, context.true_now, hops);
                    self.flood.handle_accepted(context.now, delivery);
                }
            }
        }
        self.duplicate_count = self.flood.counts().duplicate_count;
    }
}

impl Process for FloodNode {
    type Message = Message;
    /// A payload to say to everyone.
    type Input = Arc<[u8]>;

    fn bytes_of(message: &Message) -> usize {
        message.payload.len() + 4
    }

    fn on_message(
        &mut self,
        from: Index,
        message: Message,
        context: &mut Context<'_, Self::Message>,
    ) {
        // Simulated peers are honest, and what they send is well-formed.
        let _ = self.flood.on_message(context.now, node_id(from), message);
        self.drain(context);
    }

    fn on_broken(&mut self, _: Index, _: &mut Context<'_, Self::Message>) {}

    fn on_timeout(&mut self, _: &mut Context<'_, Self::Message>) {}

    fn on_input(&mut self, payload: Arc<[u8]>, context: &mut Context<'_, Self::Message>) {
        self.heard.add(Hash::of(&payload), context.true_now, 0);
        // The scenario says payloads of a size that is taken.
        let _ = self.flood.handle_broadcast(context.now, payload);
        self.drain(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        None
    }
}

impl Subject for FloodNode {
    const VIEWS: Views = Views::Fixed;

    fn start(nodes: Index, engine: &mut Engine<Self>) {
        for neighbours in random_graph(nodes, CHORDS, &mut engine.rng) {
            engine.add(Self::new(engine.now, neighbours));
        }
    }

    fn again(node: Index, before: Self, disk: Disk, engine: &mut Engine<Self>) {
        let again = match disk {
            Disk::Kept => before,
            Disk::Lost => Self::new(engine.now, before.neighbours),
        };
        engine.restart(node, again);
    }

    fn say(payload: Arc<[u8]>) -> Option<Self::Input> {
        Some(payload)
    }

    fn heard(&self) -> Option<&Heard> {
        Some(&self.heard)
    }

    fn view(&self) -> Option<Vec<Index>> {
        Some(self.neighbours.iter().copied().collect())
    }
}
