//! Anti-entropy: finding the topics in which two nodes differ.
//!
//! Guarantee: while two nodes are connected, of each topic in which their versions differ the one
//! that may lack something comes to know, at the latest one `compare_interval` times the number of
//! its peers later (in expectation; peers are chosen at random), however many topics there are; and
//! a comparison costs by the topics that differ, not by those that are there.
//!
//! Source: the topics with their versions are a set, compared by ranges
//! ([`reconciliation`]). Within a topic, what is missing follows from version vectors
//! ([`replication`](super::State)): a log has an order, so nothing has to be searched.
//!
//! Inputs: sessions ([`State::handle_peer_up`]), versions of topics ([`State::handle_version`]),
//! messages, time. Outputs: messages, and [`OutEvent::Differs`] for the topic's own
//! [`replication`](super::State) to repair. Timers: those of reconciliation; a repair that has not
//! changed the topic within `repair_timeout` gives way to the next.
//!
//! Decisions:
//! - *Who asks.* Each side is told the other's hash and number of ops. The one with fewer asks the
//!   other, and with as many, both do. A question has the version of who asks in it, so the other
//!   sees what it lacks itself.
//! - *Few at a time.* Finding is faster than fetching. 64 topics of a peer are under way at a time,
//!   and while 1,024 wait nothing more is compared with it: so a node that comes to a hundred
//!   thousand topics gets them at the pace at which it stores them. What several peers have is
//!   asked of one of them; of the next, if nothing comes of it.
//!
//! What a liar can do: name topics that are not there (64 at a time are asked for, of the liar, for
//! `repair_timeout` each; at most 16,384 wait), which keeps real ones among them waiting for that
//! long, or hide what it has itself. Other peers are compared with all the same.

mod message;
mod repairs;
mod topics;

use std::collections::VecDeque;
use std::time::Duration;

use rand::Rng;

use crate::identity::NodeId;
use crate::ids::TopicName;
use crate::reconciliation::{self, Key};
use crate::version::VersionVector;

pub use message::{DIGESTS_MAX, MESSAGE_BYTES_MAX, Message, TopicDigest};
use repairs::Repairs;
use topics::{Topics, Version};

/// What can be tuned. Nodes may differ in all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How topics are compared.
    pub reconciliation: reconciliation::Config,
    /// How long a topic of a peer may be under way before another one's turn comes; it is found
    /// again by the next comparison. Default 5 s.
    pub repair_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reconciliation: reconciliation::Config::default(),
            repair_timeout: Duration::from_secs(5),
        }
    }
}

/// What the driver has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send a message to one peer. May be lost.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        message: Message,
    },
    /// A peer's version of a topic is not this node's, which may not have the topic at all. Make
    /// it if so (within the node's bound on topics), and tell its
    /// [`replication`](super::State::handle_peer_differs).
    Differs {
        /// The peer.
        peer: NodeId,
        /// The topic.
        topic: TopicName,
    },
}

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// What comparing came to; its elements are topics.
    pub reconciliation: reconciliation::Counts,
    /// Topics of peers that were asked for.
    pub repairs_count: u64,
    /// Those that had not changed in time.
    pub late_count: u64,
    /// Topics that peers named and that found no room to wait; the next comparison finds them.
    pub surplus_count: u64,
}

/// The comparison of a node's topics with those of its peers.
///
/// Call [`poll`](Self::poll) until nothing comes after every input, and
/// [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout), which every
/// input may change. The generator chooses peers and nonces, and nobody else may foresee what it
/// gives.
#[derive(Debug)]
pub struct State {
    repair_timeout: Duration,
    topics: Topics,
    reconciliation: reconciliation::State,
    repairs: Repairs,
    out: VecDeque<OutEvent>,
    counts: Counts,
}

