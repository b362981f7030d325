//! Broadcast within the driver: the tree of all members, a tree for each overlay that is open, and
//! what travels in them.
//!
//! A tree's links follow from who is part of it (`topics::Cycles`); of those the ones are used to
//! whom there is a session. What a peer sends in a topic whose overlay is not open here is weighed
//! before the overlay opens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::acknowledgement::Acknowledged;
use replicant_protocol::broadcast::acknowledging::{self, Acknowledging};
use replicant_protocol::broadcast::plumtree::{self, MessageError};
use replicant_protocol::broadcast::{self, BroadcastError, Delivery, rapid};
use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::scores::Offenders;
use replicant_protocol::topics::{
    self, Cycles, Forbidden, LinkChanges, OpenError, PublicationError, SignedPublication, Verdict,
};

use super::rapids::Rapids;
use super::statistics::Count;
use super::strangers::{Came, Strangers};
use super::trees::{Reach, Trees};
use super::unheard::Unheard;

/// The label of the tree of all members; no topic has it.
const EVERYBODY: &str = "";

/// What a tree is for: everybody, or the audience of a path.
pub(super) type Scope = Option<TopicName>;

/// What the driver has to do for broadcast.
#[derive(Debug)]
pub(super) enum OverlayEvent {
    /// Send a message within a tree; say if it does not go out ([`Overlays::handle_unsent`]).
    Send {
        scope: Scope,
        to: Vec<NodeId>,
        message: plumtree::Message,
    },
    /// Send a message of rapid broadcast.
    SendRapidly {
        scope: Scope,
        to: Vec<NodeId>,
        message: rapid::Message,
    },
    /// Hand a publication to members of its audience.
    HandIn {
        to: Vec<NodeId>,
        signed: SignedPublication,
    },
    /// Look at something that is for everybody, and hand it back to [`Overlays::accept`].
    Deliver(Delivery),
    /// Look at something that is for everybody and came rapidly, and hand it back to
    /// [`Overlays::accept_rapidly`].
    DeliverRapidly(Delivery),
    /// Somebody said something that is heard here.
    Heard(SignedPublication),
    /// Tell a peer who has a publication; say if it does not go out
    /// ([`Overlays::handle_unacknowledged`]).
    Acknowledge {
        to: NodeId,
        message: acknowledging::Message,
    },
    /// What came back of a publication of this node that asked for it.
    Acknowledged(Acknowledged),
    /// Tell the members what this node subscribes to.
    Subscribed(Vec<TopicName>),
    /// A peer passed on what no correct node passes on.
    Misbehaved {
        peer: NodeId,
        error: PublicationError,
    },
    /// A peer passed on what its author may not say.
    Forbidden { peer: NodeId, what: Forbidden },
    /// Count something.
    Counted(Count),
}

/// All trees of the node, and the state of topics.
///
/// Invariant: there is a tree for everybody, and exactly one for each path whose overlay is open.
pub(super) struct Overlays {
    pub(super) topics: topics::State,
    own: NodeId,
    /// The links of the tree of everybody, computed from who is a member. None: they are the
    /// neighbours.
    pub(super) everybody: Option<Cycles>,
    pub(super) trees: Trees,
    pub(super) rapids: Rapids,
    strangers: Strangers,
    pub(super) unheard: Unheard,
    pub(super) acknowledging: Acknowledging,
    /// Peers that open overlays without end, or name nodes that cannot have heard anything.
    pub(super) offenders: Offenders,
    pub(super) rng: ChaCha20Rng,
    pub(super) events: VecDeque<OverlayEvent>,
}

impl Overlays {
    pub(super) fn new(
        own: NodeId,
        topics: topics::State,
        (tree, rapid): (plumtree::Config, &rapid::Config),
        cycles_count: usize,
        now: Duration,
        rng: &mut ChaCha20Rng,
    ) -> Self {
        let mut everybody = Cycles::new(EVERYBODY, own, cycles_count);
        everybody.insert(own);
        Self {
            topics,
            own,
            everybody: Some(everybody),
            trees: Trees::new(own, tree, now, rng),
            rapids: Rapids::new(own, rapid, rng),
            strangers: Strangers::default(),
            unheard: Unheard::default(),
            acknowledging: Acknowledging::new(own, acknowledging::Config::default()),
            offenders: Offenders::default(),
            rng: ChaCha20Rng::from_rng(rng),
            events: VecDeque::new(),
        }
    }

