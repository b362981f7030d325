//! Acknowledgements beside a broadcast.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::broadcast::acknowledgement::{
    Acknowledged, Ask, AskError, DEADLINE_MAX, ShortId, Tally,
};
use crate::ids::{Hash, NodeId};

use super::trails::Trails;
use super::{Config, Message, Way};

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Acknowledgements that went out.
    pub sent_count: u64,
    /// Acknowledgements that came.
    pub received_count: u64,
    /// Of these, those of payloads that this node neither said nor passed on, or that are over.
    pub ignored_count: u64,
}

/// Acknowledgements beside a broadcast; see [`acknowledging`](super) for how to operate it.
///
/// Invariants: a name is told at most once by each node, and again if it did not arrive; at most
/// `trails_max` payloads of others are remembered, and `asked_max` of each author and of this node.
#[derive(Debug)]
pub struct Acknowledging {
    own: NodeId,
    asked_max: usize,
    trails: Trails,
    tallies: BTreeMap<Hash, Tally>,
    events: VecDeque<(Way, Message)>,
    outcomes: VecDeque<Acknowledged>,
    counts: Counts,
}

impl Acknowledging {
    /// Starts with nothing to acknowledge.
    pub fn new(own: NodeId, mut config: Config) -> Self {
        config.asked_max = config.asked_max.max(1);
        config.trails_max = config.trails_max.max(1);
        config.gather_interval = config.gather_interval.max(Duration::from_millis(1));
        Self {
            own,
            asked_max: config.asked_max,
            trails: Trails::new(config),
            tallies: BTreeMap::new(),
            events: VecDeque::new(),
            outcomes: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Begins to count who has a payload that is about to be broadcast. `audience`: everybody that
    /// it is for in the order of ids, if that is known.
    /// [`poll_acknowledged`](Self::poll_acknowledged) tells under this id, at the deadline at the
    /// latest.
    ///
    /// # Errors
    /// [`AskError`]: too much at once, or the same again; nothing changed.
    pub fn handle_asking(
        &mut self,
        now: Duration,
        id: Hash,
        ask: Ask,
        audience: Option<Arc<[NodeId]>>,
    ) -> Result<(), AskError> {
        let max = self.asked_max;
        if self.tallies.len() >= max {
            return Err(AskError::Asked { max });
        }
        if self.tallies.contains_key(&id) {
            return Err(AskError::Repeated);
        }
        let tally = Tally::new(now, ask, &self.own, audience);
        self.tallies.insert(id, tally);
        self.end_tallies(now);
        Ok(())
    }

    /// This node has a payload of somebody else and tells so, for as long as it says.
    pub fn handle_taken(&mut self, now: Duration, id: Hash, way: Way, deadline: Duration) {
        self.handle_passed(now, id, way, deadline);
        self.trails.gather(&id, vec![ShortId::from(&self.own)]);
    }

    /// This node passes a payload of somebody else on that is not for itself: it tells who else has
    /// it.
    pub fn handle_passed(&mut self, now: Duration, id: Hash, way: Way, deadline: Duration) {
        let until = now + deadline.min(DEADLINE_MAX);
        self.trails.begin(now, id, way, until);
    }

    /// Takes what a neighbour gathered.
    pub fn on_message(&mut self, now: Duration, message: Message) {
        self.counts.received_count += 1;
        if let Some(tally) = self.tallies.get_mut(&message.id) {
            tally.add(message.names);
            self.end_tallies(now);
        } else if !self.trails.gather(&message.id, message.names) {
            self.counts.ignored_count += 1;
        }
    }

    /// A message did not go out. It does later, if there is a session then.
    pub fn handle_unsent(&mut self, message: &Message) {
        self.trails.repeat(message);
    }

    /// There is no session with a neighbour any more; what it was told is told again.
    pub fn handle_neighbour_down(&mut self, peer: &NodeId) {
        self.trails.handle_neighbour_down(peer);
    }

    /// A node has left, or is taken for dead: nobody waits for it.
    pub fn handle_gone(&mut self, now: Duration, node: &NodeId) {
        for tally in self.tallies.values_mut() {
            tally.handle_gone(node);
        }
        self.end_tallies(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        for (way, message) in self.trails.poll(now) {
            self.counts.sent_count += 1;
            self.events.push_back((way, message));
        }
        self.end_tallies(now);
    }

    fn end_tallies(&mut self, now: Duration) {
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

    /// The next message to send, and which way.
    pub fn poll_event(&mut self) -> Option<(Way, Message)> {
        self.events.pop_front()
    }

    /// What came back of a payload of this node: once for each.
    pub fn poll_acknowledged(&mut self) -> Option<Acknowledged> {
        self.outcomes.pop_front()
    }
}
