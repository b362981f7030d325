//! The state of a node's circles: which input goes where.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::allowance::Allowance;
use crate::broadcast::{self, Broadcast as _, plumtree};
use crate::ids::{NodeId, TopicName};
use crate::membership::hyparview::{self, Entry};
use crate::membership::{self, Membership as _};

use super::callers::Callers;
use super::circle::Circle;
use super::finding::Seek;
use super::hand_ins::HandIns;
use super::known::Known;
use super::{Config, Message, MessageError, OutEvent, Wish};

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that this node made.
    pub calls_count: u64,
    /// Calls of others that were not taken: too many of one caller, or of all.
    pub excess_calls_count: u64,
    /// Publications that were handed in to members of a circle.
    pub handed_in_count: u64,
    /// Publications of this node that took the shared tree, since a circle was not found, or
    /// somebody listens outside of it.
    pub shared_count: u64,
    /// Publications that took it later, since nobody took them.
    pub untaken_count: u64,
    /// Requests of nodes that may not subscribe, and dials of such that others named.
    pub forbidden_count: u64,
    /// Answers that nobody waits for, or any more since an earlier one was enough, and questions
    /// beyond the rate.
    pub ignored_count: u64,
}

/// All circles of a node.
///
/// # Operating it
///
/// Tell it what this node subscribes to ([`handle_subscribe`](Self::handle_subscribe),
/// [`handle_unsubscribe`](Self::handle_unsubscribe)), who is a neighbour among all nodes
/// ([`handle_neighbour_up`](Self::handle_neighbour_up), `…_down`), which sessions end
/// ([`handle_session_closed`](Self::handle_session_closed)) and who cannot be dialed
/// ([`handle_unreachable`](Self::handle_unreachable)). Give it messages of peers
/// ([`on_message`](Self::on_message)) and calls that came along the shared tree
/// ([`on_call`](Self::on_call)). Ask it where a publication goes
/// ([`handle_publish`](Self::handle_publish)). After each input drain
/// [`poll_event`](Self::poll_event) and arm a timer for [`next_timeout`](Self::next_timeout).
///
/// Invariants: `held` counts in how many circles a node is a neighbour; a circle without
/// neighbours is sought.
#[derive(Debug)]
pub struct Circles {
    pub(super) config: Config,
    pub(super) own: Entry,
    pub(super) start: u64,
    pub(super) circles: BTreeMap<TopicName, Circle>,
    /// What this node listens to without being part of the circle, and when it says so again.
    pub(super) outside: BTreeMap<TopicName, Duration>,
    pub(super) known: Known,
    pub(super) seeks: BTreeMap<TopicName, Seek>,
    /// What to call for when the next call is due.
    pub(super) wanted: BTreeSet<(Wish, TopicName)>,
    pub(super) call_at: Duration,
    pub(super) callers: Callers,
    pub(super) answers: Allowance,
    /// Neighbours among all nodes.
    pub(super) neighbours: BTreeSet<NodeId>,
    held: BTreeMap<NodeId, usize>,
    pub(super) hand_ins: HandIns,
    /// Seeded at the start.
    pub(super) rng: ChaCha8Rng,
    pub(super) events: VecDeque<OutEvent>,
    pub(super) counts: Counts,
}

