//! What all tasks of the network see.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::facts;
use replicant_protocol::ids::{ClusterId, NodeId};
use replicant_protocol::membership::Member;
use replicant_protocol::membership::hyparview::Entry;
use replicant_protocol::scores::{Offence, Scores};
use replicant_protocol::session::{self, CloseReason};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::budget::Budget;
use super::config::NetworkConfig;
use super::driver::{ControlInput, DataInput};
use super::error::NetworkError;
use super::events::NetworkEvents;
use super::half_open::HalfOpen;
use super::outbox::{Lane, Parcel, Refusal};
use super::penalties::{Penalties, Source};
use super::sessions::Sessions;
use super::statistics::{Count, Counters, NetworkStatistics};
use super::stop::Stop;
use crate::vital::Vital;
use crate::vocabulary::Subscription;

/// Monotonic time since the start, as the protocols count it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time now.
    pub(super) fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// The instant for a timer. Far futures are cut to a day: timers fire early, never late.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        let day = Duration::from_secs(24 * 3600);
        self.0 + at.min(self.now().saturating_add(day))
    }
}

/// A generator that the operating system seeded.
///
/// # Errors
/// [`NetworkError::Entropy`].
pub(super) fn seeded_rng() -> Result<ChaCha20Rng, NetworkError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| NetworkError::Entropy {
        reason: error.to_string(),
    })?;
    Ok(ChaCha20Rng::from_seed(seed))
}

/// Where sessions put messages for the driver. Full: the session waits, and with it its peer.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) control: mpsc::Sender<ControlInput>,
    pub(super) control_bytes: Budget,
    pub(super) data: mpsc::Sender<DataInput>,
    pub(super) data_bytes: Budget,
}

/// The nodes that facts keep out, at any time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revoked(Arc<Mutex<BTreeSet<NodeId>>>);

impl Revoked {
    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        lock(&self.0).contains(node)
    }
}

/// How peers behave, at any time.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    scores: Arc<Mutex<Scores>>,
    clock: Clock,
}

impl Behaviour {
    fn new(clock: Clock, bad_seconds_max: u32) -> Self {
        Self {
            scores: Arc::new(Mutex::new(Scores::new(bad_seconds_max))),
            clock,
        }
    }

    /// Weighs what a peer did. Whether it is to be punished.
    pub(super) fn weigh(&self, now: Duration, peer: NodeId, did: &impl Offence) -> bool {
        lock(&self.scores).weigh(now, peer, did)
    }

    /// How many bad seconds of a peer are not forgiven yet.
    pub(crate) fn bad_seconds(&self, peer: &NodeId) -> u32 {
        lock(&self.scores).bad_seconds(self.clock.now(), peer)
    }
}

/// What all tasks of the network see.
pub(super) struct Shared {
    pub(super) config: NetworkConfig,
    pub(super) cluster: ClusterId,
    pub(super) listen: SocketAddr,
    pub(super) advertised: SocketAddr,
    pub(super) clock: Clock,
    pub(super) events: Arc<dyn NetworkEvents>,
    pub(super) inbox: Inbox,
    pub(super) sessions: Sessions,
    pub(super) counters: Counters,
    pub(super) stop: Stop,
    pub(super) tasks: TaskTracker,
    pub(super) vital: Vital,
    penalties: Mutex<Penalties>,
    half_open: Mutex<HalfOpen>,
    members: watch::Sender<Arc<[Member]>>,
    /// Who is only known, with partial views.
    known: watch::Sender<Arc<[Entry]>>,
    subscriptions: Mutex<Arc<[Subscription]>>,
    /// Nodes that are to be kept out for good.
    revoked: Revoked,
    pub(super) behaviour: Behaviour,
    fact_counts: Mutex<facts::Counts>,
    /// Cancelled, and made anew, when the node is taken off the network: ends what is not yet a
    /// session.
    era: Mutex<CancellationToken>,
}

