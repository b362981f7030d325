//! The state of a broadcast tree: which event goes where.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::broadcast::{Broadcast, BroadcastError, Delivery, OutEvent};
use crate::ids::{Hash, NodeId};
use crate::seen::Seen;

use super::beacon::Root;
use super::cache::Cache;
use super::missing::Missing;
use super::peers::{Offences, Peers};
use super::{Announced, Config, Message, MessageError};

/// How many that have a payload are remembered while the driver looks at it.
const HOLDERS_MAX: usize = 64;

/// A payload that the driver looks at.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) spread: u16,
    /// Who has it already.
    pub(super) holders: Vec<NodeId>,
}

impl Pending {
    /// Notes that a node has it. Beyond the bound it gets what it has once more.
    pub(super) fn held_by(&mut self, node: NodeId) {
        if self.holders.len() < HOLDERS_MAX && !self.holders.contains(&node) {
            self.holders.push(node);
        }
    }
}

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payloads seen for the first time.
    pub delivered_count: u64,
    /// Payloads that came again.
    pub duplicate_count: u64,
    /// Payloads dropped since the driver did not keep up.
    pub dropped_count: u64,
    /// Announcements dropped at a bound.
    pub dropped_i_haves_count: u64,
    /// Payloads and beacons that were asked for.
    pub grafts_count: u64,
    /// Links that were made lazy.
    pub prunes_count: u64,
    /// Announced payloads that nobody sent.
    pub given_up_count: u64,
}

impl Counts {
    /// Adds what happened since an earlier reading of the same tree.
    pub fn add(&mut self, now: &Self, before: &Self) {
        self.delivered_count += now.delivered_count - before.delivered_count;
        self.duplicate_count += now.duplicate_count - before.duplicate_count;
        self.dropped_count += now.dropped_count - before.dropped_count;
        self.dropped_i_haves_count += now.dropped_i_haves_count - before.dropped_i_haves_count;
        self.grafts_count += now.grafts_count - before.grafts_count;
        self.prunes_count += now.prunes_count - before.prunes_count;
        self.given_up_count += now.given_up_count - before.given_up_count;
    }
}

/// A broadcast tree. See [`Broadcast`] for how to operate it.
///
/// Timers: announcements that are collected; payloads that are overdue; the end of what is kept;
/// the next beacon, or the time when the root has been silent for too long.
///
/// Invariants: no payload is delivered twice while its hash is remembered; a payload never goes
/// back to whom it came from; every collection is bounded.
#[derive(Debug)]
pub struct Plumtree {
    pub(super) config: Config,
    pub(super) own: NodeId,
    pub(super) peers: Peers,
    pub(super) seen: Seen,
    pub(super) cache: Cache,
    pub(super) missing: Missing,
    pub(super) pending: BTreeMap<Hash, Pending>,
    pub(super) root: Root,
    /// Seeded at the start: chooses copies beside the tree, and the patience with a silent root.
    pub(super) rng: ChaCha8Rng,
    /// When collected announcements are sent.
    pub(super) flush_at: Option<Duration>,
    pub(super) events: VecDeque<OutEvent<Message>>,
    pub(super) counts: Counts,
}

impl Plumtree {
    /// Starts with no neighbours. Its own generator is seeded from `rng`.
    pub fn new(config: Config, own: NodeId, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        let mut rng = ChaCha8Rng::from_rng(rng);
        Self {
            own,
            peers: Peers::default(),
            seen: Seen::new(config.seen_max),
            cache: Cache::new(
                config.cache_count_max,
                config.cache_bytes_max,
                config.cache_retention,
            ),
            missing: Missing::new(config.missing_max),
            pending: BTreeMap::new(),
            root: Root::unknown(now, config.beacon_interval, &mut rng),
            rng,
            flush_at: None,
            events: VecDeque::new(),
            counts: Counts::default(),
            config,
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What a neighbour did that it should not have.
    pub fn offences(&self, peer: &NodeId) -> Offences {
        let peer = self.peers.get(peer);
        peer.map(|peer| peer.offences).unwrap_or_default()
    }

    /// What neighbours did that they should not have, since this was last asked.
    pub fn take_offences(&mut self) -> Vec<(NodeId, Offences)> {
        let taken = self.peers.iter_mut().filter_map(|(id, peer)| {
            let offences = std::mem::take(&mut peer.offences);
            (offences != Offences::default()).then_some((*id, offences))
        });
        taken.collect()
    }

    /// Whether payloads are sent to a neighbour at once: whether the tree leads through it.
    pub fn is_eager(&self, peer: &NodeId) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.is_eager)
    }

    /// How many links are eager, and how many hops the last beacon made.
    pub fn eager_count(&self) -> (usize, u8) {
        (self.peers.with_link(true, &[]).len(), self.root.hops)
    }

