//! Anti-entropy: finding the topics in which two nodes differ.
//!
//! Guarantee: while two nodes are connected, each learns of every topic in which the other's
//! version is a different one, at the latest one `interval` times the number of its peers later
//! (in expectation; peers are chosen at random).
//!
//! Source: Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (PODC 1987),
//! section 1.3: compare a checksum of everything first, lists only where it differs. Deviation:
//! each side pulls for itself, page by page, so that no one has to hold or take more than a page.
//!
//! Inputs: sessions ([`State::handle_peer_up`]), versions of topics ([`State::handle_version`]),
//! messages, time. Outputs: messages, and [`OutEvent::Differs`] for the topic's own
//! [`replication`](super::State) to repair. Timers: one comparison with a random peer each
//! `interval`; a page that does not come within `page_timeout` ends its comparison.
//!
//! Invariants: one comparison for each peer at a time; pages ascend strictly, so a comparison
//! ends; it ends at `topics_max` topics at the latest. A peer gets the pages of at most
//! `comparisons_max` comparisons in an interval: a question is small and a page is not.
//!
//! A peer's first message can overtake the news that its session is open. So questions are answered
//! whoever asks; only what comes of a question of this node needs a known session.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use minicbor::{Decode, Encode};
use rand::{Rng, RngExt};

use super::MessageError;
use crate::bounded;
use crate::identity::NodeId;
use crate::ids::{Hash, TopicName};

/// How many topics stand on one page.
pub const PAGE_COUNT_MAX: usize = 512;

/// What can be tuned. Nodes may differ in all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How often to compare with a random peer. Shorter repairs faster what broadcast missed, and
    /// costs a message each time.
    pub interval: Duration,
    /// How long to wait for a page.
    pub page_timeout: Duration,
    /// How many topics of a peer to look at in one comparison. Larger than the number of topics
    /// that any node has.
    pub topics_max: usize,
    /// How many comparisons of a peer with this node are answered in one `interval`; further
    /// questions are ignored. Larger bears peers with shorter intervals, and costs more if one
    /// asks without end.
    pub comparisons_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            page_timeout: Duration::from_secs(10),
            topics_max: 1_000_000,
            comparisons_max: 8,
        }
    }
}

impl Config {
    /// No time and no number is zero.
    fn within_range(mut self) -> Self {
        let least = Duration::from_millis(1);
        self.interval = self.interval.max(least);
        self.page_timeout = self.page_timeout.max(least);
        self.comparisons_max = self.comparisons_max.max(1);
        self
    }
}

/// What nodes say to each other to compare their topics.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// Asks for a page.
    #[n(0)]
    DigestRequest(#[n(0)] DigestRequest),
    /// A page.
    #[n(1)]
    DigestPage(#[n(0)] DigestPage),
}

impl Message {
    /// Encodes the message; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(self)
    }

    /// Decodes a message. Total over any bytes; holds a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        bounded::from_bytes(bytes).map_err(|error| MessageError {
            reason: error.to_string(),
        })
    }
}

/// Asks for the topics behind `after`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DigestRequest {
    /// The last topic of the page before; none for the first page.
    #[n(0)]
    pub after: Option<TopicName>,
    /// Hash of all topics and versions of the asking node when it began to compare. A peer that is
    /// asked for its first page and has the same has nothing to tell.
    #[n(1)]
    pub root: Hash,
}

/// Topics with the hashes of their versions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DigestPage {
    /// The `after` of the request.
    #[n(0)]
    pub after: Option<TopicName>,
    /// Ascending by topic, all behind `after`.
    #[n(1)]
    #[cbor(decode_with = "bounded::vec::<_, _, { PAGE_COUNT_MAX }>")]
    pub topics: Vec<TopicDigest>,
    /// Whether this is the last page. A page that is not has at least one topic.
    #[n(2)]
    pub is_last: bool,
}

/// A topic with the hash of its version.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TopicDigest {
    /// The topic.
    #[n(0)]
    pub topic: TopicName,
    /// [`VersionVector::hash`](crate::version::VersionVector::hash) of its version.
    #[n(1)]
    pub version: Hash,
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
    /// A peer's page breaks the rules; no honest node sends that: close the session.
    Reject {
        /// The peer.
        peer: NodeId,
        /// What is wrong with the page.
        reason: PageError,
    },
}