impl Shared {
    pub(super) fn new(
        config: NetworkConfig,
        cluster: ClusterId,
        addresses: (SocketAddr, SocketAddr),
        clock: Clock,
        events: Arc<dyn NetworkEvents>,
        inbox: Inbox,
    ) -> Self {
        let limits = &config.limits;
        let penalties = Penalties::new(
            limits.offences_max,
            limits.penalty_time,
            limits.penalties_max,
        );
        let behaviour = Behaviour::new(clock, limits.bad_seconds_max);
        let half_open = HalfOpen::new(limits.half_open_max, limits.half_open_per_source_max);
        let own = config.identity.id();
        Self {
            sessions: Sessions::new(own, config.session.handshake_timeout, limits),
            cluster,
            listen: addresses.0,
            advertised: addresses.1,
            clock,
            events,
            inbox,
            counters: Counters::default(),
            stop: Stop::default(),
            vital: Vital::new("network"),
            tasks: TaskTracker::new(),
            penalties: Mutex::new(penalties),
            half_open: Mutex::new(half_open),
            members: watch::Sender::new(Arc::new([])),
            known: watch::Sender::new(Arc::new([])),
            subscriptions: Mutex::new(Arc::new([])),
            revoked: Revoked::default(),
            behaviour,
            fact_counts: Mutex::default(),
            era: Mutex::new(CancellationToken::new()),
            config,
        }
    }

    /// This node.
    pub(super) fn id(&self) -> NodeId {
        self.config.identity.id()
    }

    /// What this node says of itself in a handshake.
    pub(super) fn local(&self) -> session::Local {
        session::Local {
            identity: self.config.identity.clone(),
            cluster: Some(self.cluster),
            address: self.advertised,
            view: self.config.view(),
        }
    }

    /// Puts a message into a peer's outbox. False if it is dropped, which is counted.
    pub(super) fn send(&self, peer: &NodeId, lane: Lane, message: Vec<u8>) -> bool {
        match self.sessions.rooms().parcel(lane, message) {
            Some(parcel) => self.post(peer, lane, parcel),
            None => {
                self.counters.add(Count::DroppedQueuesFull);
                false
            }
        }
    }

    /// Puts one message into the outboxes of several peers. Gives those for whom it is dropped,
    /// which is counted.
    pub(super) fn send_to_all(
        &self,
        peers: &[NodeId],
        lane: Lane,
        message: Vec<u8>,
    ) -> Vec<NodeId> {
        let Some(parcel) = self.sessions.rooms().parcel(lane, message) else {
            let dropped = peers.len() as u64;
            self.counters.add_many(Count::DroppedQueuesFull, dropped);
            return peers.to_vec();
        };
        let dropped = peers.iter().copied();
        let dropped = dropped.filter(|peer| !self.post(peer, lane, parcel.clone()));
        dropped.collect()
    }

    fn post(&self, peer: &NodeId, lane: Lane, parcel: Arc<Parcel>) -> bool {
        let Some(link) = self.sessions.get(peer) else {
            self.counters.add(Count::DroppedNoSession);
            return false;
        };
        match link.outbox.push(lane, parcel) {
            Ok(()) => return true,
            Err(Refusal::Full) => self.counters.add(Count::DroppedPeerSlow),
            Err(Refusal::Closed) => self.counters.add(Count::DroppedNoSession),
        }
        false
    }

    /// Refuses a node for a while and ends its session.
    pub(super) fn punish_node(&self, node: NodeId) {
        lock(&self.penalties).punish_node(self.clock.now(), node);
        self.counters.add(Count::Penalties);
        if let Some(link) = self.sessions.get(&node) {
            self.counters.add(Count::SessionsMalicious);
            link.close_at_once(CloseReason::Misbehaviour);
        }
    }

    /// Counts an offence of a source; from some number on it is refused for a while.
    pub(super) fn count_offence(&self, source: Source) {
        let now = self.clock.now();
        let mut penalties = lock(&self.penalties);
        let was_refused = penalties.is_source_refused(now, &source);
        penalties.count_offence(now, source);
        if !was_refused && penalties.is_source_refused(now, &source) {
            self.counters.add(Count::Penalties);
        }
    }

    /// Keeps a node out from now on, and ends its session, if there is one, with a notice.
    pub(super) fn keep_out(&self, node: NodeId, notice: impl FnOnce() -> Option<Vec<u8>>) {
        lock(&self.revoked.0).insert(node);
        if let Some(link) = self.sessions.get(&node) {
            self.counters.add(Count::SessionsRevoked);
            let parcel = notice().and_then(|it| self.sessions.rooms().parcel(Lane::Data, it));
            link.close_with(CloseReason::Refused, parcel);
        }
    }

