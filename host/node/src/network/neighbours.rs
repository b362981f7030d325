//! Partial views within the driver: sessions are those of the active view.
//!
//! The view says whom to speak to. If there is no session one is made, and what is to be said waits
//! for it. A session whose peer is no neighbour serves the view alone: nobody else hears of it, and
//! it ends after a while ([`Loose`]). When the two become neighbours, everybody hears of it, and
//! until then nothing else that comes through it counts.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::circles::Circles;
use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::Membership as _;
use replicant_protocol::membership::hyparview::{Entry, HyParView};
use replicant_protocol::scores::Offence;
use replicant_protocol::session::CloseReason;

use super::circles;
use super::config::NetworkConfig;
use super::dial_plan::{Dialed, Target};
use super::driver::Driver;
use super::loose::Loose;
use super::outbox::Lane;
use super::sessions::Link;
use super::waiting::Waiting;

/// How many seeds that were reached may be on their way to become contacts.
const CONTACTS_MAX: usize = 64;

/// How many nodes of an earlier run are tried at once by a node that knows nobody any more.
const REMEMBERED_AT_ONCE: usize = 32;

/// What the driver keeps beside the view.
pub(super) struct Neighbourhood {
    /// Neighbours of whom the layers above know.
    pub(super) up: BTreeSet<NodeId>,
    /// Who is a neighbour in some circle.
    pub(super) held: BTreeSet<NodeId>,
    pub(super) circles: Circles,
    pub(super) loose: Loose,
    waiting: Waiting,
    /// Seeds that answered and whose session is about to be used.
    contacts: BTreeSet<NodeId>,
    /// Nodes of an earlier run that the view was not told of.
    remembered: Vec<Entry>,
    /// How long a dial may take.
    dial_limit: Duration,
    /// What of the view's counts is counted.
    counted: replicant_protocol::membership::hyparview::Counts,
    /// What of the circles' counts is counted.
    pub(super) circles_counted: replicant_protocol::circles::Counts,
}

impl Neighbourhood {
    /// Starts a view with what is remembered of an earlier run.
    pub(super) fn new(
        config: &NetworkConfig,
        own: Entry,
        view: &mut HyParView,
        now: Duration,
        rng: &mut ChaCha20Rng,
    ) -> Self {
        let remembered = config.remembered.iter();
        let remembered = remembered.map(|(node, address)| Entry {
            node: *node,
            address: *address,
        });
        let mut remembered: Vec<Entry> = remembered.collect();
        remembered.shuffle(rng);
        let later = remembered.split_off(remembered.len().min(config.hyparview.passive_max));
        for entry in remembered {
            view.handle_acquaintance(now, entry, rng);
        }
        let limits = &config.limits;
        Self {
            up: BTreeSet::new(),
            held: BTreeSet::new(),
            circles: circles::start(config, own, now, rng),
            loose: Loose::new(config.hyparview.request_timeout * 2),
            waiting: Waiting::default(),
            contacts: BTreeSet::new(),
            remembered: later,
            dial_limit: limits.dial_timeout + config.session.handshake_timeout,
            counted: Default::default(),
            circles_counted: Default::default(),
        }
    }

    /// A node that is no neighbour says something.
    pub(super) fn keep(&mut self, now: Duration, node: &NodeId) {
        self.loose.keep(now, node);
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let timers = [self.loose.next_timeout(), self.waiting.next_timeout()];
        timers.into_iter().flatten().min()
    }

    /// When something is due in circles.
    pub(super) fn circles_timeout(&self) -> Option<Duration> {
        self.circles.next_timeout()
    }
}

impl Driver {
    /// Whether this node keeps partial views.
    pub(super) fn is_partial(&self) -> bool {
        self.neighbourhood.is_some()
    }

    /// A session is in use. With a full view everybody hears of it, else only the view.
    pub(super) fn begin_session(&mut self, now: Duration, link: &Link) {
        let (peer, address) = (link.peer.node, link.peer.address);
        let Some(neighbourhood) = &mut self.neighbourhood else {
            self.membership
                .handle_session_opened(now, peer, address, &mut self.rng);
            return self.tell_up(now, link);
        };
        let evicted = neighbourhood.loose.add(now, peer, link.remote.into());
        let waited = neighbourhood.waiting.take(&peer);
        let is_contact = neighbourhood.contacts.remove(&peer);
        for (lane, bytes) in waited {
            self.say_through(now, peer, lane, bytes);
        }
        self.membership
            .handle_session_opened(now, peer, address, &mut self.rng);
        if is_contact {
            self.name_contact(now, peer, address);
        }
        if let Some(evicted) = evicted {
            self.let_go(&evicted);
        }
    }

