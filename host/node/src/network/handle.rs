//! What the node asks of the network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::broadcast::acknowledgement::Ask;
use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::content::Statement;
use replicant_protocol::facts::{self, Refusal, SignedFact};
use replicant_protocol::ids::{ClusterId, ModuleHash, NodeId, TopicName};
use replicant_protocol::membership::hyparview::Entry;
use replicant_protocol::membership::{Member, StrategyKind};
use replicant_protocol::session::CloseReason;
use replicant_protocol::wire;
use tokio::sync::{mpsc, oneshot, watch};

use super::budget::{Budget, Share};
use super::events::TopicMessage;
use super::outbox::Lane;
use super::shared::{Behaviour, Revoked, Shared};
use super::statistics::{Count, NetworkStatistics};
use super::talk::{Publish, Said};
use crate::vital::Vital;
use crate::vocabulary::{Acknowledgements, NodeError, Published, Strategy, Subscription};
use crate::wall_clock::wall_ms;

/// Requests that may wait for the driver: announcements and wants. They are rare, and made by
/// people or follow from what few peers may say.
pub(super) const REQUESTS_MAX: usize = 4_096;

/// Bundles that may wait for the driver to send them.
pub(super) const BROADCASTS_MAX: usize = 1_024;

/// By then a node that has just started has heard who is there, if anybody is.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// Too many requests wait for the driver. Nothing changed; try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the network driver is busy")]
pub struct Busy;

/// How long a proof of equivocation counts: a year, in milliseconds.
const PROOF_TTL_MS: u64 = 366 * 24 * 3_600 * 1_000;

/// Why a fact was not published. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Other nodes would refuse it too.
    #[error("the fact is refused: {0}")]
    Refused(#[from] Refusal),
    /// Too many requests wait for the driver, or it has ended.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// A request that must not be lost.
#[derive(Debug)]
pub(super) enum Request {
    Announce(Statement),
    PublishFact(Box<SignedFact>, oneshot::Sender<Result<bool, Refusal>>),
    Want(ModuleHash, u32),
    Unwant(ModuleHash),
    SetEnabled(bool, oneshot::Sender<()>),
    Publish(Publish),
}

/// A bundle for everybody; what is lost here is repaired by comparing versions.
#[derive(Debug)]
pub(super) enum Broadcast {
    /// A new one of this node.
    Own(Vec<u8>),
    /// One that came by broadcast and holds.
    Forward(Vec<u8>),
}

/// A running network. Clones are handles to the same one; it runs until
/// [`shutdown`](Self::shutdown), or until the last handle is dropped: then it ends at once, as if
/// the process had ended. No method but those that are
/// `async` waits for anything.
#[derive(Clone)]
pub struct NetworkHandle {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    broadcasts: mpsc::Sender<(Broadcast, Share)>,
    broadcast_bytes: Budget,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop.kill();
    }
}

impl NetworkHandle {
    /// Whether the driver still lives.
    pub(crate) fn vital(&self) -> &Vital {
        &self.inner.shared.vital
    }

    pub(super) fn new(
        shared: Arc<Shared>,
        requests: mpsc::Sender<Request>,
        broadcasts: mpsc::Sender<(Broadcast, Share)>,
    ) -> Self {
        let broadcast_bytes = Budget::new(shared.config.limits.inbox_bytes_max);
        Self {
            inner: Arc::new(Inner {
                shared,
                requests,
                broadcasts,
                broadcast_bytes,
            }),
        }
    }

    /// This node's id.
    pub fn id(&self) -> NodeId {
        self.inner.shared.id()
    }

    /// The cluster that it belongs to.
    pub fn cluster(&self) -> ClusterId {
        self.inner.shared.cluster
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.inner.shared.listen
    }

    /// Where it tells others to find it.
    pub fn advertised(&self) -> SocketAddr {
        self.inner.shared.advertised
    }

    /// Sends a message to one peer. False if it is dropped (and counted): no session, or too much
    /// waits for the peer already.
    pub fn send(&self, peer: NodeId, message: TopicMessage) -> bool {
        let bytes = wire::Message::from(message).to_bytes();
        self.inner.shared.send(&peer, Lane::Data, bytes)
    }

    /// Broadcasts a bundle of this node. False if it is dropped (and counted).
    pub fn broadcast(&self, bundle: Vec<u8>) -> bool {
        self.queue(Broadcast::Own(bundle))
    }

    /// Passes on a bundle that came by broadcast ([`NetworkEvents::bundle`]) and turned out to
    /// hold. One that came long ago, or another way, is not passed on. False if it is dropped (and
    /// counted).
    ///
    /// [`NetworkEvents::bundle`]: super::NetworkEvents::bundle
    pub fn forward(&self, bundle: Vec<u8>) -> bool {
        self.queue(Broadcast::Forward(bundle))
    }