    /// Lets a node in again.
    pub(super) fn let_in(&self, node: &NodeId) {
        lock(&self.revoked.0).remove(node);
    }

    /// Whether a node is to be kept out for good.
    pub(super) fn is_node_revoked(&self, node: &NodeId) -> bool {
        self.revoked.contains(node)
    }

    /// Who is to be kept out for good, now and later.
    pub(super) fn revoked(&self) -> Revoked {
        self.revoked.clone()
    }

    /// Publishes what became of facts.
    pub(super) fn set_fact_counts(&self, counts: facts::Counts) {
        *lock(&self.fact_counts) = counts;
    }

    /// What became of facts.
    pub(super) fn fact_counts(&self) -> facts::Counts {
        lock(&self.fact_counts).clone()
    }

    /// Whether a node is being punished, or kept out for good.
    pub(super) fn is_node_refused(&self, node: &NodeId) -> bool {
        if self.is_node_revoked(node) {
            return true;
        }
        lock(&self.penalties).is_node_refused(self.clock.now(), node)
    }

    /// Whether a source is being punished, and nobody there is in a session with this node.
    pub(super) fn is_source_refused(&self, source: &Source) -> bool {
        let is_punished = lock(&self.penalties).is_source_refused(self.clock.now(), source);
        is_punished && !self.sessions.has_source(source)
    }

    /// The half-open connections.
    pub(super) fn half_open(&self) -> MutexGuard<'_, HalfOpen> {
        lock(&self.half_open)
    }

    /// Cancelled when the node is taken off the network.
    pub(super) fn era(&self) -> CancellationToken {
        lock(&self.era).clone()
    }

    /// Takes the node off the network: no session is left in use, and nothing becomes one.
    pub(super) fn disable(&self) {
        self.sessions.close_all_at_once(CloseReason::Shutdown);
        let mut era = lock(&self.era);
        era.cancel();
        *era = CancellationToken::new();
    }

    /// All members that are known.
    pub(super) fn members(&self) -> Arc<[Member]> {
        self.members.borrow().clone()
    }

    /// Who is only known, with partial views: claims, in the order of ids.
    pub(super) fn known(&self) -> Arc<[Entry]> {
        self.known.borrow().clone()
    }

    /// Publishes who is only known; whoever follows members looks when those are published.
    pub(super) fn set_known(&self, known: Vec<Entry>) {
        self.known.send_replace(known.into());
    }

    /// Who is only known, to look at when members change.
    pub(super) fn known_watch(&self) -> watch::Receiver<Arc<[Entry]>> {
        self.known.subscribe()
    }

    /// Publishes what is known of members.
    pub(super) fn set_members(&self, members: Vec<Member>) {
        self.members.send_replace(members.into());
    }

    /// Publishes what is measured of members, and wakes nobody.
    pub(super) fn refresh_members(&self, members: Vec<Member>) {
        self.members.send_if_modified(|published| {
            *published = members.into();
            false
        });
    }

    /// All members that are known, and each time that something about them changes.
    pub(super) fn members_watch(&self) -> watch::Receiver<Arc<[Member]>> {
        self.members.subscribe()
    }

    /// The paths that members subscribe to.
    pub(super) fn subscriptions(&self) -> Arc<[Subscription]> {
        lock(&self.subscriptions).clone()
    }

    /// Publishes the paths that members subscribe to.
    pub(super) fn set_subscriptions(&self, subscriptions: Vec<Subscription>) {
        *lock(&self.subscriptions) = subscriptions.into();
    }

    /// What happened so far.
    pub(super) fn statistics(&self) -> NetworkStatistics {
        let (sessions, queued_bytes) = self.sessions.totals();
        let counts = Count::ALL.iter();
        NetworkStatistics {
            sessions,
            half_open: self.half_open().len(),
            queued_bytes,
            penalties: lock(&self.penalties).len(),
            counts: counts
                .map(|count| (*count, self.counters.get(*count)))
                .collect(),
        }
    }
}

/// Nothing panics while one of these locks is held, and the states are valid between any two
/// lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
