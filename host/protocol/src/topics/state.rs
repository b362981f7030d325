//! The state machine of topics.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::Rng;
use rand::seq::IteratorRandom;

use crate::identity::NodeIdentity;
use crate::ids::{NodeId, TopicName};

use super::cycles::Cycles;
use super::directory::Directory;
use super::numbers::{Heard, Numbers};
use super::{
    Config, OutEvent, Publication, PublicationError, SignedPublication, TopicsError,
    check_subscriptions,
};

/// Who hears what, and the links of each topic.
///
/// # Operating it
///
/// Tell it of members and what they subscribe to ([`handle_member`](Self::handle_member)), of what
/// this node subscribes to, of publications ([`handle_publish`](Self::handle_publish),
/// [`on_publication`](Self::on_publication)). [`open`](Self::open) a topic before saying something
/// in it, or when something comes in: its links then come out of
/// [`poll_event`](Self::poll_event), which is to be drained after every input. It has no timers.
///
/// Invariants: an open overlay is one whose audience this node is part of; its links are those that
/// [`OutEvent::NeighbourUp`] named and [`OutEvent::NeighbourDown`] did not.
#[derive(Debug)]
pub struct State {
    config: Config,
    own: NodeId,
    /// Grows with each start of this node.
    start: u64,
    published_count: u64,
    directory: Directory,
    numbers: Numbers,
    overlays: BTreeMap<TopicName, Overlay>,
    clock: u64,
    events: VecDeque<OutEvent>,
}

#[derive(Debug)]
struct Overlay {
    cycles: Cycles,
    neighbours: BTreeSet<NodeId>,
    used: u64,
}

impl State {
    /// Starts with no subscriptions. `start` has to be higher at every start of this node.
    pub fn new(mut config: Config, own: NodeId, start: u64) -> Self {
        config.cycles_count = config.cycles_count.clamp(1, 16);
        config.overlays_max = config.overlays_max.max(1);
        Self {
            numbers: Numbers::new(config.authors_max),
            config,
            own,
            start,
            published_count: 0,
            directory: Directory::default(),
            overlays: BTreeMap::new(),
            clock: 0,
            events: VecDeque::new(),
        }
    }

    /// Subscribes to a path and all below it. Whether it is new.
    ///
    /// # Errors
    /// [`TopicsError`]: the caller's misuse, nothing changed.
    pub fn handle_subscribe(&mut self, topic: &TopicName) -> Result<bool, TopicsError> {
        let mut subscriptions: BTreeSet<TopicName> =
            self.directory.of_node(self.own).cloned().collect();
        if subscriptions.contains(topic) {
            return Ok(false);
        }
        if !self.config.rules.may_subscribe(self.own, topic) {
            let topic = topic.clone();
            return Err(TopicsError::MayNotSubscribe { topic });
        }
        subscriptions.insert(topic.clone());
        check_subscriptions(subscriptions.iter())?;
        self.set_own(subscriptions);
        Ok(true)
    }

    /// Ends a subscription. Whether there was one.
    pub fn handle_unsubscribe(&mut self, topic: &TopicName) -> bool {
        let subscriptions = self.directory.of_node(self.own);
        let mut subscriptions: BTreeSet<TopicName> = subscriptions.cloned().collect();
        let was_there = subscriptions.remove(topic);
        if was_there {
            self.set_own(subscriptions);
        }
        was_there
    }

    fn set_own(&mut self, subscriptions: BTreeSet<TopicName>) {
        let told = subscriptions.iter().cloned().collect();
        self.events.push_back(OutEvent::Subscribed(told));
        let changed = self.directory.set(self.own, subscriptions.into_iter());
        self.reconsider(self.own, &changed);
    }

    /// A member is there, and subscribes to these paths; to none before it is heard of. Paths that
    /// the rules keep it from are left out.
    pub fn handle_member(&mut self, node: NodeId, subscriptions: &[TopicName]) {
        if node == self.own {
            return;
        }
        let rules = &self.config.rules;
        let allowed = subscriptions
            .iter()
            .filter(|topic| rules.may_subscribe(node, topic));
        let changed = self.directory.set(node, allowed.cloned());
        self.reconsider(node, &changed);
    }

    /// A member is gone.
    pub fn handle_member_gone(&mut self, node: NodeId) {
        self.handle_member(node, &[]);
    }

    /// What this node subscribes to.
    pub fn subscriptions(&self) -> impl Iterator<Item = &TopicName> {
        self.directory.of_node(self.own)
    }

