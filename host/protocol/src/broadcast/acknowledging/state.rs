//! Acknowledgements beside a broadcast.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::broadcast::Delivery;
use crate::broadcast::acknowledgement::{Acknowledged, Ask, AskError, Tally};
use crate::ids::{Hash, NodeId};

use super::message::asking;
use super::trails::Trails;
use super::{Config, Message, opened};

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Acknowledgements that went out.
    pub sent_count: u64,
    /// Acknowledgements that came.
    pub received_count: u64,
    /// Of these, those of payloads that this node neither said nor passed on.
    pub ignored_count: u64,
}

/// Acknowledgements beside a broadcast; see [`acknowledging`](super) for how to operate it.
///
/// Invariants: a name is told at most once by each node; at most `asked_max` payloads are
/// remembered, and as many of this node's own.
#[derive(Debug)]
pub struct Acknowledging {
    own: NodeId,
    config: Config,
    trails: Trails,
    tallies: BTreeMap<Hash, Tally>,
    /// All nodes in the order of ids, if they are known.
    members: Option<Arc<[NodeId]>>,
    events: VecDeque<(NodeId, Message)>,
    outcomes: VecDeque<Acknowledged>,
    counts: Counts,
}

impl Acknowledging {
    /// Starts with nothing to acknowledge.
    pub fn new(own: NodeId, mut config: Config) -> Self {
        config.asked_max = config.asked_max.max(1);
        config.gather_interval = config.gather_interval.max(Duration::from_millis(1));
        Self {
            own,
            config,
            trails: Trails::default(),
            tallies: BTreeMap::new(),
            members: None,
            events: VecDeque::new(),
            outcomes: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// These are all nodes there are, in the order of ids; who is missing can be told from now on.
    pub fn handle_members(&mut self, mut members: Arc<[NodeId]>) {
        if !members.is_sorted() {
            let mut sorted = members.to_vec();
            sorted.sort_unstable();
            members = sorted.into();
        }
        self.members = Some(members);
    }

    /// Begins to count who has a payload; gives what has to be broadcast for it. Its hash is the
    /// id under which [`poll_acknowledged`](Self::poll_acknowledged) tells, at the deadline at the
    /// latest.
    ///
    /// # Errors
    /// [`AskError`]: too much at once, or the same again; nothing changed.
    pub fn handle_asking(
        &mut self,
        now: Duration,
        payload: &[u8],
        ask: Ask,
    ) -> Result<Arc<[u8]>, AskError> {
        let max = self.config.asked_max;
        if self.tallies.len() >= max {
            return Err(AskError::Asked { max });
        }
        let whole = asking(ask.deadline, payload);
        let id = Hash::of(&whole);
        if self.tallies.contains_key(&id) {
            return Err(AskError::Repeated);
        }
        let tally = Tally::new(now, ask, &self.own, self.members.clone());
        self.tallies.insert(id, tally);
        Ok(whole)
    }

    /// The driver found a delivery of the broadcast valid: this node has it, and tells so if it is
    /// asked to.
    pub fn handle_accepted(&mut self, now: Duration, delivery: &Delivery) {
        if let Some((Some(deadline), _)) = opened(&delivery.payload) {
            let back = (delivery.from, deadline);
            self.trails
                .begin(now, delivery.id, back, &self.own, &self.config);
        }
    }

    /// Takes what a neighbour gathered.
    pub fn on_message(&mut self, now: Duration, message: Message) {
        self.counts.received_count += 1;
        if let Some(tally) = self.tallies.get_mut(&message.id) {
            tally.add(message.names);
        } else if !self.trails.gather(&message.id, message.names) {
            self.counts.ignored_count += 1;
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        for (to, id, names) in self.trails.poll(now) {
            self.counts.sent_count += 1;
            self.events.push_back((to, Message { id, names }));
        }
        let over = |(id, tally): (&Hash, &Tally)| tally.is_over(now).then_some(*id);
        let over: Vec<Hash> = self.tallies.iter().filter_map(over).collect();
        for id in over {
            let tally = self.tallies.remove(&id);
            self.outcomes.extend(tally.map(|tally| tally.outcome(id)));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        let tallies = self.tallies.values().map(Tally::deadline);
        self.trails.next_timeout().into_iter().chain(tallies).min()
    }

    /// The next message to send. Drop it if there is no session.
    pub fn poll_event(&mut self) -> Option<(NodeId, Message)> {
        self.events.pop_front()
    }

    /// What came back of a payload of this node: once for each.
    pub fn poll_acknowledged(&mut self) -> Option<Acknowledged> {
        self.outcomes.pop_front()
    }
}
