//! The state machine of topics.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::Rng;
use rand::seq::IteratorRandom;

use crate::allowance::Allowance;
use crate::identity::NodeIdentity;
use crate::ids::{NodeId, TopicName};
use crate::seen::Seen;

use super::authors::Authors;
use super::cycles::{Cycles, LinkChanges};
use super::directory::Directory;
use super::numbers::{Heard, Numbers};
use super::openings::Openings;
use super::passing::recent;
use super::publication::Unverified;
use super::{
    Config, Forbidden, OpenError, OutEvent, Publication, PublicationError, SignedPublication,
    TopicsError, Verdict, check_path, check_subscriptions,
};

/// Who hears what, and the links of each topic.
///
/// # Operating it
///
/// Tell it of members and what they subscribe to ([`handle_member`](Self::handle_member)), of what
/// this node subscribes to, of publications ([`handle_publish`](Self::handle_publish),
/// [`on_publication`](Self::on_publication)). [`open`](Self::open) a topic's overlay before saying
/// something in it, and when something comes in that [`weigh`](Self::weigh) finds good: its links
/// then come out of [`poll_event`](Self::poll_event), which is to be drained after every input. It
/// has no timers.
///
/// Invariants: an open overlay is of a path that somebody subscribes to, and whose audience this
/// node is part of; its links are those that [`OutEvent::NeighbourUp`] named and
/// [`OutEvent::NeighbourDown`] did not.
#[derive(Debug)]
pub struct State {
    pub(super) config: Config,
    pub(super) own: NodeId,
    /// Grows with each start of this node.
    start: u64,
    published_count: u64,
    directory: Directory,
    pub(super) authors: Authors,
    pub(super) revoked: BTreeSet<NodeId>,
    pub(super) numbers: Numbers,
    pub(super) newcomers: Allowance,
    /// The last publications that were passed or handed on: they may come another way too.
    pub(super) recent: Seen,
    overlays: BTreeMap<TopicName, Overlay>,
    openings: Openings,
    clock: u64,
    events: VecDeque<OutEvent>,
}