    pub(super) fn own(&self) -> NodeId {
        self.own
    }

    /// There is a session with a peer now; with partial views, it is a neighbour.
    pub(super) fn handle_session_up(&mut self, now: Duration, peer: NodeId) {
        self.trees.handle_session_up(now, peer);
        match self.everybody {
            Some(_) => self.rapids.handle_session_up(now, peer),
            None => self.trees.link(now, &None, peer),
        }
    }

    /// There is none any more.
    pub(super) fn handle_session_down(&mut self, now: Duration, peer: NodeId) {
        self.trees.handle_session_down(now, peer);
        match self.everybody {
            Some(_) => self.rapids.handle_session_down(now, peer),
            None => self.trees.unlink(now, &None, peer),
        }
        self.acknowledging.handle_neighbour_down(&peer);
    }

    /// A member is there, and subscribes to these paths.
    pub(super) fn handle_member(&mut self, now: Duration, node: NodeId, paths: &[TopicName]) {
        self.set_member(now, node, true);
        let missed = self.unheard_by(now, &node);
        self.topics.handle_member(node, paths);
        self.rapids.handle_member(node);
        self.relink(now);
        self.hand_in_late(now, &node, missed);
        for came in self.strangers.take(&node) {
            self.bring_again(now, came);
        }
    }

    /// A member is gone.
    pub(super) fn handle_member_gone(&mut self, now: Duration, node: NodeId) {
        self.set_member(now, node, false);
        self.topics.handle_member_gone(node);
        self.rapids.handle_member_gone(now, &node);
        self.relink(now);
        self.acknowledging.handle_gone(now, &node);
    }

    fn set_member(&mut self, now: Duration, node: NodeId, is_there: bool) {
        let Some(everybody) = &mut self.everybody else {
            return;
        };
        match is_there {
            true => everybody.insert(node),
            false => everybody.remove(node),
        }
        let LinkChanges { down, up } = everybody.relink();
        let count = everybody.len();
        for peer in down {
            self.trees.unlink(now, &None, peer);
        }
        for peer in up {
            self.trees.link(now, &None, peer);
        }
        self.trees.set_size(&None, count);
    }

    /// Carries over what changed in the links of topics.
    fn relink(&mut self, now: Duration) {
        while let Some(event) = self.topics.poll_event() {
            match event {
                topics::OutEvent::NeighbourUp { topic, peer } => {
                    self.trees.link(now, &Some(topic), peer);
                }
                topics::OutEvent::NeighbourDown { topic, peer } => {
                    self.trees.unlink(now, &Some(topic), peer);
                }
                topics::OutEvent::Closed(topic) => self.trees.close(&Some(topic)),
                topics::OutEvent::Subscribed(paths) => {
                    self.rapids.forget_audiences();
                    self.events.push_back(OverlayEvent::Subscribed(paths));
                }
            }
        }
    }

    /// Says something to everybody.
    pub(super) fn broadcast(
        &mut self,
        now: Duration,
        payload: Arc<[u8]>,
    ) -> Result<(), BroadcastError> {
        self.trees.broadcast(now, &None, payload)
    }

    /// Passes something on that was for everybody and turned out to hold.
    pub(super) fn accept(&mut self, now: Duration, delivery: Delivery) {
        self.trees.accept(now, &None, delivery);
    }

    /// A message did not go out to some, for whom too much waits.
    pub(super) fn handle_unsent(
        &mut self,
        now: Duration,
        scope: &Scope,
        to: &[NodeId],
        message: &plumtree::Message,
    ) {
        self.trees.handle_unsent(now, scope, to, message);
    }

