//! What is said rapidly, within the driver: whom it is for, and what is looked at before it is
//! passed on.
//!
//! Among all members facts go this way, and nothing else; in topics what their authors want heard
//! at once. The tree of the topic keeps such a publication and announces it, so that it mends what
//! was missed; in whichever way it comes first it is heard, once.

use std::time::Duration;

use replicant_protocol::broadcast::acknowledgement::{Ask, AskError, ShortId, Wanted};
use replicant_protocol::broadcast::rapid::{Message, MessageError, OutEvent};
use replicant_protocol::broadcast::{BroadcastError, Delivery};
use replicant_protocol::ids::{Hash, NodeId, TopicName};
use replicant_protocol::topics::{SignedPublication, Verdict};

use super::overlays::{OverlayEvent, Overlays, Scope};
use super::strangers::Came;
use super::trees::Reach;

impl Overlays {
    /// Says something to everybody, rapidly.
    pub(super) fn broadcast_rapidly(
        &mut self,
        now: Duration,
        payload: std::sync::Arc<[u8]>,
    ) -> Result<(), BroadcastError> {
        self.rapids.broadcast(now, payload, &self.topics)
    }

    /// Passes something on that was for everybody, came rapidly, and turned out to hold.
    pub(super) fn accept_rapidly(&mut self, now: Duration, delivery: Delivery) {
        let topics = &self.topics;
        self.rapids.accept(now, &None, delivery, false, topics);
    }

    /// Says something of this node in its topic, rapidly, and begins to count who has it if that
    /// is asked. If nobody of the audience can be reached it goes the way of the tree. Gives under
    /// which id the outcome comes.
    ///
    /// # Errors
    /// [`AskError`]; nothing changed.
    pub(super) fn publish_rapidly(
        &mut self,
        now: Duration,
        signed: SignedPublication,
        ask: Option<Ask>,
    ) -> Result<Option<Hash>, AskError> {
        let topic = &signed.publication().topic;
        let scope = self.topics.path_of(topic).cloned();
        if scope.is_none() || !self.rapids.leads_anywhere(&scope, &self.topics) {
            let id = ask.map(|ask| self.ask(now, &signed, ask)).transpose()?;
            self.publish(now, signed);
            return Ok(id);
        }
        let is_heard = self.topics.hears(topic);
        let is_asked = ask.is_some();
        let ask = ask.map(|ask| self.of_others(ask, is_heard));
        let (payload, topics) = (signed.as_bytes().clone(), &self.topics);
        let id = self.rapids.publish(now, &scope, payload, ask, topics)?;
        if is_heard {
            let reach = self.keep(now, &signed, self.own());
            self.hand_around(now, &signed, reach);
            self.events.push_back(OverlayEvent::Heard(signed));
        }
        Ok(is_asked.then_some(id))
    }

    /// What is wanted of the others: this node counts if it hears it itself.
    pub(super) fn of_others(&self, mut ask: Ask, is_own_counted: bool) -> Ask {
        if let Wanted::Quorum(count) = &mut ask.wanted {
            *count = count.saturating_sub(u32::from(is_own_counted));
        }
        ask
    }

    /// Takes a message of rapid broadcast. Payloads of topics that nobody listens to here are
    /// ignored: the peer may know of other subscriptions.
    pub(super) fn on_rapid_message(
        &mut self,
        now: Duration,
        from: NodeId,
        scope: &Scope,
        message: Message,
    ) -> Result<(), MessageError> {
        let topics = &self.topics;
        let scope = match (scope, &message) {
            (Some(path), Message::Push { .. } | Message::Announce { .. }) => {
                if !topics.hears(path) {
                    return Ok(());
                }
                // As this node knows it; no path that is invented is looked up.
                &topics.path_of(path).cloned()
            }
            _ => scope,
        };
        self.rapids.on_message(now, from, scope, topics, message)
    }

    /// Takes who has a publication, told along the tree, that came from here rapidly. Whether it
    /// did.
    pub(super) fn acknowledge_rapidly(
        &mut self,
        now: Duration,
        id: Hash,
        names: &[ShortId],
    ) -> bool {
        self.rapids.acknowledge(now, id, names)
    }

    /// Something came rapidly for the first time: looks at it before it is passed on.
    pub(super) fn on_rapid_delivery(&mut self, now: Duration, path: &TopicName, came: Delivery) {
        let from = came.from;
        match self.topics.on_publication(Some(path), &came.payload) {
            Ok(Verdict::First(signed)) => {
                let (scope, topics) = (Some(path.clone()), &self.topics);
                let is_asked = signed.publication().acknowledge.is_some();
                self.rapids.accept(now, &scope, came, is_asked, topics);
                self.keep(now, &signed, from);
                self.events.push_back(OverlayEvent::Heard(signed));
            }
            Ok(Verdict::UnknownAuthor(author)) => {
                self.hold(now, author, Came::Rapidly(path.clone(), came));
            }
            Ok(Verdict::Again | Verdict::NotHeard) => {}
            Ok(Verdict::Forbidden(what)) => self.forbid(from, what),
            Err(error) => self.blame(from, error),
        }
    }

    /// Keeps something in the tree of its topic, for those that miss it. How far the tree leads.
    fn keep(&mut self, now: Duration, signed: &SignedPublication, by: NodeId) -> Reach {
        match self.topics.open(now, &signed.publication().topic, by) {
            Ok(path) => {
                let scope = self.opened(now, path);
                self.trees.keep(now, &scope, signed.as_bytes().clone());
                self.trees.reach(&scope)
            }
            Err(error) => {
                self.count_unopened(error);
                Reach::Nobody
            }
        }
    }

    /// The next thing to do for what is said rapidly.
    pub(super) fn poll_rapids(&mut self, now: Duration) -> Option<OverlayEvent> {
        loop {
            match self.rapids.poll_event()? {
                OutEvent::Send { scope, to, message } => {
                    return Some(OverlayEvent::SendRapidly { scope, to, message });
                }
                OutEvent::Deliver(None, delivery) => {
                    return Some(OverlayEvent::DeliverRapidly(delivery));
                }
                OutEvent::Deliver(Some(path), delivery) => {
                    self.on_rapid_delivery(now, &path, delivery);
                    // What comes of it goes first.
                    if let Some(event) = self.events.pop_front() {
                        return Some(event);
                    }
                }
                OutEvent::Acknowledged(told) => return Some(OverlayEvent::Acknowledged(told)),
            }
        }
    }
}