/// What is wrong with a page. The sending peer's fault; the comparison has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Topics do not ascend, or are not behind what was asked for.
    #[error("the topics of a page do not ascend")]
    Order,
    /// A page with nothing on it that is not the last.
    #[error("an empty page that is not the last")]
    Empty,
    /// More topics than a node can have.
    #[error("more topics than a node can have")]
    TooMany,
}

/// A comparison under way: what was asked for last.
#[derive(Debug)]
struct Comparison {
    root: Hash,
    after: Option<TopicName>,
    seen_count: usize,
    deadline: Duration,
}

/// A peer with a session.
#[derive(Debug, Default)]
struct Peer {
    comparison: Option<Comparison>,
    /// Pages that it got in the present interval.
    pages_count: usize,
}

/// The comparison of a node's topics with those of its peers.
///
/// Call [`poll`](Self::poll) until nothing comes after every input, and
/// [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct State {
    config: Config,
    topics: BTreeMap<TopicName, Hash>,
    root: Option<Hash>,
    peers: BTreeMap<NodeId, Peer>,
    next_round: Duration,
    out: VecDeque<OutEvent>,
    unsolicited: u64,
    refused: u64,
}

impl State {
    /// Makes the state of a node without topics and peers.
    pub fn new(now: Duration, config: Config) -> Self {
        let config = config.within_range();
        Self {
            next_round: now.saturating_add(config.interval),
            config,
            topics: BTreeMap::new(),
            root: None,
            peers: BTreeMap::new(),
            out: VecDeque::new(),
            unsolicited: 0,
            refused: 0,
        }
    }

    /// The stored version of a topic is now the one with this hash. A topic whose version is empty
    /// need not be mentioned.
    pub fn handle_version(&mut self, topic: TopicName, version: Hash) {
        if self.topics.insert(topic, version) != Some(version) {
            self.root = None;
        }
    }

    /// A session with a peer opened: compare with it now.
    pub fn handle_peer_up(&mut self, now: Duration, peer: NodeId) {
        self.peers.insert(peer, Peer::default());
        self.compare(now, peer);
    }

    /// The session with a peer closed.
    pub fn handle_peer_down(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
    }

    /// Pages that came without having been asked for.
    pub fn unsolicited_count(&self) -> u64 {
        self.unsolicited
    }

    /// Questions that were ignored, since their peer had asked too often.
    pub fn refused_count(&self) -> u64 {
        self.refused
    }

    /// Takes a message from a peer.
    pub fn on_message(&mut self, now: Duration, peer: NodeId, message: Message) {
        match message {
            Message::DigestRequest(request) => self.on_request(peer, request),
            Message::DigestPage(page) => self.on_page(now, peer, page),
        }
    }

    fn on_request(&mut self, peer: NodeId, request: DigestRequest) {
        if !self.may_have_page(peer) {
            self.refused += 1;
            return;
        }
        let is_equal = request.after.is_none() && request.root == self.root();
        let topics = match is_equal {
            true => Vec::new(),
            false => self.page(&request),
        };
        let is_last = topics.len() < PAGE_COUNT_MAX;
        let page = DigestPage {
            after: request.after,
            topics,
            is_last,
        };
        self.out.push_back(OutEvent::Send {
            peer,
            message: Message::DigestPage(page),
        });
    }

    /// Counts a page for a peer; false if it had its share of this interval.
    fn may_have_page(&mut self, peer: NodeId) -> bool {
        let comparison_pages = 1 + self.topics.len() / PAGE_COUNT_MAX;
        let pages_max = comparison_pages.saturating_mul(self.config.comparisons_max);
        let Some(peer) = self.peers.get_mut(&peer) else {
            return true;
        };
        peer.pages_count += 1;
        peer.pages_count <= pages_max
    }

    fn page(&self, request: &DigestRequest) -> Vec<TopicDigest> {
        let from = request
            .after
            .as_ref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let topics = self.topics.range::<TopicName, _>((from, Bound::Unbounded));
        let digest = |(topic, version): (&TopicName, &Hash)| TopicDigest {
            topic: topic.clone(),
            version: *version,
        };
        topics.take(PAGE_COUNT_MAX).map(digest).collect()
    }

