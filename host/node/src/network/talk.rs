//! What programs say, within the driver: publications in topics, and messages to one node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::broadcast::acknowledgement::{Acknowledged, Ask, Wanted};
use replicant_protocol::broadcast::{Delivery, acknowledging, plumtree, rapid};
use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::membership::{self, Member, Metadata, MetadataError};
use replicant_protocol::topics::{self, Forbidden, SignedPublication};
use replicant_protocol::wire::{self, Application, Payload};
use tokio::sync::oneshot;

use super::config::NetworkConfig;
use super::driver::Driver;
use super::outbox::Lane;
use super::overlays::{OverlayEvent, Scope};
use super::statistics::Count;
use crate::vocabulary::{Acknowledgements, Heard, NodeError, Published, Strategy, Subscription};
use crate::wall_clock::wall_ms;

// What a node may subscribe to has to fit what membership spreads.
const _: () = assert!(
    topics::SUBSCRIPTIONS_MAX <= membership::SUBSCRIPTIONS_MAX
        && topics::SUBSCRIPTIONS_BYTES_MAX <= membership::SUBSCRIPTIONS_BYTES_MAX
);
// Of every member that there can be, numbers of publications are remembered.
const _: () = assert!(topics::AUTHORS_MAX >= membership::MEMBERS_MAX + topics::GONE_MAX);

/// A request to say something in a topic.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) topic: TopicName,
    pub(super) payload: Vec<u8>,
    pub(super) strategy: Strategy,
    pub(super) ask: Option<Ask>,
    pub(super) answer: oneshot::Sender<Result<Said, NodeError>>,
}

/// Something was handed to the sessions.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) published: Published,
    /// Who has it, some time, if that was asked.
    pub(super) acknowledged: Option<oneshot::Receiver<Acknowledgements>>,
}

/// Who waits to hear who has a publication.
pub(super) struct Asked {
    /// Whether this node is part of the audience itself.
    is_own_counted: bool,
    /// Whether so many are enough: the others are then not waited for, and not missing.
    is_quorum: bool,
    answer: oneshot::Sender<Acknowledgements>,
}

/// What this node tells of itself with membership.
///
/// # Errors
/// [`MetadataError`] if it is too much: topics have the same bounds, and the rest was checked.
pub(super) fn metadata(
    config: &NetworkConfig,
    subscriptions: BTreeSet<TopicName>,
) -> Result<Metadata, MetadataError> {
    Metadata::new(subscriptions, config.metadata.clone().into_bytes())
}

impl Driver {
    /// Brings what this node subscribes to in line with what is listened to.
    pub(super) fn handle_subscriptions(&mut self, wanted: &BTreeSet<TopicName>) {
        let topics = &mut self.overlays.topics;
        let now: BTreeSet<TopicName> = topics.subscriptions().cloned().collect();
        for topic in now.difference(wanted) {
            topics.handle_unsubscribe(topic);
        }
        let mut new = Vec::new();
        for topic in wanted.difference(&now) {
            // Rules and bounds were checked where somebody began to listen.
            match topics.handle_subscribe(topic) {
                Ok(_) => new.push(topic),
                Err(error) => tracing::warn!(%topic, "not subscribed: {error}"),
            }
        }
        let gone = now.difference(wanted).map(|topic| (topic, false));
        for (topic, is_wanted) in gone.chain(new.into_iter().map(|topic| (topic, true))) {
            self.handle_circle(topic, is_wanted);
        }
    }

    /// Says something in a topic.
    pub(super) fn handle_publish(&mut self, publish: Publish) {
        let Publish {
            topic,
            payload,
            strategy,
            ask,
            answer,
        } = publish;
        let said = self.say(&topic, payload, strategy, ask);
        // It is handed to the sessions before whoever asked hears of it.
        self.drain();
        // Whoever asked may have stopped waiting.
        let _ = answer.send(said);
    }

