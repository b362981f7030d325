//! Circles within the driver: with partial views, what is said in a topic travels among those that
//! listen, and along the tree of everybody as long as they are not found.
//!
//! A session whose peer is a neighbour in some circle is held ([`Neighbourhood`]); what else comes
//! through it counts no more than through a loose one.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::{Delivery, plumtree};
use replicant_protocol::circles::{self, Call, Circles, Counts, OutEvent};
use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::membership::hyparview::Entry;
use replicant_protocol::topics::SignedPublication;
use replicant_protocol::wire::{self, Payload};

use super::config::NetworkConfig;
use super::driver::Driver;
use super::neighbours::Neighbourhood;
use super::outbox::Lane;
use super::overlays::OverlayEvent;
use super::passing::Onward;
use super::statistics::{Count, Counters};

/// The circles of a node that keeps such views.
pub(super) fn start(
    config: &NetworkConfig,
    own: Entry,
    now: Duration,
    rng: &mut ChaCha20Rng,
) -> Circles {
    let settings = config.circles();
    Circles::new(settings, own, config.start, now, rng)
}

impl Counters {
    /// Counts what happened about circles since an earlier reading.
    pub(super) fn add_circles(&self, now: &Counts, before: &Counts) {
        for (count, now, before) in [
            (Count::CircleCalls, now.calls_count, before.calls_count),
            (
                Count::CircleCallsExcess,
                now.excess_calls_count,
                before.excess_calls_count,
            ),
            (
                Count::CircleHandedIn,
                now.handed_in_count,
                before.handed_in_count,
            ),
            (Count::CircleShared, now.shared_count, before.shared_count),
            (
                Count::CircleUntaken,
                now.untaken_count,
                before.untaken_count,
            ),
            (
                Count::CircleForbidden,
                now.forbidden_count,
                before.forbidden_count,
            ),
            (
                Count::CircleIgnored,
                now.ignored_count,
                before.ignored_count,
            ),
        ] {
            self.add_many(count, now - before);
        }
    }
}

impl Driver {
    fn circles(&mut self) -> Option<&mut Circles> {
        let neighbourhood = self.neighbourhood.as_mut();
        neighbourhood.map(|neighbourhood| &mut neighbourhood.circles)
    }

    /// What circles want done next.
    pub(super) fn poll_circles(&mut self) -> Option<OutEvent> {
        self.circles()?.poll_event()
    }

    /// Sends a publication to those that listen, or to everybody as long as they are not found.
    /// With partial views, if nobody asks who has it.
    pub(super) fn publish_in_circles(&mut self, now: Duration, signed: SignedPublication) {
        let topic = signed.publication().topic.clone();
        let is_shared = self
            .circles()
            .is_none_or(|circles| circles.handle_publish(now, &topic, signed.as_bytes()));
        if is_shared {
            self.broadcast(now, Payload::Publication(signed.as_bytes()));
        }
        if self.overlays.topics.hears(&topic) {
            self.overlays.events.push_back(OverlayEvent::Heard(signed));
        }
    }

    /// A peer says something about a circle.
    pub(super) fn on_circle_message(
        &mut self,
        now: Duration,
        from: NodeId,
        path: &TopicName,
        message: circles::Message,
    ) {
        let Some(neighbourhood) = &mut self.neighbourhood else {
            return self.punish(from, &"a message about a circle, with full views");
        };
        neighbourhood.keep(now, &from);
        let taken = neighbourhood.circles.on_message(now, from, path, message);
        if let Err(error) = taken {
            self.punish(from, &error);
        }
    }

    /// A call came along the tree of everybody.
    pub(super) fn on_call(&mut self, now: Duration, bytes: &[u8], delivery: Delivery) {
        let from = delivery.from;
        match Call::from_bytes(bytes) {
            Ok(call) if self.shared.is_node_revoked(&call.caller.node) => {}
            Ok(call) => {
                if self
                    .circles()
                    .is_some_and(|circles| circles.on_call(now, &call))
                {
                    self.overlays.accept(now, delivery);
                }
            }
            Err(error) => self.punish(from, &error),
        }
    }