impl State {
    /// Makes the state of a node without topics and peers.
    pub fn new(now: Duration, config: Config, rng: &mut impl Rng) -> Self {
        Self {
            repair_timeout: config.repair_timeout.max(Duration::from_millis(1)),
            topics: Topics::default(),
            reconciliation: reconciliation::State::new(config.reconciliation, now, rng),
            repairs: Repairs::default(),
            out: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// The stored version of a topic is now this one. A topic whose version is empty need not be
    /// mentioned. Costs little, so that it may be called for each batch. Gives whether there is
    /// something to do at once now.
    pub fn handle_version(&mut self, topic: &TopicName, version: &VersionVector) -> bool {
        if !self.topics.set(topic, Version::from(version)) {
            return false;
        }
        if self.topics.has_many_changes() {
            self.topics.take_in_changes(&mut self.reconciliation);
        }
        self.repairs.handle_version(topic) && self.repairs.can_go_on()
    }

    /// A session with a peer opened: compare with it now.
    pub fn handle_peer_up(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        self.topics.take_in_changes(&mut self.reconciliation);
        self.repairs.handle_peer_up(peer);
        self.reconciliation.handle_peer_down(now, peer, rng);
        self.reconciliation.handle_peer_up(now, peer, rng);
        self.go_on(now, rng);
    }

    /// The session with a peer closed.
    pub fn handle_peer_down(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        self.topics.take_in_changes(&mut self.reconciliation);
        self.repairs.handle_peer_down(peer);
        self.reconciliation.handle_peer_down(now, peer, rng);
        self.go_on(now, rng);
    }

    /// Takes a message from a peer.
    pub fn on_message(
        &mut self,
        now: Duration,
        peer: NodeId,
        message: Message,
        rng: &mut impl Rng,
    ) {
        match message {
            Message::Reconciliation(message) => {
                self.topics.take_in_changes(&mut self.reconciliation);
                self.reconciliation.on_message(now, peer, message, rng);
            }
            Message::Digests { topics } => self.on_digests(peer, topics),
        }
        self.go_on(now, rng);
    }

    fn on_digests(&mut self, peer: NodeId, digests: Vec<TopicDigest>) {
        // It opens again, or has gone: comparing begins anew.
        if !self.repairs.knows(peer) {
            return;
        }
        let count = u32::try_from(digests.len()).unwrap_or(u32::MAX);
        self.reconciliation.handle_arrived(peer, count);
        for digest in digests {
            let version = Version {
                hash: digest.version,
                ops_count: digest.ops_count,
            };
            let is_needed = self.topics.lacks(&digest.topic, &version);
            if is_needed && !self.repairs.insert(peer, digest) {
                self.counts.surplus_count += 1;
            }
        }
    }

    /// Does what is due. May be called at any time.
    pub fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        self.topics.take_in_changes(&mut self.reconciliation);
        self.counts.late_count += self.repairs.expire(now) as u64;
        self.reconciliation.handle_timeout(now, rng);
        self.go_on(now, rng);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. In the past if something can be
    /// done at once.
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.repairs.can_go_on() {
            return Some(Duration::ZERO);
        }
        let compare = self.reconciliation.next_timeout();
        let late = self.repairs.next_timeout();
        compare.into_iter().chain(late).min()
    }

    /// The next thing to do, or nothing.
    pub fn poll(&mut self) -> Option<OutEvent> {
        self.out.pop_front()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        Counts {
            reconciliation: self.reconciliation.counts(),
            ..self.counts
        }
    }

    /// Begins repairs that may begin, and comparisons that had to wait for them.
    fn go_on(&mut self, now: Duration, rng: &mut impl Rng) {
        let until = now.saturating_add(self.repair_timeout);
        for (peer, topic) in self.repairs.begin(&self.topics, until) {
            self.counts.repairs_count += 1;
            self.out.push_back(OutEvent::Differs { peer, topic });
        }
        for (peer, is_held) in self.repairs.held_or_released() {
            self.reconciliation.handle_held(now, peer, is_held, rng);
        }
        while let Some(event) = self.reconciliation.poll_event() {
            match event {
                reconciliation::OutEvent::Send { to: peer, message } => {
                    let message = Message::Reconciliation(message);
                    self.out.push_back(OutEvent::Send { peer, message });
                }
                reconciliation::OutEvent::Push { to, keys } => self.push(to, &keys),
                // A version that was named can be over before it is asked for.
                reconciliation::OutEvent::Unserved { .. } => {}
            }
        }
    }

    fn push(&mut self, peer: NodeId, elements: &[Key]) {
        for elements in elements.chunks(DIGESTS_MAX) {
            let digests = elements.iter().filter_map(|key| self.topics.digest(key));
            let topics: Vec<TopicDigest> = digests.collect();
            if !topics.is_empty() {
                let message = Message::Digests { topics };
                self.out.push_back(OutEvent::Send { peer, message });
            }
        }
    }
}

#[cfg(test)]
#[path = "anti_entropy/tests.rs"]
mod tests;
