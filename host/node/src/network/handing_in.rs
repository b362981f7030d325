//! What comes to a topic's audience beside its tree.
//!
//! An author that is not part of the audience hands in what it says at some that are. One that is,
//! and has no session with some of those it is linked with, has what it says handed on by nodes
//! that do not listen: they may have sessions with both. So two listeners that cannot reach each
//! other, one way at least, hear each other as long as anybody reaches both.

use std::time::Duration;

use rand::seq::IteratorRandom;
use replicant_protocol::broadcast::acknowledging::Way;
use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::topics::{HandingOn, SignedPublication, Verdict};

use super::acknowledgements::id_of;
use super::overlays::{OverlayEvent, Overlays};
use super::statistics::Count;
use super::trees::Reach;

/// To how many of a topic's audience a node hands what it says there without being part of it. One
/// would do if it lived on; with three, two may fail.
const ENTRIES_COUNT: usize = 3;

/// How many nodes that do not listen are asked to hand something on. One of the two may fail.
const HANDING_ON_COUNT: usize = 2;

/// To how many of the audience such a node hands it: to all of an audience in which everybody is
/// linked to everybody.
const HANDED_ON_COUNT: usize = 8;

impl Overlays {
    /// Says something of this node in its topic.
    pub(super) fn publish(&mut self, now: Duration, signed: SignedPublication) {
        let reach = self.say(now, &signed, self.own());
        self.hand_around(now, &signed, reach);
        if self.topics.hears(&signed.publication().topic) {
            self.events.push_back(OverlayEvent::Heard(signed));
        }
    }

    /// Hands to others what the tree of its topic does not carry to all it leads to.
    pub(super) fn hand_around(&mut self, now: Duration, signed: &SignedPublication, reach: Reach) {
        let topic = &signed.publication().topic;
        let to = match reach {
            Reach::All => return,
            Reach::Some => self.bystanders(topic),
            // Not part of the audience, or with sessions only to those of it that are no links.
            Reach::Nobody => self.entries(topic),
        };
        if !to.is_empty() {
            let signed = signed.clone();
            self.events.push_back(OverlayEvent::HandIn { to, signed });
        } else if reach == Reach::Nobody {
            self.keep_unheard(now, signed);
        }
    }

    /// Whom to hand something in. If nobody of the audience can be reached others are asked to hand
    /// it on; if there are none it is tried all the same, and counted.
    fn entries(&mut self, topic: &TopicName) -> Vec<NodeId> {
        let trees = &self.trees;
        let is_reachable = |node: &NodeId| trees.has_session(node);
        let rng = &mut self.rng;
        let to = self.topics.entries(topic, ENTRIES_COUNT, is_reachable, rng);
        if !to.is_empty() {
            return to;
        }
        let any = self.topics.entries(topic, ENTRIES_COUNT, |_| true, rng);
        if any.is_empty() {
            return any;
        }
        let bystanders = self.bystanders(topic);
        match bystanders.is_empty() {
            true => any,
            false => bystanders,
        }
    }

    /// Some that do not listen, to whom there is a session.
    fn bystanders(&mut self, topic: &TopicName) -> Vec<NodeId> {
        let audience = self.topics.audience(topic);
        let sessions = self.trees.sessions().copied();
        let bystanders = sessions.filter(|peer| !audience.contains(peer));
        bystanders.sample(&mut self.rng, HANDING_ON_COUNT)
    }

    /// Something is handed in, for a topic that somebody listens to here or to be handed on.
    pub(super) fn on_hand_in(&mut self, now: Duration, from: NodeId, bytes: &[u8]) {
        match self.topics.weigh(None, bytes) {
            Ok(Verdict::NotHeard) => self.hand_on(now, from, bytes),
            _ => self.take_loose(now, from, None, bytes),
        }
    }

    fn hand_on(&mut self, now: Duration, from: NodeId, bytes: &[u8]) {
        let signed = match self.topics.on_handing_on(from, bytes) {
            Ok(HandingOn::On(signed)) => signed,
            Ok(HandingOn::Again | HandingOn::NotForThisNode) => return,
            Ok(HandingOn::Forbidden(what)) => return self.forbid(from, what),
            Err(error) => return self.blame(from, error),
        };
        let said = signed.publication();
        let trees = &self.trees;
        let is_reachable = |node: &NodeId| *node != from && trees.has_session(node);
        let rng = &mut self.rng;
        let to = self
            .topics
            .entries(&said.topic, HANDED_ON_COUNT, is_reachable, rng);
        if to.is_empty() {
            return;
        }
        if let Some(deadline) = said.acknowledge {
            // Acknowledgements come back the way that it went.
            let (id, author) = (id_of(&signed), said.author);
            let way = Way { from, author };
            self.acknowledging.handle_passed(now, id, way, deadline);
        }
        self.count(Count::PublicationsHandedOn);
        self.events.push_back(OverlayEvent::HandIn { to, signed });
    }
}