    fn on_page(&mut self, now: Duration, peer: NodeId, page: DigestPage) {
        let Some(asked) = self.peers.get_mut(&peer) else {
            return;
        };
        let answered = asked.comparison.take_if(|asked| asked.after == page.after);
        let Some(comparison) = answered else {
            self.unsolicited += 1;
            return;
        };
        let seen_count = comparison.seen_count + page.topics.len();
        if let Err(reason) = self.check(&page, seen_count) {
            self.out.push_back(OutEvent::Reject { peer, reason });
            return;
        }
        for digest in &page.topics {
            if self.topics.get(&digest.topic) != Some(&digest.version) {
                let topic = digest.topic.clone();
                self.out.push_back(OutEvent::Differs { peer, topic });
            }
        }
        if !page.is_last {
            let after = page.topics.last().map(|digest| digest.topic.clone());
            let root = comparison.root;
            self.ask(now, peer, (root, after), seen_count);
        }
    }

    fn check(&self, page: &DigestPage, seen_count: usize) -> Result<(), PageError> {
        let ascends = page.topics.is_sorted_by(|a, b| a.topic < b.topic);
        let is_behind = page
            .topics
            .first()
            .is_none_or(|first| Some(&first.topic) > page.after.as_ref());
        if !ascends || !is_behind {
            return Err(PageError::Order);
        }
        if page.topics.is_empty() && !page.is_last {
            return Err(PageError::Empty);
        }
        if seen_count > self.config.topics_max {
            return Err(PageError::TooMany);
        }
        Ok(())
    }

    /// Begins a comparison with a peer, unless one is under way.
    fn compare(&mut self, now: Duration, peer: NodeId) {
        let is_free = |peer: &Peer| peer.comparison.is_none();
        if self.peers.get(&peer).is_some_and(is_free) {
            let root = self.root();
            self.ask(now, peer, (root, None), 0);
        }
    }

    fn ask(
        &mut self,
        now: Duration,
        peer: NodeId,
        (root, after): (Hash, Option<TopicName>),
        seen_count: usize,
    ) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        state.comparison = Some(Comparison {
            root,
            after: after.clone(),
            seen_count,
            deadline: now.saturating_add(self.config.page_timeout),
        });
        self.out.push_back(OutEvent::Send {
            peer,
            message: Message::DigestRequest(DigestRequest { after, root }),
        });
    }

    /// Hash of all topics and versions; recomputed after a change only.
    fn root(&mut self) -> Hash {
        let topics = &self.topics;
        *self.root.get_or_insert_with(|| {
            // No topic contains a zero byte.
            let parts = topics
                .iter()
                .flat_map(|(topic, version)| [topic.as_str().as_bytes(), &[0], version.as_bytes()]);
            Hash::derive_each("replicant 2026-11 topics and versions", parts)
        })
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn next_timeout(&self) -> Duration {
        let pages = self
            .peers
            .values()
            .filter_map(|peer| Some(peer.comparison.as_ref()?.deadline));
        pages
            .chain([self.next_round])
            .min()
            .unwrap_or(self.next_round)
    }

    /// Ends comparisons whose page did not come, and begins one with a random peer when a round is
    /// due.
    pub fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        for peer in self.peers.values_mut() {
            peer.comparison
                .take_if(|comparison| comparison.deadline <= now);
        }
        if self.next_round > now {
            return;
        }
        self.next_round = now.saturating_add(self.config.interval);
        for peer in self.peers.values_mut() {
            peer.pages_count = 0;
        }
        if !self.peers.is_empty() {
            let index = rng.random_range(0..self.peers.len());
            if let Some(peer) = self.peers.keys().nth(index).copied() {
                self.compare(now, peer);
            }
        }
    }

    /// The next thing to do, or nothing.
    pub fn poll(&mut self) -> Option<OutEvent> {
        self.out.pop_front()
    }
}

#[cfg(test)]
#[path = "anti_entropy/tests.rs"]
mod tests;
