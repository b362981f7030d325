//! Publications among nodes with partial views: they travel along the tree of everybody, and each
//! node hears what it subscribes to.

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::acknowledgement::{Ask, AskError};
use replicant_protocol::broadcast::acknowledging::Way;
use replicant_protocol::broadcast::{BroadcastError, Delivery, plumtree, rapid};
use replicant_protocol::ids::{Hash, NodeId};
use replicant_protocol::topics::{self, Passing, SignedPublication};
use replicant_protocol::wire::Payload;

use super::acknowledgements::id_of;
use super::overlays::{OverlayEvent, Overlays};
use super::statistics::Count;

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

    /// A publication came along the tree of everybody for the first time.
    pub(super) fn on_passing(&mut self, now: Duration, bytes: &[u8], delivery: Delivery) {
        let from = delivery.from;
        match self.topics.on_passing(now, bytes) {
            Ok(Passing::On {
                signed,
                is_heard,
                is_noted,
            }) => {
                if !is_noted {
                    let count = OverlayEvent::Counted(Count::PublicationsOfNewcomers);
                    self.events.push_back(count);
                }
                self.accept(now, delivery);
                if !is_heard {
                    let count = OverlayEvent::Counted(Count::PublicationsPassedOn);
                    self.events.push_back(count);
                }
                let said = signed.publication();
                if is_heard {
                    self.hear(now, from, signed);
                } else if let Some(deadline) = said.acknowledge {
                    let (id, author) = (id_of(&signed), said.author);
                    let way = Way { from, author };
                    self.acknowledging.handle_passed(now, id, way, deadline);
                }
            }
            Ok(Passing::AnotherWay) => self.accept(now, delivery),
            Ok(Passing::Again | Passing::Forbidden) => {}
            Err(error) => self.blame(from, error),
        }
    }
}
