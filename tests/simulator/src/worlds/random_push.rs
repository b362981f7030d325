//! Plain random push: the peer that rapid broadcast is compared with.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use replicant_protocol::ids::Hash;

use crate::checkers::Heard;
use crate::{Context, Index, Process};

/// A node that passes every message that is new to it on to some others, drawn at random from all.
#[derive(Debug)]
pub struct RandomPushNode {
    own: Index,
    nodes: Index,
    fanout: u32,
    /// What it delivered.
    pub heard: Heard,
    /// Copies that it sent.
    pub sent_count: u64,
    /// Copies that came, the first of each included.
    pub received_count: u64,
}

impl RandomPushNode {
    /// One of `nodes` nodes, at least two.
    pub fn new(own: Index, nodes: Index, fanout: u32) -> Self {
        Self {
            own,
            nodes,
            fanout: fanout.min(nodes - 1),
            heard: Heard::default(),
            sent_count: 0,
            received_count: 0,
        }
    }

    fn pass_on(&mut self, id: Hash, hops: u32, context: &mut Context<'_, (Hash, u32)>) {
        self.heard.add(id, context.now, hops);
        let mut drawn = BTreeSet::new();
        while drawn.len() < self.fanout as usize {
            let node = context.rng.random_range(0..self.nodes);
            if node != self.own && drawn.insert(node) {
                self.sent_count += 1;
                context.send(node, (id, hops + 1));
            }
        }
    }
}

impl Process for RandomPushNode {
    /// A message by its hash, and its hops.
    type Message = (Hash, u32);
    type Input = Hash;

    fn bytes_of(_: &(Hash, u32)) -> usize {
        256
    }

    fn on_message(
        &mut self,
        _: Index,
        (id, hops): (Hash, u32),
        context: &mut Context<'_, (Hash, u32)>,
    ) {
        self.received_count += 1;
        if self.heard.get(&id).is_none() {
            self.pass_on(id, hops, context);
        }
    }

    fn on_broken(&mut self, _: Index, _: &mut Context<'_, (Hash, u32)>) {}

    fn on_timeout(&mut self, _: &mut Context<'_, (Hash, u32)>) {}

    fn on_input(&mut self, id: Hash, context: &mut Context<'_, (Hash, u32)>) {
        self.pass_on(id, 0, context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        None
    }
}