impl Circles {
    /// Starts with no circles. `start` has to be higher at every start of this node.
    pub fn new(config: Config, own: Entry, start: u64, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        Self {
            known: Known::new(config.known_paths_max),
            config,
            own,
            start,
            circles: BTreeMap::new(),
            outside: BTreeMap::new(),
            seeks: BTreeMap::new(),
            wanted: BTreeSet::new(),
            call_at: now,
            callers: Callers::default(),
            answers: Allowance::default(),
            neighbours: BTreeSet::new(),
            held: BTreeMap::new(),
            hand_ins: HandIns::default(),
            rng: ChaCha8Rng::from_rng(rng),
            events: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// This node listens to a path. It becomes part of its circle, or beyond
    /// [`Config::circles_max`] listens outside of it.
    pub fn handle_subscribe(&mut self, now: Duration, path: &TopicName) {
        if self.circles.contains_key(path) || self.outside.contains_key(path) {
            return;
        }
        if self.circles.len() >= self.config.circles_max {
            self.outside.insert(path.clone(), now);
            return;
        }
        let mut circle = Circle::new(&self.config, self.own, now, &mut self.rng);
        if self.known.is_called(now, path) {
            circle.set_formed(now, &self.config, &mut self.rng);
        }
        self.circles.insert(path.clone(), circle);
        self.seek(now, path);
        self.drain(now, path);
    }

    /// It does not any more. Who listened outside takes the place.
    pub fn handle_unsubscribe(&mut self, now: Duration, path: &TopicName) {
        self.outside.remove(path);
        if let Some(circle) = self.circles.get_mut(path) {
            let neighbours: Vec<Entry> = circle.view.neighbours().collect();
            circle.view.handle_leave(now, &mut self.rng);
            self.drain(now, path);
            for neighbour in neighbours {
                self.release(neighbour.node);
            }
            self.circles.remove(path);
        }
        self.seeks.remove(path);
        self.wanted.retain(|(_, wanted)| wanted != path);
        if self.circles.len() < self.config.circles_max
            && let Some((next, _)) = self.outside.pop_first()
        {
            self.handle_subscribe(now, &next);
        }
    }

    /// The session with a peer is over.
    pub fn handle_session_closed(&mut self, now: Duration, peer: NodeId) {
        let of_peer = self.circles.iter();
        let of_peer = of_peer.filter(|(_, circle)| circle.view.is_neighbour(&peer));
        let of_peer: Vec<TopicName> = of_peer.map(|(path, _)| path.clone()).collect();
        for path in of_peer {
            self.lose(now, &path, peer);
        }
    }

    /// A node cannot be reached, and what was meant for it was dropped.
    pub fn handle_unreachable(&mut self, now: Duration, node: NodeId) {
        self.known.remove_everywhere(&node);
        let paths: Vec<TopicName> = self.circles.keys().cloned().collect();
        for path in paths {
            self.lose(now, &path, node);
        }
        self.refused(None, &node);
    }

    pub(super) fn lose(&mut self, now: Duration, path: &TopicName, node: NodeId) {
        if let Some(circle) = self.circles.get_mut(path) {
            circle.view.handle_session_closed(now, node, &mut self.rng);
            self.drain(now, path);
        }
    }

    /// Takes a message of a peer about a circle.
    ///
    /// # Errors
    /// [`MessageError`]: the peer's fault; nothing changed.
    pub fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        path: &TopicName,
        message: Message,
    ) -> Result<(), MessageError> {
        match message {
            Message::View(message) => self.on_view(now, from, path, message)?,
            Message::Tree(message) => {
                if let Some(circle) = self.circles.get_mut(path) {
                    circle.tree.on_message(now, from, message)?;
                    self.drain(now, path);
                }
            }
            Message::HandIn(payload) => self.on_hand_in(from, path, payload),
            Message::Taken(id) => self.on_taken(path, from, &id),
            Message::NotHere => self.on_not_here(now, path, from),
            Message::Ask => self.on_ask(now, path, from),
            Message::Known {
                is_called,
                is_outside,
                entries,
            } => self.on_known(now, path, from, (is_called, is_outside), &entries),
        }
        Ok(())
    }

    fn on_view(
        &mut self,
        now: Duration,
        from: NodeId,
        path: &TopicName,
        message: hyparview::Message,
    ) -> Result<(), MessageError> {
        let may = self.config.rules.may_subscribe(from, path);
        self.counts.forbidden_count += u64::from(!may);
        match self.circles.get_mut(path).filter(|_| may) {
            Some(circle) => {
                let rng = &mut self.rng;
                circle.view.on_message(now, from, message, rng)?;
                self.drain(now, path);
            }
            // Who says goodbye wants no answer.
            None if matches!(message, hyparview::Message::Disconnect { .. }) => {}
            None => self.reply(from, path, Message::NotHere),
        }
        Ok(())
    }

    /// A message did not go out: too much waits for the neighbour already.
    pub fn handle_unsent(
        &mut self,
        now: Duration,
        to: NodeId,
        path: &TopicName,
        message: &plumtree::Message,
    ) {
        if let Some(circle) = self.circles.get_mut(path) {
            circle.tree.handle_unsent(now, to, message);
        }
    }

    /// Carries over what a circle's view and tree want.
    pub(super) fn drain(&mut self, now: Duration, path: &TopicName) {
        while let Some(circle) = self.circles.get_mut(path) {
            if let Some(event) = circle.view.poll_event() {
                self.on_view_event(now, path, event);
            } else if let Some(event) = circle.tree.poll_event() {
                let path = path.clone();
                self.events.push_back(match event {
                    broadcast::OutEvent::Send { to, message } => {
                        OutEvent::SendInTree { to, path, message }
                    }
                    broadcast::OutEvent::Deliver(delivery) => OutEvent::Deliver { path, delivery },
                });
            } else {
                break;
            }
        }
        self.seek_if_alone(now, path);
    }

    fn on_view_event(
        &mut self,
        now: Duration,
        path: &TopicName,
        event: membership::OutEvent<hyparview::Message>,
    ) {
        let Some(circle) = self.circles.get_mut(path) else {
            return;
        };
        match event {
            membership::OutEvent::Send {
                to,
                address,
                message,
            } if self.config.rules.may_subscribe(to, path) => {
                self.send(to, address, path, Message::View(message));
            }
            membership::OutEvent::Send { to, .. } => {
                self.counts.forbidden_count += 1;
                circle.view.handle_session_closed(now, to, &mut self.rng);
            }
            membership::OutEvent::MemberUp(member) => {
                circle.tree.handle_neighbour_up(now, member.node);
                self.hold(member.node);
            }
            membership::OutEvent::MemberDown(node) | membership::OutEvent::MemberLeft(node) => {
                circle.tree.handle_neighbour_down(now, node);
                self.release(node);
            }
            membership::OutEvent::MemberChanged(_)
            | membership::OutEvent::MemberSuspect(_)
            | membership::OutEvent::MemberRefuted(_) => {}
        }
    }

    fn hold(&mut self, node: NodeId) {
        let count = self.held.entry(node).or_default();
        *count += 1;
        if *count == 1 {
            self.events.push_back(OutEvent::Hold(node));
        }
    }

    fn release(&mut self, node: NodeId) {
        let Some(count) = self.held.get_mut(&node) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.held.remove(&node);
            self.events.push_back(OutEvent::LetGo(node));
        }
    }