    /// A session is over.
    pub(super) fn end_session(&mut self, now: Duration, peer: NodeId) {
        let is_of_circles = self.neighbourhood.as_ref().is_some_and(|neighbourhood| {
            neighbourhood.held.contains(&peer) && !neighbourhood.up.contains(&peer)
        });
        // The view of all nodes had nothing to do with a session that circles held.
        if !is_of_circles {
            self.membership
                .handle_session_closed(now, peer, &mut self.rng);
        }
        match &mut self.neighbourhood {
            // The view says whether it was a neighbour.
            Some(neighbourhood) => {
                neighbourhood.loose.remove(&peer);
                neighbourhood.circles.handle_session_closed(now, peer);
            }
            None => self.tell_down(now, peer),
        }
    }

    /// Another node is a neighbour now.
    pub(super) fn handle_neighbour_up(&mut self, now: Duration, peer: NodeId) {
        let Some(neighbourhood) = &mut self.neighbourhood else {
            return;
        };
        let link = self.shared.sessions.get(&peer);
        match link.filter(|link| self.sessions.contains_key(&link.peer.node)) {
            Some(link) => {
                neighbourhood.loose.remove(&peer);
                if neighbourhood.up.insert(peer) {
                    tracing::debug!(peer = %peer.short(), "a neighbour");
                    self.tell_up(now, &link);
                }
            }
            // The session ended in between.
            None => self.end_session(now, peer),
        }
    }

    /// It is none any more.
    pub(super) fn handle_neighbour_down(&mut self, now: Duration, peer: NodeId) {
        let Some(neighbourhood) = &mut self.neighbourhood else {
            return;
        };
        if neighbourhood.up.remove(&peer) {
            tracing::debug!(peer = %peer.short(), "no neighbour any more");
            self.tell_down(now, peer);
        }
        self.loosen(now, peer);
    }

    /// A session is no neighbour's any more; it ends after a while if no circle holds it.
    pub(super) fn loosen(&mut self, now: Duration, peer: NodeId) {
        let link = self.shared.sessions.get(&peer);
        let link = link.filter(|link| self.is_current(link));
        let neighbourhood = self.neighbourhood.as_mut();
        if let (Some(link), Some(neighbourhood)) = (link, neighbourhood) {
            link.set_heard(false);
            if neighbourhood.held.contains(&peer) {
                return;
            }
            let evicted = neighbourhood.loose.add(now, peer, link.remote.into());
            if let Some(evicted) = evicted {
                self.let_go(&evicted);
            }
        }
    }

    /// Ends a session after what waits for its peer.
    fn let_go(&self, peer: &NodeId) {
        if let Some(link) = self.shared.sessions.get(peer) {
            link.outbox.close(CloseReason::Idle);
        }
    }

    /// Says something of membership or circles through the session with a node.
    pub(super) fn say_through(&mut self, now: Duration, to: NodeId, lane: Lane, bytes: Vec<u8>) {
        self.shared.send(&to, lane, bytes);
        if let Some(neighbourhood) = &mut self.neighbourhood {
            neighbourhood.loose.keep(now, &to);
        }
    }

    /// Something of membership or circles is for a node without a session: one is made. With a full
    /// view the message is lost, since others follow; with partial views it waits.
    pub(super) fn say_after_dial(
        &mut self,
        now: Duration,
        to: NodeId,
        address: SocketAddr,
        lane: Lane,
        bytes: Vec<u8>,
    ) {
        if self.is_partial() && !self.is_enabled {
            return self.count_unsent();
        }
        let waits = self.neighbourhood.as_mut().is_some_and(|neighbourhood| {
            let until = now.saturating_add(neighbourhood.dial_limit);
            neighbourhood.waiting.add(until, to, lane, bytes)
        });
        if !waits {
            self.count_unsent();
        }
        if waits || !self.is_partial() {
            self.request_dial(now, to, address);
        }
    }

    /// A dial ended.
    pub(super) fn on_dialed(&mut self, now: Duration, target: Target, dialed: Dialed) {
        let is_named = self.plan.is_named(target);
        self.plan.handle_dialed(now, target, dialed, &mut self.rng);
        match (target, dialed) {
            (_, Dialed::Connected(node)) if is_named => {
                let link = self.shared.sessions.get(&node);
                let link = link.filter(|link| self.is_current(link));
                match (link, &mut self.neighbourhood) {
                    (Some(link), _) => self.name_contact(now, node, link.peer.address),
                    (None, Some(of)) if of.contacts.len() < CONTACTS_MAX => {
                        of.contacts.insert(node);
                    }
                    (None, _) => {}
                }
            }
            (Target::Member(node), Dialed::Failed | Dialed::Oneself | Dialed::Cancelled) => {
                self.give_up(now, node);
            }
            _ => {}
        }
    }

