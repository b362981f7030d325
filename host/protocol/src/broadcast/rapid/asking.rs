//! Who has a message: asked by whoever says it, told by all others.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use crate::broadcast::acknowledgement::{Ask, AskError, DEADLINE_MAX, ShortId, Tally};
use crate::ids::{Hash, NodeId};

use super::pulls::Holder;
use super::state::Onward;
use super::trails::Report;
use super::{Message, OutEvent, Rapid, Way};

impl<S: Clone + Ord> Rapid<S> {
    /// Says something to all nodes of a scope, and asks who has it: the answer is
    /// [`OutEvent::Acknowledged`], at the deadline at the latest.
    ///
    /// # Errors
    /// [`AskError`]: the caller's misuse or too much at once; nothing changed.
    pub fn handle_broadcast_asking(
        &mut self,
        now: Duration,
        scope: &S,
        payload: Arc<[u8]>,
        ask: Ask,
        rng: &mut impl Rng,
    ) -> Result<Hash, AskError> {
        let id = self.checked(&payload)?;
        let max = self.config.asked_max;
        if self.tallies.len() >= max {
            return Err(AskError::Asked { max });
        }
        if !self.seen.insert(id) {
            return Err(AskError::Repeated);
        }
        let tally = Tally::new(now, ask, &self.own, self.views.of(scope).full());
        self.tallies.insert(id, tally);
        let deadline = ask.deadline.min(DEADLINE_MAX);
        let way = Way {
            origin: ShortId::from(&self.own),
            levels: self.levels(scope),
            collector: None,
            deadline_ms: deadline.as_millis() as u32,
        };
        let on = Onward {
            way: Some(way),
            ..Onward::of(id, 1, payload)
        };
        self.pass_on(now, scope, on, rng);
        self.end_tallies(now);
        Ok(id)
    }

    /// Nobody asked who has a payload that was delivered, whatever came with it: it is not
    /// acknowledged. To be said before it is accepted.
    pub fn handle_unasked(&mut self, id: &Hash) {
        self.trails.forget(id);
    }

    /// A node has left, or is taken for dead: nobody waits for its acknowledgements.
    pub fn handle_gone(&mut self, now: Duration, node: &NodeId) {
        for tally in self.tallies.values_mut() {
            tally.handle_gone(node);
        }
        self.end_tallies(now);
    }

    /// How many other nodes have a message of this node, as far as was heard; `None` once its
    /// outcome was told.
    pub fn acknowledged_count(&self, id: &Hash) -> Option<u32> {
        self.tallies.get(id).map(Tally::count)
    }

    /// Whether what others tell of a message is counted or passed on here.
    pub fn gathers(&self, id: &Hash) -> bool {
        self.tallies.contains_key(id) || self.trails.is_accepted(id)
    }

    /// Takes who has a message, from whoever it comes.
    pub fn on_acknowledge(&mut self, now: Duration, id: Hash, names: Vec<ShortId>) {
        self.counts.acknowledgements_count += 1;
        if let Some(tally) = self.tallies.get_mut(&id) {
            tally.add(names);
            self.end_tallies(now);
        } else if !self
            .trails
            .gather(now, &id, names, &self.views, &self.config)
        {
            self.counts.acknowledgements_ignored_count += 1;
        }
    }

    /// Whoever passes something on has it.
    pub(super) fn witness(&mut self, scope: &S, id: &Hash, holder: &Holder) {
        if let Some(tally) = self.tallies.get_mut(id) {
            tally.add([ShortId::from(&holder.node)]);
        }
        let view = self.views.of(scope);
        self.trails.witness(id, holder, &view);
    }

    pub(super) fn tell(&mut self, report: Report<S>) {
        self.counts.acknowledgements_sent_count += 1;
        let (id, names) = (report.id, report.names);
        let message = Message::Acknowledge { id, names };
        self.send(report.scope, vec![report.to], message);
    }

    pub(super) fn end_tallies(&mut self, now: Duration) {
        let over = |(id, tally): (&Hash, &Tally)| tally.is_over(now).then_some(*id);
        let over: Vec<Hash> = self.tallies.iter().filter_map(over).collect();
        for id in over {
            if let Some(tally) = self.tallies.remove(&id) {
                let outcome = tally.outcome(id);
                self.events.push_back(OutEvent::Acknowledged(outcome));
            }
        }
    }

    /// How far collectors are from the sender: so many that each has few nodes to collect from,
    /// and so few that they send a small part of the messages. 0: with a partial view nobody could
    /// reach them.
    fn levels(&self, scope: &S) -> u8 {
        let view = self.views.of(scope);
        let count = view.count();
        let fanout = self.config.fanout(count);
        match view.is_full() {
            false => 0,
            true if fanout * fanout * 32 > count => 1,
            true => 2,
        }
    }
}
