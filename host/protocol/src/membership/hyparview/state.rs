//! The state of a partial view: timers, and which event goes where.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::ids::{Generation, NodeId};
use crate::membership::{Member, Membership, Metadata, OutEvent, Reliability, Status};

use super::active::Active;
use super::offences::{Offences, Register};
use super::passive::Passive;
use super::rate::Rate;
use super::{Config, Entry, Message, MessageError};

/// Why a node was asked to be a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// This node chose it.
    Own,
    /// To take the place of another that this node chose.
    Exchange,
    /// A walk brought it here.
    Invited,
    /// It is a contact.
    Join,
}

/// A question under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) address: SocketAddr,
    pub(super) reason: Reason,
    pub(super) until: Duration,
}

/// When what is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timers {
    pub(super) seek_at: Option<Duration>,
    /// How long to wait after a search that found nobody.
    pub(super) seek_pause: Duration,
    pub(super) join_at: Option<Duration>,
    pub(super) join_pause: Duration,
    pub(super) shuffle_at: Duration,
    pub(super) contact_at: Duration,
    pub(super) rotate_at: Duration,
}

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Neighbours that were sent away for somebody in need.
    pub evictions_count: u64,
    /// Walks and requests dropped at a rate.
    pub dropped_count: u64,
    /// Nodes that were dialed and not reached.
    pub unreachable_count: u64,
}

/// Partial views. How to operate it: see [`Membership`]; a *member* is a neighbour here. Beyond
/// that:
///
/// * [`handle_contact`](HyParView::handle_contact) names a node to join through; a session that
///   opens while this node is alone does too.
/// * *Up* means: hold the session open. *Down* and *left* mean: let it go.
/// * Call `handle_session_closed` also for a node that could not be reached: it was only a claim.
///
/// Timers: time-outs of requests, the next search for neighbours, the next attempt to join, the
/// next shuffle, the next mixing with a contact, the next exchange of a neighbour.
#[derive(Debug)]
pub struct HyParView {
    pub(super) config: Config,
    pub(super) own: Entry,
    pub(super) active: Active,
    pub(super) passive: Passive,
    pub(super) requests: BTreeMap<NodeId, Request>,
    pub(super) contacts: BTreeMap<NodeId, SocketAddr>,
    /// Seeds around which another part may have formed, since this node may have joined through
    /// another.
    pub(super) unmixed: BTreeSet<NodeId>,
    /// Neighbours that did not say goodbye, the latest last: the network between may be back.
    pub(super) lost: VecDeque<Entry>,
    /// Whom not to ask, and not to take, until when.
    pub(super) backoffs: BTreeMap<NodeId, Duration>,
    /// Whom views were last mixed with beside the walks; its answer may tell of another part.
    pub(super) mixed_with: Option<NodeId>,
    /// How many answers to shuffles may still come.
    pub(super) replies_due_count: u8,
    pub(super) requested: Rate,
    pub(super) evict_at: Duration,
    pub(super) timers: Timers,
    pub(super) register: Register,
    pub(super) counts: Counts,
    pub(super) events: VecDeque<OutEvent<Message>>,
    pub(super) has_left: bool,
}

impl HyParView {
    /// Starts alone. `own` is this node and where it listens.
    pub fn new(config: Config, own: Entry, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        let timers = Timers {
            seek_at: None,
            seek_pause: config.join_interval,
            join_at: None,
            join_pause: config.join_interval,
            shuffle_at: now + varied(config.shuffle_interval / 4, rng),
            contact_at: now + varied(config.contact_interval, rng),
            rotate_at: now + varied(config.rotation_interval, rng),
        };
        Self {
            active: Active::default(),
            passive: Passive::new(config.passive_max, config.passive_share_max),
            requests: BTreeMap::new(),
            contacts: BTreeMap::new(),
            unmixed: BTreeSet::new(),
            lost: VecDeque::new(),
            backoffs: BTreeMap::new(),
            mixed_with: None,
            replies_due_count: 0,
            requested: Rate::default(),
            evict_at: now,
            timers,
            register: Register::default(),
            counts: Counts::default(),
            events: VecDeque::new(),
            has_left: false,
            config,
            own,
        }
    }

