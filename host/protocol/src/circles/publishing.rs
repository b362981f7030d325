//! Where publications go: into circles that this node is part of, to members of others, or along
//! the shared tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::broadcast::{Broadcast as _, Delivery};
use crate::ids::{Hash, NodeId, TopicName};
use crate::membership::hyparview::Entry;

use super::known::Standing;
use super::{Circles, Message, OutEvent};

/// To how many members a publication is handed in. One would do if it lived on and did not lie.
const ENTRIES_COUNT: usize = 2;

/// Where a publication goes within circles.
#[derive(Debug, Default)]
struct Ways {
    /// Circles that this node is part of.
    own: Vec<TopicName>,
    /// Members of others.
    entries: BTreeMap<TopicName, Vec<Entry>>,
    /// Circles that are not found.
    unknown: Vec<TopicName>,
    is_shared: bool,
}

impl Circles {
    /// Sends a publication of this node into the circles of its topic's path and those above it.
    /// Gives whether it has to take the shared tree instead: then nothing was sent here. A later
    /// [`OutEvent::SayToAll`] says so too.
    pub fn handle_publish(
        &mut self,
        now: Duration,
        topic: &TopicName,
        payload: &Arc<[u8]>,
    ) -> bool {
        let ways = self.ways(now, topic);
        for path in &ways.unknown {
            self.seek_again(now, path);
        }
        let has_room = ways.entries.is_empty() || self.hand_ins.has_room(payload.len());
        if ways.is_shared || !has_room {
            self.counts.shared_count += 1;
            return true;
        }
        for path in &ways.own {
            if let Some(circle) = self.circles.get_mut(path) {
                // No publication is larger than a payload may be.
                let _ = circle.tree.handle_broadcast(now, payload.clone());
                self.drain(now, path);
            }
        }
        self.hand_in(now, payload, ways.entries);
        false
    }

    fn ways(&mut self, now: Duration, topic: &TopicName) -> Ways {
        let mut ways = Ways::default();
        let paths: Vec<TopicName> = topic.and_above().filter_map(|at| at.parse().ok()).collect();
        for path in paths {
            ways.is_shared |= self.known.is_outside(now, path.as_str());
            // Others that listen outside may keep silent, since this node says it for them.
            ways.is_shared |= self.outside.contains_key(&path);
            let circle = self.circles.get(&path);
            let is_alone = circle.map(|circle| !circle.has_neighbours());
            ways.is_shared |= circle.is_some_and(|circle| circle.forming_until > now);
            let standing = self
                .known
                .standing(now, path.as_str(), ENTRIES_COUNT, &mut self.rng);
            match (is_alone, standing) {
                (Some(false), _) | (Some(true), Standing::Nobody) => ways.own.push(path),
                (None, Standing::Nobody) => {}
                (None, Standing::Found(entries)) => {
                    ways.entries.insert(path, entries);
                }
                (Some(true), _) | (None, Standing::Unknown) => {
                    ways.is_shared = true;
                    ways.unknown.push(path);
                }
            }
        }
        ways
    }

    fn hand_in(
        &mut self,
        now: Duration,
        payload: &Arc<[u8]>,
        entries: BTreeMap<TopicName, Vec<Entry>>,
    ) {
        if entries.is_empty() {
            return;
        }
        let mut waits: BTreeMap<TopicName, BTreeSet<NodeId>> = BTreeMap::new();
        for (path, entries) in entries {
            for entry in entries {
                waits.entry(path.clone()).or_default().insert(entry.node);
                let message = Message::HandIn(payload.clone());
                self.send(entry.node, entry.address, &path, message);
            }
        }
        self.counts.handed_in_count += 1;
        let until = now + self.config.patience;
        let id = Hash::of(payload);
        self.hand_ins.add(id, payload.clone(), waits, until);
    }

    /// Something is handed in for a circle.
    pub(super) fn on_hand_in(&mut self, from: NodeId, path: &TopicName, payload: Arc<[u8]>) {
        if !self.circles.contains_key(path) {
            return self.reply(from, path, Message::NotHere);
        }
        let id = Hash::of(&payload);
        self.reply(from, path, Message::Taken(id));
        // It made no hop within the circle yet.
        let hops = 0;
        self.events.push_back(OutEvent::Deliver {
            path: path.clone(),
            delivery: Delivery {
                id,
                from,
                hops,
                payload,
            },
        });
    }

    /// Passes a delivery on that the driver found valid.
    pub fn handle_accepted(&mut self, now: Duration, path: &TopicName, delivery: Delivery) {
        let Some(circle) = self.circles.get_mut(path) else {
            return;
        };
        match delivery.hops {
            // Two members may have it from whoever handed it in.
            0 => {
                let is_forming = circle.forming_until > now;
                let _ = circle.tree.handle_broadcast(now, delivery.payload.clone());
                if is_forming {
                    let event = OutEvent::SayToAll(delivery.payload);
                    self.events.push_back(event);
                }
            }
            _ => circle.tree.handle_accepted(now, delivery),
        }
        self.drain(now, path);
    }

    pub(super) fn on_taken(&mut self, path: &TopicName, from: NodeId, id: &Hash) {
        // Otherwise the other one was faster.
        if self.hand_ins.on_taken(id, path, &from) {
            self.known.prove(path, &from);
        }
    }

    /// A node takes nothing: what nobody else was asked to take takes the shared tree.
    pub(super) fn refused(&mut self, path: Option<&TopicName>, by: &NodeId) {
        for failed in self.hand_ins.on_refused(path, by) {
            self.counts.untaken_count += 1;
            self.events.push_back(OutEvent::SayToAll(failed.payload));
        }
    }

    /// What nobody took in time takes the shared tree, and who kept silent is forgotten.
    pub(super) fn give_up_hand_ins(&mut self, now: Duration) {
        for failed in self.hand_ins.expire(now) {
            for (path, node) in failed.silent {
                self.known.remove(&path, &node);
            }
            self.counts.untaken_count += 1;
            self.events.push_back(OutEvent::SayToAll(failed.payload));
        }
    }
}
