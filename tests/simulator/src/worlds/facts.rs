//! A node that keeps facts: [`facts`] above flooding between fixed neighbours, or without it.

use std::collections::BTreeSet;
use std::time::Duration;

use replicant_protocol::broadcast::{self, Broadcast as _, Flood};
use replicant_protocol::facts::{self, KindRule, SignedFact};
use replicant_protocol::reconciliation;

use crate::checkers::Heard;
use crate::{Context, Index, Process, index_of, node_id};

/// The wall clock when the simulation begins, in milliseconds since 1970.
pub const WALL_START_MS: u64 = 1_800_000_000_000;

/// What nodes say to each other.
#[derive(Debug, Clone)]
pub enum FactMessage {
    /// A fact for everyone.
    Flood(broadcast::Message),
    /// Comparing.
    Facts(facts::Message),
}

/// A node whose neighbours never change.
#[derive(Debug)]
pub struct FactNode {
    flood: Flood,
    /// What it knows.
    pub facts: facts::State,
    floods: bool,
    /// When it came to know each.
    pub heard: Heard,
}

/// The wall clock: all nodes have the same.
fn wall_ms(now: Duration) -> u64 {
    WALL_START_MS + now.as_millis() as u64
}

impl FactNode {
    /// A node that compares with a random neighbour each `interval`, and passes facts on at once if
    /// it `floods`. Everybody may tell prices.
    pub fn new(floods: bool, interval: Duration, now: Duration, rng: &mut impl rand::Rng) -> Self {
        let config = facts::Config {
            kinds: "price"
                .parse()
                .map(|kind| (kind, KindRule::default()))
                .into_iter()
                .collect(),
            reconciliation: reconciliation::Config {
                compare_interval: interval,
                ..reconciliation::Config::default()
            },
            ..facts::Config::default()
        };
        Self {
            flood: Flood::new(broadcast::Config::default()),
            facts: facts::State::new(config, now, rng),
            floods,
            heard: Heard::default(),
        }
    }

    fn drain(&mut self, context: &mut Context<'_, FactMessage>) {
        loop {
            if let Some(event) = self.facts.poll_event() {
                self.on_fact(event, context);
            } else if let Some(event) = self.flood.poll_event() {
                self.on_flood(event, context);
            } else {
                return;
            }
        }
    }

    fn on_fact(&mut self, event: facts::OutEvent, context: &mut Context<'_, FactMessage>) {
        match event {
            facts::OutEvent::Send { to, message } => {
                context.send(index_of(&to), FactMessage::Facts(message));
            }
            facts::OutEvent::Broadcast(bytes) if self.floods => {
                // Facts are of a size that is taken.
                let _ = self.flood.handle_broadcast(context.now, bytes);
            }
            facts::OutEvent::Learned(fact) => self.heard.add(fact.id(), context.true_now, 0),
            _ => {}
        }
    }

    fn on_flood(&mut self, event: broadcast::OutEvent, context: &mut Context<'_, FactMessage>) {
        match event {
            broadcast::OutEvent::Send { to, message } => {
                for peer in to {
                    context.send(index_of(&peer), FactMessage::Flood(message.clone()));
                }
            }
            broadcast::OutEvent::Deliver(delivery) => {
                let wall = wall_ms(context.now);
                if self
                    .facts
                    .on_broadcast(delivery.from, &delivery.payload, wall)
                    == Ok(true)
                {
                    self.flood.handle_accepted(context.now, delivery);
                }
            }
        }
    }
}

/// What the scenario wants of a node.
#[derive(Debug, Clone)]
pub enum FactInput {
    /// Sessions with these.
    Neighbours(BTreeSet<Index>),
    /// Tell this.
    Publish(Box<SignedFact>),
}

impl Process for FactNode {
    type Message = FactMessage;
    type Input = FactInput;

    fn bytes_of(message: &FactMessage) -> usize {
        match message {
            FactMessage::Flood(message) => message.payload.len() + 4,
            FactMessage::Facts(message) => message.to_bytes().len() + 1,
        }
    }

    fn on_message(
        &mut self,
        from: Index,
        message: FactMessage,
        context: &mut Context<'_, FactMessage>,
    ) {
        let (now, from) = (context.now, node_id(from));
        // Simulated peers are honest, and what they send is well-formed.
        match message {
            FactMessage::Flood(message) => drop(self.flood.on_message(now, from, message)),
            FactMessage::Facts(message) => {
                let wall = wall_ms(now);
                let _ = self.facts.on_message(now, wall, from, message, context.rng);
            }
        }
        self.drain(context);
    }

    fn on_broken(&mut self, _: Index, _: &mut Context<'_, FactMessage>) {}

    fn on_timeout(&mut self, context: &mut Context<'_, FactMessage>) {
        let wall = wall_ms(context.now);
        self.facts.handle_timeout(context.now, wall, context.rng);
        self.drain(context);
    }

    fn on_input(&mut self, input: FactInput, context: &mut Context<'_, FactMessage>) {
        match input {
            FactInput::Neighbours(neighbours) => {
                for peer in neighbours {
                    self.flood.handle_neighbour_up(context.now, node_id(peer));
                    let peer = node_id(peer);
                    self.facts.handle_peer_up(context.now, peer, context.rng);
                }
            }
            FactInput::Publish(fact) => {
                // The kind is declared, and there is room.
                let _ = self.facts.handle_publish(*fact, wall_ms(context.now));
            }
        }
        self.drain(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.facts.next_timeout()
    }
}