    fn queue(&self, broadcast: Broadcast) -> bool {
        let (Broadcast::Own(bytes) | Broadcast::Forward(bytes)) = &broadcast;
        let share = self.inner.broadcast_bytes.try_take(bytes.len());
        let queued = share.map(|share| self.inner.broadcasts.try_send((broadcast, share)));
        let is_queued = matches!(queued, Some(Ok(())));
        if !is_queued {
            self.inner.shared.counters.add(Count::DroppedDriverBusy);
        }
        is_queued
    }

    /// Tells everybody of a module or a switch of this node.
    ///
    /// # Errors
    /// [`Busy`]; nothing changed.
    pub fn announce(&self, statement: impl Into<Statement>) -> Result<(), Busy> {
        self.request(Request::Announce(statement.into()))
    }

    /// Tells everybody of a fact. Gives whether it is news.
    ///
    /// # Errors
    /// [`PublishError`]; nothing changed.
    pub async fn publish_fact(&self, fact: SignedFact) -> Result<bool, PublishError> {
        let (done, wait) = oneshot::channel();
        self.request(Request::PublishFact(Box::new(fact), done))?;
        Ok(wait.await.map_err(|_| Busy)??)
    }

    /// Tells everybody by a fact that one author signed two bundles for one place. Nothing happens
    /// if these two do not prove it, or the driver is busy: others tell it too.
    pub fn accuse(&self, first: &SignedBundle, second: &SignedBundle) {
        let identity = &self.inner.shared.config.identity;
        let body = facts::Statement::equivocation_body(&first.head(), &second.head());
        let (Some(body), Ok(kind)) = (body, facts::EQUIVOCATION.parse()) else {
            return;
        };
        let fact = facts::Fact {
            kind,
            body,
            issuer: identity.id(),
            issued_at_ms: wall_ms(),
            ttl_ms: PROOF_TTL_MS,
        };
        if let Ok(fact) = SignedFact::sign(fact, identity) {
            let (done, _) = oneshot::channel();
            let _ = self.request(Request::PublishFact(Box::new(fact), done));
        }
    }

    /// What became of facts.
    pub fn fact_counts(&self) -> facts::Counts {
        self.inner.shared.fact_counts()
    }

    /// Whether a fact says that a node is to be kept out.
    pub fn is_revoked(&self, node: &NodeId) -> bool {
        self.inner.shared.is_node_revoked(node)
    }

    /// Whom facts keep out, now and later. Keeping it does not keep the network.
    pub(crate) fn revoked(&self) -> Revoked {
        self.inner.shared.revoked()
    }

    /// How peers behave, now and later. Keeping it does not keep the network.
    pub(crate) fn behaviour(&self) -> Behaviour {
        self.inner.shared.behaviour.clone()
    }

    /// Fetches a module that is announced with this size. It comes as
    /// [`ModuleEvent::Fetched`](super::ModuleEvent::Fetched), some time. Asking twice is asking
    /// once.
    ///
    /// # Errors
    /// [`Busy`]; nothing changed.
    pub fn want(&self, module: ModuleHash, size_bytes: u32) -> Result<(), Busy> {
        self.request(Request::Want(module, size_bytes))
    }

    /// No longer fetches a module: it came another way.
    ///
    /// # Errors
    /// [`Busy`]; nothing changed.
    pub fn unwant(&self, module: ModuleHash) -> Result<(), Busy> {
        self.request(Request::Unwant(module))
    }

    fn request(&self, request: Request) -> Result<(), Busy> {
        self.inner.requests.try_send(request).map_err(|_| Busy)
    }

    /// Closes the session with a peer that sent what no correct node sends, and refuses it for
    /// [`penalty_time`](super::NetworkLimits::penalty_time).
    pub fn penalise(&self, peer: NodeId) {
        self.inner.shared.punish_node(peer);
    }

    /// Takes the node off the network, or puts it back. Off: all sessions are closed, connections
    /// are refused, nobody is dialed; what is known of members stays and grows old. Back on:
    /// everybody is dialed at once. Returns when that is begun.
    pub async fn set_enabled(&self, enabled: bool) {
        let (done, wait) = oneshot::channel();
        let request = Request::SetEnabled(enabled, done);
        if self.inner.requests.send(request).await.is_ok() {
            // An error means that the driver ended, and then the node is off the network.
            let _ = wait.await;
        }
    }

    /// Says something in a topic. Returns once it is handed to the sessions of this node.
    ///
    /// # Errors
    /// [`NodeError::Topics`], [`NodeError::Busy`], [`NodeError::ShuttingDown`].
    pub async fn publish(
        &self,
        topic: TopicName,
        payload: Vec<u8>,
        strategy: Strategy,
    ) -> Result<Published, NodeError> {
        let said = self.say(topic, payload, strategy, None).await?;
        Ok(said.published)
    }

    /// Says something in a topic. Returns once it is known who has it, at the deadline at the
    /// latest. This node counts too if it listens.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and [`NodeError::Asked`].
    pub async fn publish_acknowledged(
        &self,
        topic: TopicName,
        payload: Vec<u8>,
        strategy: Strategy,
        ask: Ask,
    ) -> Result<Acknowledgements, NodeError> {
        let said = self.say(topic, payload, strategy, Some(ask)).await?;
        // Otherwise the driver ended.
        let told = said.acknowledged.ok_or(NodeError::ShuttingDown)?.await;
        told.map_err(|_| NodeError::ShuttingDown)
    }