    fn say(
        &mut self,
        topic: &TopicName,
        payload: Vec<u8>,
        strategy: Strategy,
        ask: Option<Ask>,
    ) -> Result<Said, NodeError> {
        let now = self.shared.clock.now();
        let identity = self.shared.config.identity.clone();
        let overlays = &mut self.overlays;
        let deadline = ask.map(|ask| ask.deadline);
        if self.neighbourhood.is_some() && ask.is_some_and(|ask| ask.wanted == Wanted::All) {
            return Err(NodeError::NeedsFullView {
                what: "who listens to a topic, so `all` cannot be waited for",
            });
        }
        let signed = overlays
            .topics
            .handle_publish(topic, payload, deadline, &identity)?;
        let is_partial = self.neighbourhood.is_some();
        let audience = (!is_partial).then(|| overlays.topics.audience(topic).len());
        let is_own_counted = overlays.topics.hears(topic);
        let asked = match strategy {
            // Acknowledgements go back along the tree of everybody.
            _ if is_partial && ask.is_some() => overlays.publish_to_all(now, signed, ask)?,
            _ if is_partial => {
                self.publish_in_circles(now, signed);
                None
            }
            Strategy::Rapid => overlays.publish_rapidly(now, signed, ask)?,
            Strategy::Tree => {
                let asked = ask.map(|ask| overlays.ask(now, &signed, ask));
                let asked = asked.transpose()?;
                overlays.publish(now, signed);
                asked
            }
        };
        let acknowledged = asked.map(|id| {
            let (answer, wait) = oneshot::channel();
            let waits = Asked {
                is_own_counted,
                is_quorum: ask.is_some_and(|ask| matches!(ask.wanted, Wanted::Quorum(_))),
                answer,
            };
            self.asked.insert(id, waits);
            wait
        });
        let published = Published { audience };
        Ok(Said {
            published,
            acknowledged,
        })
    }

    /// What came back of a publication.
    fn on_acknowledged(&mut self, told: Acknowledged) {
        let Some(asked) = self.asked.remove(&told.id) else {
            return;
        };
        let count = told.count as usize + usize::from(asked.is_own_counted);
        let audience = told.missing.as_ref().map(|missing| count + missing.len());
        let is_rest_unasked = asked.is_quorum && told.is_enough;
        let missing = told.missing.filter(|_| !is_rest_unasked);
        // Whoever asked may have stopped waiting.
        let _ = asked.answer.send(Acknowledgements {
            audience,
            count,
            is_enough: told.is_enough,
            missing: missing.unwrap_or_default(),
        });
    }

    fn acknowledge(&mut self, to: NodeId, message: acknowledging::Message) {
        let said = wire::Message::from(Application::Acknowledge(message.clone()));
        if !self.shared.send(&to, Lane::Data, said.to_bytes()) {
            self.overlays.handle_unacknowledged(&message);
        }
    }

    /// A peer says something rapidly.
    pub(super) fn on_rapid_message(
        &mut self,
        now: Duration,
        from: NodeId,
        scope: &Scope,
        message: rapid::Message,
    ) {
        let taken = self.overlays.on_rapid_message(now, from, scope, message);
        if let Err(error) = taken {
            self.punish(from, &error);
        }
    }

    /// Something for everybody came rapidly: a fact, or it is no correct node's.
    fn on_rapid_delivery(&mut self, now: Duration, delivery: Delivery) {
        let from = delivery.from;
        match Payload::from_bytes(&delivery.payload) {
            Ok(Payload::Fact(bytes)) => match self.facts.on_broadcast(from, bytes, wall_ms()) {
                Ok(true) => self.overlays.accept_rapidly(now, delivery),
                Ok(false) => {}
                Err(error) => self.punish(from, &error),
            },
            Ok(_) => self.punish(from, &"something else than a fact, said rapidly"),
            Err(error) => self.punish(from, &error),
        }
    }

    /// A peer's program says something.
    pub(super) fn on_application(&mut self, now: Duration, from: NodeId, message: Application) {
        match message {
            Application::Direct(payload) => {
                let is_heard = self.shared.events.heard(&Heard {
                    topic: None,
                    author: from,
                    payload: payload.into(),
                });
                if !is_heard {
                    self.shared.counters.add(Count::DirectUnheard);
                }
            }
            Application::HandIn(_) if self.is_partial() => {
                self.punish(from, &"with partial views nobody hands anything in");
            }
            Application::HandIn(bytes) => self.overlays.on_hand_in(now, from, &bytes),
            Application::Acknowledge(message) => {
                self.overlays.on_acknowledgement(now, from, message);
            }
        }
    }