    /// Nobody answers where a node is said to be. With a full view that is for membership to find.
    fn give_up(&mut self, now: Duration, node: NodeId) {
        let Some(neighbourhood) = &mut self.neighbourhood else {
            return;
        };
        neighbourhood.waiting.take(&node);
        if !self.sessions.contains_key(&node) {
            neighbourhood.circles.handle_unreachable(now, node);
            self.membership
                .handle_session_closed(now, node, &mut self.rng);
        }
    }

    fn name_contact(&mut self, now: Duration, node: NodeId, address: SocketAddr) {
        if let Some(view) = self.membership.partial_mut() {
            view.handle_seed(now, Entry { node, address }, &mut self.rng);
        }
    }

    /// Does what is due beside the view.
    pub(super) fn handle_neighbourhood_timeout(&mut self, now: Duration) {
        let Some(neighbourhood) = &mut self.neighbourhood else {
            return;
        };
        let (ended, late) = (
            neighbourhood.loose.expire(now),
            neighbourhood.waiting.expire(now),
        );
        for peer in &ended {
            self.let_go(peer);
        }
        for node in late {
            self.give_up(now, node);
        }
        self.recall(now);
        self.handle_circles_timeout(now);
    }

    /// A node that knows nobody any more tries those that it remembers of an earlier run.
    fn recall(&mut self, now: Duration) {
        let (Some(neighbourhood), Some(view)) =
            (&mut self.neighbourhood, self.membership.partial_mut())
        else {
            return;
        };
        let (neighbours_count, _) = view.neighbours_count();
        self.plan.set_alone(now, neighbours_count == 0);
        if neighbours_count > 0 || view.passive_count() > 0 || !self.is_enabled {
            return;
        }
        let left = neighbourhood.remembered.len();
        let some = neighbourhood
            .remembered
            .split_off(left.saturating_sub(REMEMBERED_AT_ONCE));
        for entry in some {
            view.handle_acquaintance(now, entry, &mut self.rng);
        }
    }

    /// Tells the view whom the tree of everybody leads through, before it chooses who gives way.
    pub(super) fn prefer_branches(&mut self) {
        let (Some(neighbourhood), Some(view)) =
            (&self.neighbourhood, self.membership.partial_mut())
        else {
            return;
        };
        for peer in &neighbourhood.up {
            view.handle_preference(peer, self.overlays.trees.is_eager(&None, peer));
        }
    }

    /// Weighs what peers did that correct ones do seldom, and counts what happened in the view.
    pub(super) fn weigh_offences(&mut self, now: Duration) {
        self.weigh_circles(now);
        let in_trees = self.overlays.trees.take_offences();
        self.weigh(now, "in a broadcast tree", in_trees);
        let in_topics = self.overlays.offenders.take();
        self.weigh(now, "in topics", in_topics);
        let facts = self.facts.take_offences();
        self.weigh(now, "with facts of its own", facts);
        self.weigh_accusations(now);
        let (Some(neighbourhood), Some(view)) =
            (&mut self.neighbourhood, self.membership.partial_mut())
        else {
            return;
        };
        let counts = view.counts();
        self.shared
            .counters
            .add_views(&counts, &neighbourhood.counted);
        neighbourhood.counted = counts;
        let in_view = view.take_offences();
        self.weigh(now, "among partial views", in_view);
    }

    /// The same with a full view, where members accuse each other.
    fn weigh_accusations(&mut self, now: Duration) {
        let Some(swim) = self.membership.full_mut() else {
            return;
        };
        let (counts, accusations) = (swim.counts(), swim.take_offences());
        let counted = std::mem::replace(&mut self.accusations_counted, counts);
        self.shared.counters.add_members(&counts, &counted);
        self.weigh(now, "with accusations", accusations);
    }

    /// Weighs what peers did somewhere, and punishes those that did it again and again.
    pub(super) fn weigh<O: Offence + Debug>(
        &mut self,
        now: Duration,
        place: &str,
        did: impl IntoIterator<Item = (NodeId, O)>,
    ) {
        for (peer, did) in did {
            if self.shared.behaviour.weigh(now, peer, &did) {
                self.punish(peer, &format_args!("{place}, again and again: {did:?}"));
            }
        }
    }
}