    /// How many copies beside the tree a broadcast may make from now on
    /// ([`Config::spread_count`]): the number of nodes changed.
    pub fn set_spread_count(&mut self, count: u16) {
        self.config.spread_count = count;
    }

    /// How many neighbours there are.
    pub fn neighbours_count(&self) -> usize {
        self.peers.len()
    }

    /// A message did not go out: too much waits for the neighbour already. What it would have
    /// brought is announced later, so that the neighbour can ask for it.
    pub fn handle_unsent(&mut self, now: Duration, to: NodeId, message: &Message) {
        match message {
            Message::Gossip { hops, payload, .. } => {
                let (id, hops) = (Hash::of(payload), *hops);
                self.announce(now, to, Announced { id, hops });
            }
            Message::IHave { items, .. } => {
                for item in items {
                    self.announce(now, to, *item);
                }
            }
            Message::Beacon { .. } => {
                if let Some(item) = self.root.announced() {
                    self.announce(now, to, item);
                }
            }
            // Asked again, or of no use any more.
            Message::Graft { .. } | Message::Prune => {}
        }
    }

    pub(super) fn send(&mut self, to: Vec<NodeId>, message: Message) {
        if !to.is_empty() {
            self.events.push_back(OutEvent::Send { to, message });
        }
    }

    fn check_hops(&self, hops: u8) -> Result<(), MessageError> {
        let max = self.config.hops_max;
        if hops == 0 || hops > max {
            return Err(MessageError::Hops { hops, max });
        }
        Ok(())
    }

    fn check(&self, message: &Message) -> Result<(), MessageError> {
        match message {
            Message::Gossip { hops, payload, .. } => {
                let (length, max) = (payload.len(), self.config.payload_bytes_max);
                if length == 0 || length > max {
                    return Err(MessageError::PayloadLength { length, max });
                }
                self.check_hops(*hops)
            }
            Message::Beacon { hops, .. } => self.check_hops(*hops),
            Message::IHave { items, .. } if items.len() > super::ANNOUNCED_MAX => {
                let count = items.len();
                Err(MessageError::Announced { count })
            }
            _ => Ok(()),
        }
    }
}

impl Broadcast for Plumtree {
    type Message = Message;
    type MessageError = MessageError;

    fn handle_neighbour_up(&mut self, now: Duration, peer: NodeId) {
        if !self.peers.contains(&peer) {
            self.add_peer(now, peer);
        }
    }

    fn handle_neighbour_down(&mut self, now: Duration, peer: NodeId) {
        if self.peers.remove(&peer).is_some() {
            self.missing.forget(&peer);
            self.replace_parent(now, peer);
        }
    }

    fn handle_broadcast(
        &mut self,
        now: Duration,
        payload: Arc<[u8]>,
    ) -> Result<Hash, BroadcastError> {
        let (length, max) = (payload.len(), self.config.payload_bytes_max);
        if length == 0 || length > max {
            return Err(BroadcastError::PayloadLength { length, max });
        }
        let id = Hash::of(&payload);
        if !self.cache.contains(&id) && self.seen.insert(id) {
            self.cache.insert(now, id, 0, payload.clone());
            self.push(now, id, 1, self.config.spread_count, payload, &[]);
        }
        Ok(id)
    }

    fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: Message,
    ) -> Result<(), MessageError> {
        self.check(&message)?;
        if let Message::Gossip {
            hops,
            spread,
            payload,
        } = message
        {
            self.on_gossip(from, hops, spread, payload);
            return Ok(());
        }
        if !self.peers.contains(&from) {
            return Ok(());
        }
        match message {
            Message::Gossip { .. } => {}
            Message::Beacon {
                root,
                sequence,
                hops,
            } => self.on_beacon(now, from, root, sequence, hops),
            Message::IHave { is_old, items } => self.on_i_have(now, from, is_old, items),
            Message::Graft { id, is_link } => self.on_graft(now, from, id, is_link),
            Message::Prune => self.on_prune(now, from),
        }
        Ok(())
    }

    fn handle_accepted(&mut self, now: Duration, delivery: Delivery) {
        let Some(mut pending) = self.pending.remove(&delivery.id) else {
            return;
        };
        pending.held_by(delivery.from);
        let Delivery {
            id, hops, payload, ..
        } = delivery;
        self.cache.insert(now, id, hops, payload.clone());
        if hops < self.config.hops_max {
            let (spread, holders) = (pending.spread, pending.holders);
            self.push(now, id, hops + 1, spread, payload, &holders);
        }
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.cache.expire(now);
        self.ask_for_overdue(now);
        if self.root.due_at <= now {
            self.emit_beacon(now);
        }
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush(now);
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        let expiry = self.cache.expires_at();
        let others = [self.missing.next_due(), expiry, self.flush_at];
        let beacon = [Some(self.root.due_at)];
        others.into_iter().chain(beacon).flatten().min()
    }

    fn poll_event(&mut self) -> Option<OutEvent<Message>> {
        self.events.pop_front()
    }
}