    /// Carries out what circles want done.
    pub(super) fn on_circle(&mut self, now: Duration, event: OutEvent) {
        match event {
            OutEvent::Send {
                to,
                address,
                path,
                message,
            } => {
                let bytes = wire::Message::Circle(path, message).to_bytes();
                match self.shared.sessions.contains(&to) {
                    true => self.say_through(now, to, Lane::Data, bytes),
                    false => self.say_after_dial(now, to, address, Lane::Data, bytes),
                }
            }
            OutEvent::SendInTree { to, path, message } => {
                self.send_in_circle(now, &to, &path, message);
            }
            OutEvent::Hold(peer) => self.hold(now, peer),
            OutEvent::LetGo(peer) => self.let_go_of_circle(now, peer),
            OutEvent::Call(call) => {
                let bytes = call.sign(&self.shared.config.identity);
                self.broadcast(now, Payload::Call(&bytes));
            }
            OutEvent::SayToAll(said) => self.broadcast(now, Payload::Publication(&said)),
            OutEvent::Deliver { path, delivery } => self.on_circle_delivery(now, &path, delivery),
        }
    }

    fn send_in_circle(
        &mut self,
        now: Duration,
        to: &[NodeId],
        path: &TopicName,
        message: plumtree::Message,
    ) {
        let said = circles::Message::Tree(message.clone());
        let bytes = wire::Message::Circle(path.clone(), said).to_bytes();
        let unsent = self.shared.send_to_all(to, Lane::Data, bytes);
        if let Some(circles) = self.circles() {
            for peer in unsent {
                circles.handle_unsent(now, peer, path, &message);
            }
        }
    }

    /// Somebody said something in a circle, and it came here for the first time that way.
    fn on_circle_delivery(&mut self, now: Duration, path: &TopicName, delivery: Delivery) {
        let overlays = &mut self.overlays;
        let onward = overlays.look(now, delivery.from, Some(path), &delivery.payload);
        let Some(onward) = onward else {
            return;
        };
        if let Onward::Heard(signed) = onward {
            // What is to be acknowledged takes the shared tree.
            overlays.events.push_back(OverlayEvent::Heard(signed));
        }
        if let Some(circles) = self.circles() {
            circles.handle_accepted(now, path, delivery);
        }
    }

    /// A peer is a neighbour in some circle: its session is held.
    fn hold(&mut self, now: Duration, peer: NodeId) {
        let has_session = self.sessions.contains_key(&peer);
        let Some(neighbourhood) = &mut self.neighbourhood else {
            return;
        };
        match has_session {
            true => neighbourhood.hold(peer),
            // The session ended in between.
            false => neighbourhood.circles.handle_session_closed(now, peer),
        }
    }

    /// It is in none any more.
    fn let_go_of_circle(&mut self, now: Duration, peer: NodeId) {
        let neighbourhood = self.neighbourhood.as_mut();
        if neighbourhood.is_some_and(|neighbourhood| neighbourhood.let_go(&peer)) {
            self.loosen(now, peer);
        }
    }

    /// Brings circles in line with what is listened to.
    pub(super) fn handle_circle(&mut self, path: &TopicName, is_wanted: bool) {
        let now = self.shared.clock.now();
        if let Some(circles) = self.circles() {
            match is_wanted {
                true => circles.handle_subscribe(now, path),
                false => circles.handle_unsubscribe(now, path),
            }
        }
    }

    /// Does what is due in circles, and weighs what peers did there.
    pub(super) fn handle_circles_timeout(&mut self, now: Duration) {
        if !self.is_awake() {
            return;
        }
        if let Some(circles) = self.circles()
            && circles.next_timeout().is_some_and(|at| at <= now)
        {
            circles.handle_timeout(now);
        }
    }

    /// Weighs what peers did in circles that correct ones do seldom.
    pub(super) fn weigh_circles(&mut self, now: Duration) {
        let Some(neighbourhood) = &mut self.neighbourhood else {
            return;
        };
        let circles = &mut neighbourhood.circles;
        let (views, trees) = (circles.take_view_offences(), circles.take_tree_offences());
        let counts = circles.counts();
        let counted = std::mem::replace(&mut neighbourhood.circles_counted, counts);
        self.shared.counters.add_circles(&counts, &counted);
        self.weigh(now, "in a circle", views);
        self.weigh(now, "in the tree of a circle", trees);
    }
}

impl Neighbourhood {
    fn hold(&mut self, peer: NodeId) {
        self.loose.remove(&peer);
        self.held.insert(peer);
    }

    /// Whether its session is loose now.
    fn let_go(&mut self, peer: &NodeId) -> bool {
        self.held.remove(peer) && !self.up.contains(peer)
    }
}
