//! What programs say, within the driver: publications in topics, and messages to one node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::membership::{self, Member, Metadata};
use replicant_protocol::topics::{self, SignedPublication, TopicsError};
use replicant_protocol::wire::{self, Application};
use tokio::sync::oneshot;

use super::driver::Driver;
use super::outbox::Lane;
use super::overlays::OverlayEvent;
use super::statistics::Count;
use crate::vocabulary::{Heard, Published, Subscription};

/// To how many of a topic's audience a node hands what it says there without being part of it. One
/// would do if it lived on; with three, two may fail.
const ENTRIES_COUNT: usize = 3;

// What a node may subscribe to has to fit what membership spreads.
const _: () = assert!(
    topics::SUBSCRIPTIONS_MAX <= membership::SUBSCRIPTIONS_MAX
        && topics::SUBSCRIPTIONS_BYTES_MAX <= membership::SUBSCRIPTIONS_BYTES_MAX
);

/// A request to say something in a topic.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) topic: TopicName,
    pub(super) payload: Vec<u8>,
    pub(super) answer: oneshot::Sender<Result<Published, TopicsError>>,
}

impl Driver {
    /// Brings what this node subscribes to in line with what is listened to.
    pub(super) fn handle_subscriptions(&mut self, wanted: &BTreeSet<TopicName>) {
        let topics = &mut self.overlays.topics;
        let now: BTreeSet<TopicName> = topics.subscriptions().cloned().collect();
        for topic in now.difference(wanted) {
            topics.handle_unsubscribe(topic);
        }
        for topic in wanted.difference(&now) {
            // Rules and bounds were checked where somebody began to listen.
            if let Err(error) = topics.handle_subscribe(topic) {
                tracing::warn!(%topic, "not subscribed: {error}");
            }
        }
    }

    /// Says something in a topic.
    pub(super) fn handle_publish(&mut self, publish: Publish) {
        let identity = self.shared.config.identity.clone();
        let topics = &mut self.overlays.topics;
        let signed = topics.handle_publish(&publish.topic, publish.payload, &identity);
        let published = signed.map(|signed| {
            let audience = self.overlays.topics.audience(&publish.topic).len();
            self.say(&signed);
            Published { audience }
        });
        // Whoever asked may have stopped waiting.
        let _ = publish.answer.send(published);
    }

    /// Lets the audience of a topic hear something, this node included.
    fn say(&mut self, signed: &SignedPublication) {
        let now = self.shared.clock.now();
        if self.overlays.broadcast(now, signed) {
            return self.tell_heard(signed);
        }
        let topic = &signed.publication().topic;
        let rng = &mut self.rng;
        let entries = self.overlays.topics.entries(topic, ENTRIES_COUNT, rng);
        let message = Application::HandIn(signed.as_bytes().to_vec());
        let bytes = wire::Message::from(message).to_bytes();
        self.shared.send_to_all(&entries, Lane::Data, bytes);
    }

    /// A peer's program says something.
    pub(super) fn on_application(&mut self, now: Duration, from: NodeId, message: Application) {
        match message {
            Application::Direct(payload) => self.shared.events.heard(&Heard {
                topic: None,
                author: from,
                payload: payload.into(),
            }),
            Application::HandIn(bytes) => self.on_hand_in(now, from, &bytes),
        }
    }

    /// Something is handed in for a topic that this node should be part of.
    fn on_hand_in(&mut self, now: Duration, from: NodeId, bytes: &[u8]) {
        match self.overlays.topics.on_hand_in(bytes) {
            Ok(Some(signed)) => {
                if self.overlays.broadcast(now, &signed) {
                    self.tell_heard(&signed);
                }
            }
            Ok(None) => {}
            Err(error) => self.punish(from, &error),
        }
    }

    /// Carries out what topics want done.
    pub(super) fn on_overlay(&mut self, event: OverlayEvent) {
        match event {
            OverlayEvent::Send { topic, to, message } => {
                let bytes = wire::Message::Topic(topic, message).to_bytes();
                self.shared.send_to_all(&to, Lane::Data, bytes);
            }
            OverlayEvent::Heard(signed) => self.tell_heard(&signed),
            OverlayEvent::Subscribed(paths) => self.tell_subscriptions(paths),
            OverlayEvent::Misbehaved { peer, error } => {
                self.shared.counters.add(Count::TopicMisbehaviour);
                self.punish(peer, &error);
            }
        }
    }

    /// Tells the members what this node subscribes to.
    fn tell_subscriptions(&mut self, paths: Vec<TopicName>) {
        let paths = paths.into_iter().collect();
        match Metadata::new(paths, Vec::new()) {
            Ok(metadata) => self.membership.handle_metadata(metadata),
            // Topics have the same bounds.
            Err(error) => tracing::warn!("subscriptions are not told: {error}"),
        }
        self.publish_subscriptions();
    }

    /// A member is there, or says something else of itself than before.
    pub(super) fn handle_member_known(&mut self, member: &Member) {
        let subscriptions: Vec<TopicName> =
            member.metadata.subscriptions().iter().cloned().collect();
        self.overlays
            .topics
            .handle_member(member.node, &subscriptions);
        self.publish_subscriptions();
    }

    /// A member is gone.
    pub(super) fn handle_member_gone(&mut self, node: NodeId) {
        self.overlays.topics.handle_member_gone(node);
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
        let all = topics.topics().map(|(topic, subscribers)| Subscription {
            topic: topic.clone(),
            subscribers,
            own: own.contains(topic),
        });
        self.shared.set_subscriptions(all.collect());
    }
}