    async fn say(
        &self,
        topic: TopicName,
        payload: Vec<u8>,
        strategy: Strategy,
        ask: Option<Ask>,
    ) -> Result<Said, NodeError> {
        let Some(_held) = self.inner.broadcast_bytes.try_take(payload.len()) else {
            let queue = "what waits to be published";
            return Err(NodeError::Busy { queue });
        };
        self.settle().await;
        let (answer, wait) = oneshot::channel();
        let publish = Publish {
            topic,
            payload,
            strategy,
            ask,
            answer,
        };
        self.request(Request::Publish(publish))
            .map_err(|Busy| NodeError::Busy {
                queue: "the network driver",
            })?;
        // Otherwise the driver ended.
        wait.await.map_err(|_| NodeError::ShuttingDown)?
    }

    /// A node that has just started and knew others hears within a moment who is there and who
    /// listens: what is said before that would reach nobody. If it hears of nobody it is alone.
    async fn settle(&self) {
        let shared = &self.inner.shared;
        let config = &shared.config;
        let knew_others = !config.remembered.is_empty() || !config.seeds.is_empty();
        if knew_others && shared.clock.now() < SETTLED_AFTER {
            let mut members = self.members_watch();
            let others = members.wait_for(|members| members.len() > 1);
            let until = shared.clock.instant(SETTLED_AFTER);
            // Whether it heard of anybody or not, it is said now.
            let _ = tokio::time::timeout_at(until, others).await;
        }
    }

    /// Says something to one node. False if it is dropped (and counted): no session, or too much
    /// waits for it already. With partial views only neighbours hear it.
    pub fn say_to(&self, peer: NodeId, payload: Vec<u8>) -> bool {
        let shared = &self.inner.shared;
        if self.strategy() == StrategyKind::HyParView && !self.is_neighbour(&peer) {
            shared.counters.add(Count::DroppedNoSession);
            return false;
        }
        let message = wire::Message::from(wire::Application::Direct(payload));
        shared.send(&peer, Lane::Data, message.to_bytes())
    }

    /// The paths that members subscribe to, by name.
    pub fn subscriptions(&self) -> Arc<[Subscription]> {
        self.inner.shared.subscriptions()
    }

    /// Whether the node takes part in the network.
    pub fn is_enabled(&self) -> bool {
        self.inner.shared.sessions.is_open()
    }

    /// All members that are known, this node included, by id. With partial views: the neighbours.
    pub fn members(&self) -> Arc<[Member]> {
        self.inner.shared.members()
    }

    /// Who is only known, with partial views: claims of others, in the order of ids.
    pub fn known(&self) -> Arc<[Entry]> {
        self.inner.shared.known()
    }

    /// Who is only known, to look at when [`members_watch`](Self::members_watch) tells of a change.
    pub fn known_watch(&self) -> watch::Receiver<Arc<[Entry]>> {
        self.inner.shared.known_watch()
    }

    /// Whether the layers hear what a peer says: there is a session, and with partial views the two
    /// are neighbours.
    pub fn is_neighbour(&self, peer: &NodeId) -> bool {
        let link = self.inner.shared.sessions.get(peer);
        link.is_some_and(|link| link.is_heard())
    }

    /// The strategy of membership.
    pub fn strategy(&self) -> StrategyKind {
        self.inner.shared.config.strategy
    }

    /// The members, and each time that something about them changes. Whoever looks late sees the
    /// latest state, and not each one before it.
    pub fn members_watch(&self) -> watch::Receiver<Arc<[Member]>> {
        self.inner.shared.members_watch()
    }

    /// The nodes that there are sessions with, by id, and each time that these change.
    pub fn peers_watch(&self) -> watch::Receiver<Arc<[NodeId]>> {
        self.inner.shared.sessions.watch()
    }

    /// The nodes that there are sessions with, by id.
    pub fn peers(&self) -> Vec<NodeId> {
        self.inner.shared.sessions.peers()
    }

    /// Whether nothing runs any more.
    pub fn is_stopped(&self) -> bool {
        self.inner.shared.tasks.is_empty()
    }

    /// What happened so far.
    pub fn statistics(&self) -> NetworkStatistics {
        self.inner.shared.statistics()
    }

    /// Leaves the network: says goodbye to the members, flushes what waits for them (for at most
    /// [`flush_timeout`](super::NetworkLimits::flush_timeout)), closes the sessions and waits
    /// until every task has ended. May be called more than once.
    pub async fn shutdown(&self) {
        let shared = &self.inner.shared;
        shared.stop.begin();
        let limit = shared.config.limits.flush_timeout;
        if tokio::time::timeout(limit, shared.tasks.wait())
            .await
            .is_err()
        {
            shared.sessions.close_all_at_once(CloseReason::Shutdown);
            shared.stop.kill();
            shared.tasks.wait().await;
        }
    }
}

impl std::fmt::Debug for NetworkHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkHandle")
            .field("id", &self.id())
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