#[derive(Debug)]
struct Overlay {
    cycles: Cycles,
    used: u64,
    /// For whom it was opened.
    opener: NodeId,
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
            authors: Authors::default(),
            revoked: BTreeSet::new(),
            newcomers: Allowance::default(),
            recent: recent(),
            overlays: BTreeMap::new(),
            openings: Openings::default(),
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
        self.authors.come(node);
        // Others may still take a revoked node for a member; nothing is meant for it any more.
        let subscriptions = match self.revoked.contains(&node) {
            true => &[],
            false => subscriptions,
        };
        self.set_member(node, subscriptions);
    }

    fn set_member(&mut self, node: NodeId, subscriptions: &[TopicName]) {
        let rules = &self.config.rules;
        let allowed = subscriptions
            .iter()
            .filter(|topic| rules.may_subscribe(node, topic));
        let changed = self.directory.set(node, allowed.cloned());
        self.reconsider(node, &changed);
    }

    /// A member is gone. What it says is still heard, until so many others are gone that it is
    /// forgotten ([`GONE_MAX`](super::GONE_MAX)).
    pub fn handle_member_gone(&mut self, node: NodeId) {
        if node == self.own {
            return;
        }
        if let Some(forgotten) = self.authors.go(node) {
            self.numbers.forget(&forgotten);
        }
        self.set_member(node, &[]);
    }

    /// Takes no more publications of a node, for which nothing is meant either; or takes them
    /// again, and has to be told anew of what it subscribes to.
    pub fn handle_revoked(&mut self, node: NodeId, is_revoked: bool) {
        match is_revoked {
            true => self.revoked.insert(node),
            false => self.revoked.remove(&node),
        };
        if is_revoked && node != self.own {
            self.set_member(node, &[]);
        }
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

    /// Opens the overlay in which a topic's publications travel, because this node says something
    /// there, or because of what `by` sent. Gives its path. Costs a hash for each of its audience
    /// and cycle if it is not open.
    ///
    /// # Errors
    /// [`OpenError`]; nothing changed.
    pub fn open(
        &mut self,
        now: Duration,
        topic: &TopicName,
        by: NodeId,
    ) -> Result<TopicName, OpenError> {
        if !self.hears(topic) {
            return Err(OpenError::NotHeard);
        }
        // This node subscribes to a path at or above the topic.
        let path = self.directory.nearest(topic).ok_or(OpenError::NotHeard)?;
        let path = path.clone();
        self.open_path(now, &path, by)?;
        Ok(path)
    }

    /// Opens the overlay of a path because a member of its audience speaks of it, without any
    /// publication yet.
    ///
    /// # Errors
    /// [`OpenError`]; nothing changed.
    pub fn open_for(
        &mut self,
        now: Duration,
        path: &TopicName,
        peer: NodeId,
    ) -> Result<(), OpenError> {
        let is_overlay = self.directory.is_subscribed(path) && self.hears(path);
        if !is_overlay || !self.directory.hears(peer, path) {
            return Err(OpenError::NotHeard);
        }
        self.open_path(now, path, peer)
    }

    fn open_path(
        &mut self,
        now: Duration,
        path: &TopicName,
        opener: NodeId,
    ) -> Result<(), OpenError> {
        self.clock += 1;
        if let Some(overlay) = self.overlays.get_mut(path) {
            overlay.used = self.clock;
            return Ok(());
        }
        let audience = self.audience(path);
        let hashes = audience.len() * self.config.cycles_count;
        if opener != self.own && !self.openings.take(now, opener, hashes as u64) {
            return Err(OpenError::TooMany { peer: opener });
        }
        if self.overlays.len() >= self.config.overlays_max {
            self.make_room();
        }
        let mut cycles = Cycles::new(path.as_str(), self.own, self.config.cycles_count);
        audience.into_iter().for_each(|node| cycles.insert(node));
        let used = self.clock;
        let overlay = Overlay {
            cycles,
            used,
            opener,
        };
        self.overlays.insert(path.clone(), overlay);
        self.relink(path);
        Ok(())
    }

    /// Closes an overlay: of those that were opened for whom most are open, the one that was idle
    /// for longest. So whoever has many opened pushes out their own.
    fn make_room(&mut self) {
        let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
        for overlay in self.overlays.values() {
            *counts.entry(overlay.opener).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        let of_most = self.overlays.iter();
        let of_most = of_most.filter(|(_, overlay)| counts.get(&overlay.opener) == Some(&most));
        let idle = of_most.min_by_key(|(_, overlay)| overlay.used);
        if let Some(idle) = idle.map(|(path, _)| path.clone()) {
            self.close(&idle);
        }
    }

    /// Whether a node whose id begins so subscribes to anything.
    pub fn is_subscriber(&self, id_begins: &[u8; 8]) -> bool {
        self.directory.is_subscriber(id_begins)
    }

    /// In which overlay a topic's publications travel, as far as this node knows.
    pub fn path_of(&self, topic: &TopicName) -> Option<&TopicName> {
        self.directory.nearest(topic)
    }

    /// How many nodes the open overlay of a path has.
    pub fn overlay_len(&self, path: &TopicName) -> usize {
        let overlay = self.overlays.get(path);
        overlay.map_or(0, |overlay| overlay.cycles.len())
    }

    /// Whether the overlay of a path is open.
    pub fn is_open(&self, path: &TopicName) -> bool {
        self.overlays.contains_key(path)
    }

    /// Whom a node that is not part of the audience hands its publication to: up to `count` of
    /// those that can be reached, at random.
    pub fn entries(
        &self,
        topic: &TopicName,
        count: usize,
        is_reachable: impl Fn(&NodeId) -> bool,
        rng: &mut impl Rng,
    ) -> Vec<NodeId> {
        let audience = self.audience(topic).into_iter();
        let others = audience.filter(|node| *node != self.own && is_reachable(node));
        others.sample(rng, count)
    }

    /// Signs something that this node says in a topic, to be acknowledged for so long, if at all.
    ///
    /// # Errors
    /// [`TopicsError`]: the caller's misuse, nothing changed.
    pub fn handle_publish(
        &mut self,
        topic: &TopicName,
        payload: Vec<u8>,
        acknowledge: Option<Duration>,
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
            acknowledge,
            payload,
        };
        let signed = SignedPublication::sign(publication, identity)?;
        self.published_count = number;
        self.numbers.hear(self.own, self.start, number);
        Ok(signed)
    }

    /// What would become of a publication that came over the overlay of `path`, or was handed in
    /// (`None`). Notes nothing. What is refused anyway costs no signature.
    ///
    /// # Errors
    /// [`PublicationError`]: the sender's fault.
    pub fn weigh(
        &self,
        path: Option<&TopicName>,
        bytes: &[u8],
    ) -> Result<Verdict, PublicationError> {
        let unverified = Unverified::from_bytes(bytes)?;
        let said = &unverified.publication;
        let (topic, author) = (&said.topic, said.author);
        check_path(path, topic)?;
        if !self.hears(topic) {
            return Ok(Verdict::NotHeard);
        }
        if self.revoked.contains(&author) || !self.config.rules.may_publish(author, topic) {
            let topic = topic.clone();
            return Ok(Verdict::Forbidden(Forbidden { author, topic }));
        }
        if self.numbers.look(author, said.start, said.number) != Heard::First {
            return Ok(Verdict::Again);
        }
        let signed = unverified.verify(bytes)?;
        match author == self.own || self.authors.contains(&author) {
            true => Ok(Verdict::First(signed)),
            false => Ok(Verdict::UnknownAuthor(author)),
        }
    }

    /// Takes a publication that came over the overlay of `path`, or was handed in (`None`) by a
    /// node that is not part of its topic's audience.
    ///
    /// # Errors
    /// [`PublicationError`]: the sender's fault.
    pub fn on_publication(
        &mut self,
        path: Option<&TopicName>,
        bytes: &[u8],
    ) -> Result<Verdict, PublicationError> {
        let verdict = self.weigh(path, bytes)?;
        if let Verdict::First(signed) = &verdict {
            let said = signed.publication();
            self.numbers.hear(said.author, said.start, said.number);
        }
        Ok(verdict)
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
            let is_left = node == self.own && !hears;
            if is_left || !self.directory.is_subscribed(&topic) {
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
        let LinkChanges { down, up } = overlay.cycles.relink();
        for peer in down {
            let topic = topic.clone();
            self.events
                .push_back(OutEvent::NeighbourDown { topic, peer });
        }
        for peer in up {
            let topic = topic.clone();
            self.events.push_back(OutEvent::NeighbourUp { topic, peer });
        }
    }

    fn close(&mut self, topic: &TopicName) {
        if let Some(overlay) = self.overlays.remove(topic) {
            for peer in overlay.cycles.links().iter().copied() {
                let topic = topic.clone();
                self.events
                    .push_back(OutEvent::NeighbourDown { topic, peer });
            }
            self.events.push_back(OutEvent::Closed(topic.clone()));
        }
    }
}