    /// Says something in the tree of its topic, for whomever it came from. How far the tree leads.
    pub(super) fn say(&mut self, now: Duration, signed: &SignedPublication, by: NodeId) -> Reach {
        let path = match self.topics.open(now, &signed.publication().topic, by) {
            Ok(path) => path,
            Err(error) => {
                self.count_unopened(error);
                return Reach::Nobody;
            }
        };
        let scope = self.opened(now, path);
        // No publication is larger than a payload may be.
        match self.trees.broadcast(now, &scope, signed.as_bytes().clone()) {
            Ok(()) => self.trees.reach(&scope),
            Err(_) => Reach::Nobody,
        }
    }

    pub(super) fn count_unopened(&mut self, error: OpenError) {
        if let OpenError::TooMany { peer } = error {
            tracing::debug!(peer = %peer.short(), "an overlay stays closed: {error}");
            self.count(Count::TopicOpeningsRefused);
            self.offenders.add(peer);
        }
    }

    /// The overlay of a path is open: there is a tree, with its links.
    pub(super) fn opened(&mut self, now: Duration, path: TopicName) -> Scope {
        let audience_count = self.topics.overlay_len(&path);
        let scope = Some(path);
        // The tree has to be there before its links come.
        self.trees.open(now, &scope, audience_count);
        self.relink(now);
        scope
    }

