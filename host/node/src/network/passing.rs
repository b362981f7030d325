//! Publications among nodes with partial views: they travel in circles and along the tree of
//! everybody, and each node hears what it subscribes to.

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::acknowledgement::{Ask, AskError};
use replicant_protocol::broadcast::acknowledging::Way;
use replicant_protocol::broadcast::{BroadcastError, Delivery, plumtree, rapid};
use replicant_protocol::ids::{Hash, NodeId, TopicName};
use replicant_protocol::topics::{self, Forbidden, Passing, SignedPublication};
use replicant_protocol::wire::Payload;

use super::acknowledgements::id_of;
use super::overlays::{OverlayEvent, Overlays};
use super::statistics::Count;

/// What is to be done with a publication that goes on.
pub(super) enum Onward {
    /// It is news, and somebody listens to it here.
    Heard(SignedPublication),
    /// It is news, and nobody listens.
    Unheard(SignedPublication),
    /// It came another way before.
    AnotherWay,
}

impl Overlays {
    /// Starts where everything travels along the tree of everybody, which leads to the neighbours.
    pub(super) fn among_neighbours(
        own: NodeId,
        topics: topics::State,
        ways: (plumtree::Config, &rapid::Config),
        now: Duration,
        rng: &mut ChaCha20Rng,
    ) -> Self {
        let spread_count = ways.0.spread_count;
        let mut overlays = Self::new(own, topics, ways, 1, now, rng);
        overlays.everybody = None;
        // Nobody knows how many there are: it follows from how many are expected.
        overlays.trees.set_spread(&None, spread_count);
        overlays
    }

    /// Says something of this node to everybody; those hear it that listen. It goes along the tree,
    /// in whatever way it was to go. Gives under which id comes who has it, if that is asked.
    ///
    /// # Errors
    /// [`AskError`]; nothing changed.
    pub(super) fn publish_to_all(
        &mut self,
        now: Duration,
        signed: SignedPublication,
        ask: Option<Ask>,
    ) -> Result<Option<Hash>, AskError> {
        let asked = ask.map(|ask| self.ask(now, &signed, ask)).transpose()?;
        let payload = Payload::Publication(signed.as_bytes()).to_bytes();
        // No publication is larger than a payload may be.
        let _ = self.broadcast(now, payload.into());
        if self.topics.hears(&signed.publication().topic) {
            self.events.push_back(OverlayEvent::Heard(signed));
        }
        Ok(asked)
    }

    /// Says something to everybody that is to be heard now: rapidly, and with partial views along
    /// the tree.
    pub(super) fn broadcast_at_once(
        &mut self,
        now: Duration,
        payload: Arc<[u8]>,
    ) -> Result<(), BroadcastError> {
        match self.everybody {
            Some(_) => self.broadcast_rapidly(now, payload),
            None => self.broadcast(now, payload),
        }
    }

    /// Looks at what `from` passed on for the first time, in the circle of `path` or along the tree
    /// of everybody. `None` if it goes no further.
    pub(super) fn look(
        &mut self,
        now: Duration,
        from: NodeId,
        path: Option<&TopicName>,
        bytes: &[u8],
    ) -> Option<Onward> {
        match self.topics.on_passing(now, path, bytes) {
            Ok(Passing::On {
                signed,
                is_heard,
                is_noted,
            }) => {
                if !is_noted {
                    self.count(Count::PublicationsOfNewcomers);
                }
                Some(match is_heard {
                    true => Onward::Heard(signed),
                    false => Onward::Unheard(signed),
                })
            }
            Ok(Passing::AnotherWay) => Some(Onward::AnotherWay),
            Ok(Passing::Again) => None,
            Ok(Passing::Forbidden(what)) => {
                self.forbid(from, what);
                None
            }
            Err(error) => {
                self.blame(from, error);
                None
            }
        }
    }

    /// What its author may not say goes no further. Who passed it on is not punished: rules may
    /// differ between nodes while they are changed, a revocation may not have reached it yet, and
    /// whose name stands on it is not verified.
    pub(super) fn forbid(&mut self, peer: NodeId, what: Forbidden) {
        let event = OverlayEvent::Forbidden { peer, what };
        self.events.push_back(event);
    }

    /// A publication came along the tree of everybody for the first time.
    pub(super) fn on_passing(&mut self, now: Duration, bytes: &[u8], delivery: Delivery) {
        let from = delivery.from;
        let Some(onward) = self.look(now, from, None, bytes) else {
            return;
        };
        self.accept(now, delivery);
        match onward {
            Onward::Heard(signed) => self.hear(now, from, signed),
            Onward::Unheard(signed) => {
                self.count(Count::PublicationsPassedOn);
                let said = signed.publication();
                if let Some(deadline) = said.acknowledge {
                    let (id, author) = (id_of(&signed), said.author);
                    let way = Way { from, author };
                    self.acknowledging.handle_passed(now, id, way, deadline);
                }
            }
            Onward::AnotherWay => {}
        }
    }
}