    pub(super) fn send(
        &mut self,
        to: NodeId,
        address: SocketAddr,
        path: &TopicName,
        message: Message,
    ) {
        self.events.push_back(OutEvent::Send {
            to,
            address,
            path: path.clone(),
            message,
        });
    }

    /// Answers a message.
    pub(super) fn reply(&mut self, to: NodeId, path: &TopicName, message: Message) {
        // There is a session: the message came through it.
        self.send(to, self.own.address, path, message);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        let due = self.circles.iter();
        let due = due.filter(|(_, circle)| circle.next_timeout().is_some_and(|at| at <= now));
        let due: Vec<TopicName> = due.map(|(path, _)| path.clone()).collect();
        for path in due {
            if let Some(circle) = self.circles.get_mut(&path) {
                circle.handle_timeout(now, &mut self.rng);
                self.drain(now, &path);
            }
        }
        self.give_up_hand_ins(now);
        self.announce(now);
        self.go_on_seeking(now);
        self.call(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        let circles = self.circles.values();
        let circles = circles.flat_map(|it| it.next_timeout().into_iter().chain([it.announce_at]));
        let outside = self.outside.values().copied();
        let seeks = self.seeks.values().filter_map(Seek::due_at);
        let may_call = !self.wanted.is_empty() && !self.neighbours.is_empty();
        let others = [
            self.hand_ins.next_timeout(),
            may_call.then_some(self.call_at),
        ];
        let others = others.into_iter().flatten();
        circles.chain(outside).chain(seeks).chain(others).min()
    }

    /// The next thing to do.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Of which circles this node is part, and how many neighbours it has in each.
    pub fn circles(&self) -> impl Iterator<Item = (&TopicName, usize)> {
        let circles = self.circles.iter();
        circles.map(|(path, circle)| (path, circle.view.neighbours_count().0))
    }

    /// Who is a neighbour in some circle.
    pub fn held(&self) -> impl Iterator<Item = &NodeId> {
        self.held.keys()
    }

    /// What this node listens to outside of circles.
    pub fn outside(&self) -> impl Iterator<Item = &TopicName> {
        self.outside.keys()
    }

    /// What happened in a circle's tree so far.
    pub fn tree_counts(&self, path: &TopicName) -> Option<plumtree::Counts> {
        Some(self.circles.get(path)?.tree.counts())
    }

    /// What peers did in views that they should not have, since this was last asked.
    pub fn take_view_offences(&mut self) -> Vec<(NodeId, hyparview::Offences)> {
        let circles = self.circles.values_mut();
        circles.flat_map(|it| it.view.take_offences()).collect()
    }

    /// And in trees.
    pub fn take_tree_offences(&mut self) -> Vec<(NodeId, plumtree::Offences)> {
        let circles = self.circles.values_mut();
        circles.flat_map(|it| it.tree.take_offences()).collect()
    }
}
