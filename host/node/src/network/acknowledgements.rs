//! Acknowledgements of publications: who is counted, what is taken from peers, and which way it
//! goes.

use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::broadcast::acknowledgement::{self, Ask, AskError};
use replicant_protocol::broadcast::acknowledging::{Message, Way};
use replicant_protocol::ids::{Hash, NodeId};
use replicant_protocol::topics::{self, SignedPublication};

use super::overlays::{OverlayEvent, Overlays};
use super::statistics::Count;

// How long a publication may ask for is how long it is waited for.
const _: () =
    assert!(topics::ACKNOWLEDGED_MAX.as_millis() == acknowledgement::DEADLINE_MAX.as_millis());

/// Under which id a publication is acknowledged.
pub(super) fn id_of(signed: &SignedPublication) -> Hash {
    Hash::of(signed.as_bytes())
}

impl Overlays {
    /// Begins to count who of the audience has a publication that is about to be said; this node
    /// counts if it hears it itself, and is left out of what comes back.
    ///
    /// # Errors
    /// [`AskError`]; nothing changed.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        signed: &SignedPublication,
        ask: Ask,
    ) -> Result<Hash, AskError> {
        let topic = &signed.publication().topic;
        let ask = self.of_others(ask, self.topics.hears(topic));
        // With partial views nobody knows who listens: whoever says that it has it counts.
        let audience = self.everybody.as_ref().map(|_| {
            let audience = self.topics.audience(topic).into_iter();
            audience.collect::<Arc<[NodeId]>>()
        });
        let id = id_of(signed);
        let asked = self.acknowledging.handle_asking(now, id, ask, audience);
        asked.map(|()| id)
    }

    /// Hands on what was heard, and acknowledges it to whom it came from if it asks for that.
    pub(super) fn hear(&mut self, now: Duration, from: NodeId, signed: SignedPublication) {
        self.rapids.handle_heard(signed.as_bytes());
        let said = signed.publication();
        if let Some(deadline) = said.acknowledge {
            let (id, author) = (id_of(&signed), said.author);
            let way = Way { from, author };
            self.acknowledging.handle_taken(now, id, way, deadline);
        }
        self.events.push_back(OverlayEvent::Heard(signed));
    }

    /// Takes what a peer gathered. Who listens to nothing has nothing, and a correct peer would not
    /// have passed it on.
    pub(super) fn on_acknowledgement(&mut self, now: Duration, from: NodeId, mut message: Message) {
        let (topics, is_partial) = (&self.topics, self.everybody.is_none());
        let named_count = message.names.len();
        message
            .names
            .retain(|name| is_partial || topics.is_subscriber(name.as_bytes()));
        let is_changed = message.names.len() < named_count;
        if is_changed {
            self.offenders.add(from);
        }
        if self.acknowledge_rapidly(now, message.id, &message.names) {
            return;
        }
        let ignored_count = self.acknowledging.counts().ignored_count;
        self.acknowledging.on_message(now, message);
        if is_changed || self.acknowledging.counts().ignored_count > ignored_count {
            self.count(Count::AcknowledgementsIgnored);
        }
    }

    /// An acknowledgement did not go out, since too much waits.
    pub(super) fn handle_unacknowledged(&mut self, message: &Message) {
        self.acknowledging.handle_unsent(message);
    }

    /// The next thing to do for acknowledgements. Where there is no session they wait for one.
    pub(super) fn poll_acknowledging(&mut self) -> Option<OverlayEvent> {
        while let Some((way, message)) = self.acknowledging.poll_event() {
            let mut to = [way.from, way.author].into_iter();
            match to.find(|to| self.trees.has_session(to)) {
                Some(to) => return Some(OverlayEvent::Acknowledge { to, message }),
                None => self.acknowledging.handle_unsent(&message),
            }
        }
        let outcome = self.acknowledging.poll_acknowledged();
        outcome.map(OverlayEvent::Acknowledged)
    }
}
