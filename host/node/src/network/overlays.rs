//! Topics within the driver: a tree for each that is open, and what travels in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use replicant_protocol::broadcast::{self, Broadcast as _, Delivery, Flood};
use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::topics::{self, PublicationError, SignedPublication};

/// The strategy of broadcasting within a topic.
pub(super) type Tree = Flood;
/// What it says.
pub(super) type TreeMessage = broadcast::Message;
/// What it finds wrong.
pub(super) type TreeError = broadcast::MessageError;

/// What the driver has to do for topics.
#[derive(Debug)]
pub(super) enum OverlayEvent {
    /// Send a message within a topic.
    Send {
        topic: TopicName,
        to: Vec<NodeId>,
        message: TreeMessage,
    },
    /// Somebody said something that is heard here.
    Heard(SignedPublication),
    /// Tell the members what this node subscribes to.
    Subscribed(Vec<TopicName>),
    /// A peer passed on what no correct node passes on.
    Misbehaved {
        peer: NodeId,
        error: PublicationError,
    },
}

/// The state of topics, and their trees.
///
/// Invariant: there is a tree exactly for each topic whose overlay is open.
pub(super) struct Overlays {
    pub(super) topics: topics::State,
    config: broadcast::Config,
    trees: BTreeMap<TopicName, Tree>,
    /// Trees that may have something to say.
    touched: BTreeSet<TopicName>,
    events: VecDeque<OverlayEvent>,
}

impl Overlays {
    pub(super) fn new(topics: topics::State, config: broadcast::Config) -> Self {
        Self {
            topics,
            config,
            trees: BTreeMap::new(),
            touched: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a message of a topic's tree. Ignored if this node does not hear the topic: then the
    /// peer has not heard of that yet.
    pub(super) fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        topic: &TopicName,
        message: TreeMessage,
    ) -> Result<(), TreeError> {
        match self.open(now, topic) {
            Some(tree) => tree.on_message(now, from, message),
            None => Ok(()),
        }
    }

    /// Says something to the audience of its topic. False if this node is not part of it.
    pub(super) fn broadcast(&mut self, now: Duration, signed: &SignedPublication) -> bool {
        let Some(tree) = self.open(now, &signed.publication().topic) else {
            return false;
        };
        // No publication is larger than a payload may be.
        let said = tree.handle_broadcast(now, signed.as_bytes().clone());
        said.is_ok()
    }

    /// A member hears a topic of which it may be the first.
    fn open(&mut self, now: Duration, topic: &TopicName) -> Option<&mut Tree> {
        if !self.topics.open(topic) {
            return None;
        }
        if !self.trees.contains_key(topic) {
            let tree = Tree::new(self.config.clone());
            self.trees.insert(topic.clone(), tree);
        }
        self.relink(now);
        self.touched.insert(topic.clone());
        self.trees.get_mut(topic)
    }

    /// Carries over what changed in the links of topics.
    fn relink(&mut self, now: Duration) {
        while let Some(event) = self.topics.poll_event() {
            match event {
                topics::OutEvent::NeighbourUp { topic, peer } => {
                    if let Some(tree) = self.trees.get_mut(&topic) {
                        tree.handle_neighbour_up(now, peer);
                    }
                    self.touched.insert(topic);
                }
                topics::OutEvent::NeighbourDown { topic, peer } => {
                    if let Some(tree) = self.trees.get_mut(&topic) {
                        tree.handle_neighbour_down(now, peer);
                    }
                    self.touched.insert(topic);
                }
                topics::OutEvent::Closed(topic) => {
                    self.trees.remove(&topic);
                    self.touched.remove(&topic);
                }
                topics::OutEvent::Subscribed(paths) => {
                    self.events.push_back(OverlayEvent::Subscribed(paths));
                }
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        for (topic, tree) in &mut self.trees {
            if tree.next_timeout().is_some_and(|at| at <= now) {
                tree.handle_timeout(now);
                self.touched.insert(topic.clone());
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.trees.values().filter_map(Tree::next_timeout).min()
    }

    /// The next thing to do.
    pub(super) fn poll_event(&mut self, now: Duration) -> Option<OverlayEvent> {
        self.relink(now);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let topic = self.touched.first()?.clone();
            match self.trees.get_mut(&topic).and_then(Tree::poll_event) {
                Some(broadcast::OutEvent::Send { to, message }) => {
                    return Some(OverlayEvent::Send { topic, to, message });
                }
                Some(broadcast::OutEvent::Deliver(delivery)) => {
                    self.on_delivery(now, &topic, delivery);
                }
                None => {
                    self.touched.remove(&topic);
                }
            }
        }
    }

    /// Something came for the first time: looks at it before it is passed on.
    fn on_delivery(&mut self, now: Duration, topic: &TopicName, delivery: Delivery) {
        let peer = delivery.from;
        match self.topics.on_publication(topic, &delivery.payload) {
            Ok(Some(signed)) => {
                self.events.push_back(OverlayEvent::Heard(signed));
                if let Some(tree) = self.trees.get_mut(topic) {
                    tree.handle_accepted(now, delivery);
                }
            }
            // Heard another way, too old to tell, or not allowed: it goes no further.
            Ok(None) => {}
            Err(error) => {
                let event = OverlayEvent::Misbehaved { peer, error };
                self.events.push_back(event);
            }
        }
    }
}