    /// Names a node to join through, and joins through it if this node is alone. At the bound a
    /// further contact is only used now.
    pub fn handle_contact(&mut self, now: Duration, contact: Entry, rng: &mut impl Rng) {
        if contact.node == self.own.node || self.has_left {
            return;
        }
        let has_room = self.contacts.len() < self.config.contacts_max;
        if has_room || self.contacts.contains_key(&contact.node) {
            self.contacts.insert(contact.node, contact.address);
        }
        if self.active.is_empty() && self.requests.is_empty() {
            self.join(now, contact);
        }
        self.plan(now, rng);
    }

    /// Names a contact that whoever started this node had in mind. Nodes that start together may
    /// join through different ones, and form as many parts: so views are mixed soon with one that
    /// this node does not join through.
    pub fn handle_seed(&mut self, now: Duration, seed: Entry, rng: &mut impl Rng) {
        let is_known = self.contacts.contains_key(&seed.node);
        self.handle_contact(now, seed, rng);
        if !is_known && self.contacts.contains_key(&seed.node) {
            self.mix_soon(now, seed.node, rng);
            self.plan(now, rng);
        }
    }

    /// Names a node that was met in an earlier run: it is known from now on, and asked when a
    /// neighbour is missing.
    pub fn handle_acquaintance(&mut self, now: Duration, entry: Entry, rng: &mut impl Rng) {
        if !self.has_left {
            self.know(entry, entry.node, rng);
            self.plan(now, rng);
        }
    }

    /// Whom to join through besides those that are known: contacts, and neighbours that were lost.
    pub(super) fn entry_points(&self) -> impl Iterator<Item = Entry> {
        let contacts = self.contacts.iter().map(|(node, address)| Entry {
            node: *node,
            address: *address,
        });
        contacts.chain(self.lost.iter().copied())
    }

    /// Notes that the session with a neighbour broke.
    fn lose(&mut self, lost: Entry) {
        self.lost.retain(|entry| entry.node != lost.node);
        self.lost.push_back(lost);
        if self.lost.len() > self.config.contacts_max {
            self.lost.pop_front();
        }
    }