    /// Takes a message of a tree.
    pub(super) fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        scope: &Scope,
        message: plumtree::Message,
    ) -> Result<(), MessageError> {
        let Some(path) = scope else {
            return self.trees.on_message(now, from, scope, message);
        };
        if self.topics.is_open(path) {
            return self.trees.on_message(now, from, scope, message);
        }
        match &message {
            plumtree::Message::Gossip { payload, .. } => {
                let payload = payload.clone();
                self.on_first_gossip(now, from, path, payload, message)
            }
            // A tree that is not there has nothing to give and no links.
            plumtree::Message::Graft { .. } | plumtree::Message::Prune => Ok(()),
            plumtree::Message::Beacon { .. } | plumtree::Message::IHave { .. } => {
                match self.topics.open_for(now, path, from) {
                    Ok(()) => {
                        let scope = self.opened(now, path.clone());
                        self.trees.on_message(now, from, &scope, message)
                    }
                    Err(error) => {
                        self.count_unopened(error);
                        Ok(())
                    }
                }
            }
        }
    }

    /// A publication comes in the tree of a path that is not open here. The path may be one that
    /// the peer takes for a subscribed one, and this node does not.
    fn on_first_gossip(
        &mut self,
        now: Duration,
        from: NodeId,
        path: &TopicName,
        payload: Arc<[u8]>,
        message: plumtree::Message,
    ) -> Result<(), MessageError> {
        match self.topics.weigh(Some(path), &payload) {
            Ok(Verdict::First(signed)) => {
                let topic = &signed.publication().topic;
                match self.topics.open(now, topic, from) {
                    Ok(opened) if opened == *path => {
                        let scope = self.opened(now, opened);
                        return self.trees.on_message(now, from, &scope, message);
                    }
                    // It travels in another tree; that it opened for it was counted.
                    Ok(opened) => {
                        self.opened(now, opened);
                    }
                    Err(error) => self.count_unopened(error),
                }
                self.take_loose(now, from, Some(path), &payload);
            }
            Ok(Verdict::UnknownAuthor(author)) => {
                let scope = Some(path.clone());
                let came = Came::Message(from, scope, message);
                self.hold(now, author, came);
            }
            Ok(Verdict::Again | Verdict::NotHeard) => {}
            Ok(Verdict::Forbidden(what)) => self.forbid(from, what),
            Err(error) => self.blame(from, error),
        }
        Ok(())
    }

    /// Takes a publication that did not come along the tree in which it travels from here.
    pub(super) fn take_loose(
        &mut self,
        now: Duration,
        from: NodeId,
        path: Option<&TopicName>,
        bytes: &[u8],
    ) {
        match self.topics.on_publication(path, bytes) {
            Ok(Verdict::First(signed)) => {
                self.say(now, &signed, from);
                self.hear(now, from, signed);
            }
            Ok(Verdict::UnknownAuthor(author)) => {
                let path = path.cloned();
                self.hold(now, author, Came::Loose(from, path, bytes.into()));
            }
            Ok(Verdict::Again | Verdict::NotHeard) => {}
            Ok(Verdict::Forbidden(what)) => self.forbid(from, what),
            Err(error) => self.blame(from, error),
        }
    }

    /// Something came along a tree for the first time: looks at it before it is passed on.
    fn on_delivery(&mut self, now: Duration, path: &TopicName, delivery: Delivery) {
        match self.topics.on_publication(Some(path), &delivery.payload) {
            Ok(Verdict::First(signed)) => {
                let from = delivery.from;
                self.trees.accept(now, &Some(path.clone()), delivery);
                let topic = &signed.publication().topic;
                if self.topics.path_of(topic).is_some_and(|own| own != path) {
                    // The peer does not know, or not any more, of what somebody subscribes to.
                    self.say(now, &signed, from);
                }
                self.hear(now, from, signed);
            }
            Ok(Verdict::UnknownAuthor(author)) => {
                self.hold(now, author, Came::Delivery(path.clone(), delivery));
            }
            Ok(Verdict::Again | Verdict::NotHeard) => {}
            Ok(Verdict::Forbidden(what)) => self.forbid(delivery.from, what),
            Err(error) => self.blame(delivery.from, error),
        }
    }

    pub(super) fn blame(&mut self, peer: NodeId, error: PublicationError) {
        let event = OverlayEvent::Misbehaved { peer, error };
        self.events.push_back(event);
    }

    /// Holds something until its author is known.
    pub(super) fn hold(&mut self, now: Duration, author: NodeId, came: Came) {
        let dropped = self.strangers.hold(now, author, came);
        self.count_strangers(dropped);
    }

    fn count_strangers(&mut self, dropped: usize) {
        for _ in 0..dropped {
            self.count(Count::PublicationsOfStrangers);
        }
    }

    pub(super) fn count(&mut self, count: Count) {
        self.events.push_back(OverlayEvent::Counted(count));
    }

    /// The author of something that was held is known now.
    fn bring_again(&mut self, now: Duration, came: Came) {
        match came {
            Came::Message(from, scope, message) => {
                // It was weighed before: it is well formed.
                let _ = self.on_message(now, from, &scope, message);
            }
            Came::Delivery(path, delivery) => self.on_delivery(now, &path, delivery),
            Came::Rapidly(path, delivery) => self.on_rapid_delivery(now, &path, delivery),
            Came::Loose(from, path, bytes) => self.take_loose(now, from, path.as_ref(), &bytes),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        self.trees.handle_timeout(now);
        self.rapids.handle_timeout(now);
        let dropped = self.strangers.expire(now);
        self.count_strangers(dropped);
        self.acknowledging.handle_timeout(now);
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let timers = [
            self.trees.next_timeout(),
            self.rapids.next_timeout(),
            self.strangers.expires_at(),
            self.acknowledging.next_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    /// What happened in all trees since this was last asked.
    pub(super) fn take_counts(&mut self) -> plumtree::Counts {
        self.trees.take_counts()
    }

    /// The next thing to do.
    pub(super) fn poll_event(&mut self, now: Duration) -> Option<OverlayEvent> {
        self.relink(now);
        loop {
            let event = self.events.pop_front();
            let event = event.or_else(|| self.poll_acknowledging());
            if let Some(event) = event.or_else(|| self.poll_rapids(now)) {
                return Some(event);
            }
            match self.trees.poll_event()? {
                (scope, broadcast::OutEvent::Send { to, message }) => {
                    return Some(OverlayEvent::Send { scope, to, message });
                }
                (None, broadcast::OutEvent::Deliver(delivery)) => {
                    return Some(OverlayEvent::Deliver(delivery));
                }
                (Some(path), broadcast::OutEvent::Deliver(delivery)) => {
                    self.on_delivery(now, &path, delivery);
                }
            }
        }
    }
}