    /// Carries out what topics want done.
    pub(super) fn on_overlay(&mut self, now: Duration, event: OverlayEvent) {
        match event {
            OverlayEvent::Send { scope, to, message } => {
                self.send_in_tree(now, &scope, &to, &message);
            }
            OverlayEvent::SendRapidly { scope, to, message } => {
                // Others push or announce the same: nobody waits for a slow peer.
                let bytes = wire::Message::Rapid(scope, message).to_bytes();
                self.shared.send_to_all(&to, Lane::Rapid, bytes);
            }
            OverlayEvent::HandIn { to, signed } => {
                let message = Application::HandIn(signed.as_bytes().to_vec());
                let bytes = wire::Message::from(message).to_bytes();
                self.shared.send_to_all(&to, Lane::Data, bytes);
            }
            OverlayEvent::Deliver(delivery) => self.on_delivery(now, delivery),
            OverlayEvent::DeliverRapidly(delivery) => self.on_rapid_delivery(now, delivery),
            OverlayEvent::Heard(signed) => self.tell_heard(&signed),
            OverlayEvent::Acknowledge { to, message } => self.acknowledge(to, message),
            OverlayEvent::Acknowledged(told) => self.on_acknowledged(told),
            OverlayEvent::Subscribed(paths) => self.tell_subscriptions(paths),
            OverlayEvent::Misbehaved { peer, error } => {
                self.shared.counters.add(Count::TopicMisbehaviour);
                self.punish(peer, &error);
            }
            OverlayEvent::Forbidden { peer, what } => self.note_forbidden(peer, &what),
            OverlayEvent::Counted(count) => self.shared.counters.add(count),
        }
    }

    /// Counts what its author may not say; that it happens is said ever more seldom.
    fn note_forbidden(&self, peer: NodeId, what: &Forbidden) {
        self.shared.counters.add(Count::PublicationsForbidden);
        let count = self.shared.counters.get(Count::PublicationsForbidden);
        if count.is_power_of_two() {
            tracing::warn!(
                count,
                topic = %what.topic,
                author = %what.author.short(),
                from = %peer.short(),
                "a publication is dropped: here the access rules do not let its author publish \
                 there, or a fact revokes it; do all nodes have the same --topic-rule?"
            );
        }
    }

    /// Sends a message of a tree. Those for whom too much waits get its announcement later.
    fn send_in_tree(
        &mut self,
        now: Duration,
        scope: &Scope,
        to: &[NodeId],
        message: &plumtree::Message,
    ) {
        let said = message.clone();
        let said = match scope {
            None => wire::Message::Broadcast(said),
            Some(path) => wire::Message::Topic(path.clone(), said),
        };
        let unsent = self.shared.send_to_all(to, Lane::Data, said.to_bytes());
        if !unsent.is_empty() {
            self.overlays.handle_unsent(now, scope, &unsent, message);
        }
    }

    /// Tells the members what this node subscribes to.
    fn tell_subscriptions(&mut self, paths: Vec<TopicName>) {
        match metadata(&self.shared.config, paths.into_iter().collect()) {
            Ok(metadata) => {
                if let membership::Strategy::Full(swim) = &mut self.membership {
                    swim.handle_metadata(metadata);
                }
            }
            Err(error) => tracing::warn!("subscriptions are not told: {error}"),
        }
        self.publish_subscriptions();
    }

    /// A member is there, or says something else of itself than before.
    pub(super) fn handle_member_known(&mut self, member: &Member) {
        let subscriptions: Vec<TopicName> =
            member.metadata.subscriptions().iter().cloned().collect();
        let now = self.shared.clock.now();
        self.overlays
            .handle_member(now, member.node, &subscriptions);
        self.publish_subscriptions();
    }

    /// A member is gone.
    pub(super) fn handle_member_gone(&mut self, node: NodeId) {
        let now = self.shared.clock.now();
        self.overlays.handle_member_gone(now, node);
        self.publish_subscriptions();
    }

    fn tell_heard(&self, signed: &SignedPublication) {
        let said = signed.publication();
        self.shared.events.heard(&Heard {
            topic: Some(said.topic.clone()),
            author: said.author,
            payload: Arc::from(&said.payload[..]),
        });
    }

    /// Publishes who subscribes to what, for whoever asks.
    fn publish_subscriptions(&self) {
        let topics = &self.overlays.topics;
        let own: BTreeSet<&TopicName> = topics.subscriptions().collect();
        let has_full_view = self.neighbourhood.is_none();
        let all = topics.topics().map(|(topic, subscribers)| Subscription {
            topic: topic.clone(),
            subscribers: has_full_view.then_some(subscribers),
            own: own.contains(topic),
        });
        self.shared.set_subscriptions(all.collect());
    }
}