    /// All paths that members subscribe to, in order, and how many do.
    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, usize)> {
        self.directory.topics()
    }

    /// Whether this node hears what is said in a topic.
    pub fn hears(&self, topic: &TopicName) -> bool {
        self.directory.hears(self.own, topic)
    }

    /// Who hears what is said in a topic, this node included if it does.
    pub fn audience(&self, topic: &TopicName) -> BTreeSet<NodeId> {
        self.directory.audience(topic)
    }

    /// Makes this node part of a topic's overlay, if it is part of the audience; says whether it
    /// is. Costs a hash for each member of the audience and cycle if the overlay is not open.
    pub fn open(&mut self, topic: &TopicName) -> bool {
        if !self.hears(topic) {
            return false;
        }
        self.clock += 1;
        if let Some(overlay) = self.overlays.get_mut(topic) {
            overlay.used = self.clock;
            return true;
        }
        if self.overlays.len() >= self.config.overlays_max {
            let idle = self.overlays.iter().min_by_key(|(_, overlay)| overlay.used);
            if let Some(idle) = idle.map(|(topic, _)| topic.clone()) {
                self.close(&idle);
            }
        }
        let audience = self.audience(topic).into_iter();
        let count = self.config.cycles_count;
        let overlay = Overlay {
            cycles: Cycles::new(topic.clone(), self.own, count, audience),
            neighbours: BTreeSet::new(),
            used: self.clock,
        };
        self.overlays.insert(topic.clone(), overlay);
        self.relink(topic);
        true
    }

    /// Whom a node that is not part of the audience hands its publication to: up to `count`,
    /// at random.
    pub fn entries(&self, topic: &TopicName, count: usize, rng: &mut impl Rng) -> Vec<NodeId> {
        let audience = self.audience(topic).into_iter();
        let others = audience.filter(|node| *node != self.own);
        others.sample(rng, count)
    }

    /// Signs something that this node says in a topic.
    ///
    /// # Errors
    /// [`TopicsError`]: the caller's misuse, nothing changed.
    pub fn handle_publish(
        &mut self,
        topic: &TopicName,
        payload: Vec<u8>,
        identity: &NodeIdentity,
    ) -> Result<SignedPublication, TopicsError> {
        if !self.config.rules.may_publish(self.own, topic) {
            let topic = topic.clone();
            return Err(TopicsError::MayNotPublish { topic });
        }
        let number = self.published_count + 1;
        let publication = Publication {
            topic: topic.clone(),
            author: self.own,
            start: self.start,
            number,
            payload,
        };
        let signed = SignedPublication::sign(publication, identity)?;
        self.published_count = number;
        self.numbers.hear(self.own, self.start, number);
        Ok(signed)
    }

    /// Takes a publication that a node handed in that is not part of its topic's audience. `None`
    /// as of [`on_publication`](Self::on_publication), or because this node is not part of it
    /// either.
    ///
    /// # Errors
    /// [`PublicationError`]: the sender's fault.
    pub fn on_hand_in(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<SignedPublication>, PublicationError> {
        let signed = SignedPublication::from_bytes(bytes)?;
        let is_mine = self.hears(&signed.publication().topic);
        Ok(Some(signed).filter(|signed| is_mine && self.is_first(signed.publication())))
    }

    /// Takes a publication that came over the overlay of `topic`. `None`: it was heard before, is
    /// too old to tell, or its author may not publish there; it is not passed on.
    ///
    /// # Errors
    /// [`PublicationError`]: the sender's fault.
    pub fn on_publication(
        &mut self,
        topic: &TopicName,
        bytes: &[u8],
    ) -> Result<Option<SignedPublication>, PublicationError> {
        let signed = SignedPublication::from_bytes(bytes)?;
        let said = signed.publication();
        if said.topic != *topic {
            let what = "it belongs to another topic";
            return Err(PublicationError::Malformed { what });
        }
        Ok(Some(signed).filter(|signed| self.is_first(signed.publication())))
    }

    /// Whether this is to be heard: its author may say it, and it was not heard before.
    fn is_first(&mut self, said: &Publication) -> bool {
        self.config.rules.may_publish(said.author, &said.topic)
            && self.numbers.hear(said.author, said.start, said.number) == Heard::First
    }

    /// How many overlays are open.
    pub fn overlays_count(&self) -> usize {
        self.overlays.len()
    }

    /// The next thing to do.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    /// A node's subscriptions changed: brings the open overlays in line.
    fn reconsider(&mut self, node: NodeId, changed: &[TopicName]) {
        let is_below = |topic: &TopicName| {
            topic
                .and_above()
                .any(|path| changed.iter().any(|changed| changed.as_str() == path))
        };
        let touched = self.overlays.keys().filter(|topic| is_below(topic));
        let touched: Vec<TopicName> = touched.cloned().collect();
        for topic in touched {
            let hears = self.directory.hears(node, &topic);
            if node == self.own && !hears {
                self.close(&topic);
                continue;
            }
            if let Some(overlay) = self.overlays.get_mut(&topic) {
                match hears {
                    true => overlay.cycles.insert(node),
                    false => overlay.cycles.remove(node),
                }
            }
            self.relink(&topic);
        }
    }

    fn relink(&mut self, topic: &TopicName) {
        let Some(overlay) = self.overlays.get_mut(topic) else {
            return;
        };
        let new = overlay.cycles.neighbours();
        let old = std::mem::replace(&mut overlay.neighbours, new.clone());
        for peer in old.difference(&new).copied() {
            let topic = topic.clone();
            self.events
                .push_back(OutEvent::NeighbourDown { topic, peer });
        }
        for peer in new.difference(&old).copied() {
            let topic = topic.clone();
            self.events.push_back(OutEvent::NeighbourUp { topic, peer });
        }
    }

    fn close(&mut self, topic: &TopicName) {
        if let Some(overlay) = self.overlays.remove(topic) {
            for peer in overlay.neighbours {
                let topic = topic.clone();
                self.events
                    .push_back(OutEvent::NeighbourDown { topic, peer });
            }
            self.events.push_back(OutEvent::Closed(topic.clone()));
        }
    }
}