    /// Says whether the layer above would rather keep a neighbour, since a tree leads through it.
    /// Who has to give way is chosen among the others first.
    pub fn handle_preference(&mut self, neighbour: &NodeId, is_preferred: bool) {
        if let Some(link) = self.active.get_mut(neighbour) {
            link.is_preferred = is_preferred;
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What a peer did that it should not have.
    pub fn offences(&self, peer: &NodeId) -> Offences {
        self.register.get(peer)
    }

    /// What peers did that they should not have, since this was last asked.
    pub fn take_offences(&mut self) -> BTreeMap<NodeId, Offences> {
        self.register.take()
    }

    /// Whether a node is a neighbour.
    pub fn is_neighbour(&self, node: &NodeId) -> bool {
        self.active.contains(node)
    }

    /// How many neighbours there are, and how many of them are of this node's choice.
    pub fn neighbours_count(&self) -> (usize, usize) {
        (self.active.len(), self.active.own_count())
    }

    /// The neighbours, in the order of ids.
    pub fn neighbours(&self) -> impl Iterator<Item = Entry> {
        self.active.entries()
    }

    /// How many others are known.
    pub fn passive_count(&self) -> usize {
        self.passive.len()
    }

    /// The others that are known, in the order of ids. What is said of them are claims.
    pub fn known(&self) -> impl Iterator<Item = Entry> {
        self.passive.iter()
    }

    pub(super) fn send(&mut self, to: Entry, message: Message) {
        self.events.push_back(OutEvent::Send {
            to: to.node,
            address: to.address,
            message,
        });
    }

    fn give_up_requests(&mut self, now: Duration) {
        let is_late = |(_, request): &(&NodeId, &Request)| request.until <= now;
        let late: Vec<NodeId> = self
            .requests
            .iter()
            .filter(is_late)
            .map(|(n, _)| *n)
            .collect();
        for node in late {
            self.requests.remove(&node);
            self.forget_unreachable(&node);
        }
    }

    /// A node that was only a claim could not be reached.
    pub(super) fn forget_unreachable(&mut self, node: &NodeId) {
        self.counts.unreachable_count += 1;
        if let Some(source) = self.passive.remove(node)
            && source != *node
        {
            self.register.of(source).unreachable_count += 1;
        }
    }

    fn timeouts(&self) -> [Option<Duration>; 6] {
        let requests = self.requests.values().map(|request| request.until);
        let timers = &self.timers;
        [
            requests.min(),
            timers.seek_at,
            timers.join_at,
            Some(timers.shuffle_at),
            Some(timers.contact_at),
            Some(timers.rotate_at),
        ]
    }
}

impl Membership for HyParView {
    type Message = Message;
    type MessageError = MessageError;

    fn handle_session_opened(
        &mut self,
        now: Duration,
        peer: NodeId,
        address: SocketAddr,
        rng: &mut impl Rng,
    ) {
        let node = peer;
        if self.active.is_empty() && self.requests.is_empty() {
            self.handle_contact(now, Entry { node, address }, rng);
        } else if self.passive.contains(&node) {
            self.passive.add(Entry { node, address }, node, rng);
        }
    }

    fn handle_session_closed(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        if let Some(link) = self.active.remove(&peer) {
            let (node, address) = (peer, link.address);
            self.lose(Entry { node, address });
            self.passive.remove(&peer);
            self.events.push_back(OutEvent::MemberDown(peer));
            self.hurry(now);
        }
        if self.requests.remove(&peer).is_some() {
            self.forget_unreachable(&peer);
        } else {
            self.passive.remove(&peer);
        }
        self.plan(now, rng);
    }

    fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: Message,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        let count = message.entries().len();
        if count > super::ENTRIES_MAX {
            return Err(MessageError::Entries { count });
        }
        if self.has_left || from == self.own.node {
            return Ok(());
        }
        match message {
            Message::Join { address } => self.on_join(now, from, address, rng),
            Message::ForwardJoin { joiner, steps } => {
                self.on_forward_join(now, from, joiner, steps, rng);
            }
            Message::Neighbour { address, is_urgent } => {
                self.on_neighbour(now, from, address, is_urgent, rng);
            }
            Message::NeighbourReply {
                is_accepted,
                entries,
            } => self.on_neighbour_reply(now, from, is_accepted, entries, rng),
            Message::Disconnect { is_leaving } => self.on_disconnect(now, from, is_leaving, rng),
            Message::Shuffle {
                origin,
                steps,
                entries,
            } => self.on_shuffle(now, from, origin, steps, entries, rng),
            Message::ShuffleReply { entries } => self.on_shuffle_reply(now, from, entries, rng),
        }
        self.plan(now, rng);
        Ok(())
    }

    fn handle_leave(&mut self, _now: Duration, _rng: &mut impl Rng) {
        let neighbours: Vec<Entry> = self.active.entries().collect();
        for neighbour in neighbours {
            self.send(neighbour, Message::Disconnect { is_leaving: true });
        }
        self.active = Active::default();
        self.requests.clear();
        self.has_left = true;
    }

    fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        if self.has_left {
            return;
        }
        self.give_up_requests(now);
        self.backoffs.retain(|_, until| *until > now);
        if self.timers.seek_at.is_some_and(|at| at <= now) {
            self.timers.seek_at = None;
        }
        if self.timers.join_at.is_some_and(|at| at <= now) {
            self.rejoin(now, rng);
        }
        if self.timers.shuffle_at <= now {
            self.shuffle(now, rng);
        }
        if self.timers.contact_at <= now {
            self.mix_with_contact(now, rng);
        }
        if self.timers.rotate_at <= now {
            self.exchange_neighbour(now, rng);
        }
        self.plan(now, rng);
    }

    fn next_timeout(&self) -> Option<Duration> {
        if self.has_left {
            return None;
        }
        self.timeouts().into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<OutEvent<Message>> {
        self.events.pop_front()
    }

    /// This node and its neighbours. Generations and incarnations are not known here: 0.
    fn members(&self) -> Vec<Member> {
        let own = [self.own].into_iter();
        let mut members: Vec<Member> = own.chain(self.active.entries()).map(member).collect();
        members.sort_unstable_by_key(|member| member.node);
        members
    }
}

/// A neighbour as the face of membership shows it.
pub(super) fn member(entry: Entry) -> Member {
    Member {
        node: entry.node,
        address: entry.address,
        generation: Generation::new(0),
        incarnation: 0,
        status: Status::Alive,
        metadata: Metadata::default(),
        reliability: Reliability::default(),
    }
}

/// A duration, give or take a quarter, so that nodes do not move in step.
pub(super) fn varied(duration: Duration, rng: &mut impl Rng) -> Duration {
    duration * rng.random_range(75..=125) / 100
}
