//! The one task that owns the protocols with one state for the whole node: membership, trees and
//! content, and the plan of dials. It turns their outputs into messages, events and dials, and
//! never waits for anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::{plumtree, rapid};
use replicant_protocol::circles;
use replicant_protocol::content;
use replicant_protocol::facts;
use replicant_protocol::ids::{Hash, ModuleHash, NodeId, TopicName};
use replicant_protocol::membership::hyparview::{Entry, HyParView};
use replicant_protocol::membership::{
    self, Membership, Strategy, StrategyKind, StrategyMessage, Swim,
};
use replicant_protocol::session::CloseReason;
use replicant_protocol::topics;
use replicant_protocol::wire::{self, Payload};
use tokio::sync::{Semaphore, oneshot};

use super::budget::Held;
use super::dial_plan::{DialAddress, DialPlan, Dialed, Target};
use super::dialer;
use super::events::ModulePart;
use super::facts::restored_facts;
use super::found::Place;
use super::handle::{Broadcast, Request};
use super::inputs::Inputs;
use super::neighbours::Neighbourhood;
use super::overlays::{Overlays, Scope};
use super::pending::Pending;
use super::sessions::Link;
use super::shared::Shared;
use super::talk::{self, Asked};
use crate::wall_clock::wall_ms;

/// What sessions and dials tell the driver, and messages of failure detection.
pub(super) enum ControlInput {
    /// A session is in use. Answered once everybody knows of it: then they may hear its messages.
    Up(Arc<Link>, oneshot::Sender<()>),
    /// A session is over.
    Down(Arc<Link>),
    /// A dial ended.
    Dialed { target: Target, dialed: Dialed },
    /// Discovery found addresses to try.
    Found(Vec<Place>),
    /// A message of membership. Answered, if that is wanted, once everybody knows what it changed.
    Membership(
        Arc<Link>,
        StrategyMessage,
        Held,
        Option<oneshot::Sender<()>>,
    ),
}

/// Messages that may be large or many.
pub(super) enum DataInput {
    /// About modules.
    Content(Arc<Link>, content::Message, Held),
    /// A message of a tree.
    Tree(Arc<Link>, Scope, plumtree::Message, Held),
    /// A message of rapid broadcast.
    Rapid(Arc<Link>, Scope, rapid::Message, Held),
    /// What a program says.
    Application(Arc<Link>, wire::Application, Held),
    /// About facts.
    Facts(Arc<Link>, facts::Message, Held),
    /// About the circle of a path.
    Circle(Arc<Link>, TopicName, circles::Message, Held),
    /// Answered in its turn: then everything that came before it is heard.
    Fence(oneshot::Sender<()>),
    /// A part of a module was read for a peer.
    Read {
        to: NodeId,
        module: ModuleHash,
        part: content::Part,
        read: Option<ModulePart>,
    },
}

/// A session that the protocols know of.
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) since: Duration,
}

/// The driver's state.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) membership: Strategy,
    /// With partial views: what is kept beside them.
    pub(super) neighbourhood: Option<Neighbourhood>,
    /// What of the counts of failure detection is counted.
    pub(super) accusations_counted: membership::Counts,
    pub(super) content: content::State,
    pub(super) overlays: Overlays,
    pub(super) facts: facts::State,
    pub(super) rng: ChaCha20Rng,
    /// Publications whose acknowledgements are waited for.
    pub(super) asked: BTreeMap<Hash, Asked>,
    pub(super) plan: DialPlan,
    pub(super) sessions: BTreeMap<NodeId, Session>,
    pub(super) pending: Pending,
    pub(super) reads: Arc<Semaphore>,
    pub(super) is_enabled: bool,
    /// Whether what membership knows has to be published.
    pub(super) has_news: bool,
    /// When that was done last.
    pub(super) members_at: Duration,
    /// Switches dated too far ahead that were counted already.
    pub(super) switches_ahead: u64,
}

/// The strategy of membership, at its start.
fn strategy(shared: &Shared, now: Duration, rng: &mut ChaCha20Rng) -> Strategy {
    let config = &shared.config;
    match config.strategy {
        StrategyKind::Swim => {
            let local = membership::Local {
                identity: config.identity.clone(),
                address: shared.advertised,
                generation: config.generation,
                incarnation: config.incarnation,
                metadata: talk::metadata(config, BTreeSet::new()).unwrap_or_default(),
            };
            let swim = Swim::new(config.membership.clone(), local, now, rng);
            Strategy::Full(Box::new(swim))
        }
        StrategyKind::HyParView => {
            let (node, address) = (shared.id(), shared.advertised);
            let own = Entry { node, address };
            let view = HyParView::new(config.hyparview.clone(), own, now, rng);
            Strategy::Partial(Box::new(view))
        }
    }
}

impl Driver {
    /// Makes the states of the protocols, and restores what was kept of an earlier run.
    pub(super) fn new(shared: Arc<Shared>, mut rng: ChaCha20Rng) -> Self {
        let config = &shared.config;
        let now = shared.clock.now();
        let mut membership = strategy(&shared, now, &mut rng);
        let view = membership.partial_mut();
        let (node, address) = (shared.id(), shared.advertised);
        let own = Entry { node, address };
        let neighbourhood = view.map(|view| Neighbourhood::new(config, own, view, now, &mut rng));
        let mut content = content::State::new(config.content.clone(), now, &mut rng);
        for statement in &config.announcements {
            // Checked when it was made: it cannot fail here.
            let _ = content.restore(statement.as_bytes());
        }
        let topics = topics::State::new(config.topics.clone(), shared.id(), config.start);
        let facts = restored_facts(config, now, &mut rng);
        let ways = (config.tree.clone(), &config.rapid);
        let cycles_count = config.topics.cycles_count;
        let overlays = match neighbourhood {
            Some(_) => Overlays::among_neighbours(shared.id(), topics, ways, now, &mut rng),
            None => Overlays::new(shared.id(), topics, ways, cycles_count, now, &mut rng),
        };
        let limits = &config.limits;
        let plan = match neighbourhood {
            Some(_) => DialPlan::of_view(shared.id(), &config.seeds, limits),
            None => DialPlan::new(shared.id(), &config.seeds, &config.remembered, limits),
        };
        shared.set_members(membership.members());
        Self {
            overlays,
            asked: BTreeMap::new(),
            plan,
            sessions: BTreeMap::new(),
            pending: Pending::default(),
            reads: Arc::new(Semaphore::new(limits.chunk_reads_max.max(1))),
            is_enabled: true,
            has_news: false,
            members_at: now,
            switches_ahead: 0,
            membership,
            neighbourhood,
            accusations_counted: membership::Counts::default(),
            content,
            facts,
            rng,
            shared,
        }
    }

    /// Runs until the network stops.
    pub(super) async fn run(mut self, mut inputs: Inputs) {
        self.listen(&mut inputs).await;
        inputs.close().await;
    }

    async fn listen(&mut self, inputs: &mut Inputs) {
        let shared = self.shared.clone();
        let mut subscriptions = shared.config.subscriptions.clone();
        // Before anybody's message: what it is about is not to be missed.
        let wanted = subscriptions.borrow_and_update().clone();
        self.handle_subscriptions(&wanted);
        loop {
            self.drain();
            let due = self.next_timeout();
            tokio::select! {
                () = shared.stop.begun() => break,
                Some(input) = inputs.control.recv() => self.handle_control(input),
                Some(input) = inputs.data.recv() => self.handle_data(input),
                Some(request) = inputs.requests.recv() => self.handle_request(request),
                Ok(()) = subscriptions.changed() => {
                    let wanted = subscriptions.borrow_and_update().clone();
                    self.handle_subscriptions(&wanted);
                }
                Some((broadcast, _share)) = inputs.broadcasts.recv() => {
                    self.handle_broadcast(broadcast);
                }
                () = tokio::time::sleep_until(shared.clock.instant(due)) => {}
            }
            self.handle_timeouts();
        }
        if shared.stop.is_killed() {
            return;
        }
        let now = shared.clock.now();
        self.membership.handle_leave(now, &mut self.rng);
        self.drain();
        shared.sessions.close_all(CloseReason::Shutdown);
    }

    fn next_timeout(&self) -> Duration {
        let plan = self.plan.next_timeout().filter(|_| self.is_enabled);
        let timers = [
            self.membership.next_timeout().filter(|_| self.is_awake()),
            self.neighbourhood
                .as_ref()
                .and_then(Neighbourhood::next_timeout),
            self.neighbourhood
                .as_ref()
                .and_then(Neighbourhood::circles_timeout)
                .filter(|_| self.is_awake()),
            self.content.next_timeout(),
            self.overlays.next_timeout(),
            self.facts.next_timeout(),
            plan,
        ];
        timers.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    fn handle_timeouts(&mut self) {
        let now = self.shared.clock.now();
        let is_due = |timer: Option<Duration>| timer.is_some_and(|at| at <= now);
        if self.is_awake() && is_due(self.membership.next_timeout()) {
            self.prefer_branches();
            self.membership.handle_timeout(now, &mut self.rng);
            self.has_news = true;
        }
        self.handle_neighbourhood_timeout(now);
        if is_due(self.content.next_timeout()) {
            self.content.handle_timeout(now, &mut self.rng);
        }
        if is_due(self.overlays.next_timeout()) {
            self.overlays.handle_timeout(now);
        }
        if is_due(self.facts.next_timeout()) {
            self.facts.handle_timeout(now, wall_ms(), &mut self.rng);
        }
        if self.is_enabled && is_due(self.plan.next_timeout()) {
            self.dial(now);
        }
    }

    fn dial(&mut self, now: Duration) {
        let sessions = &self.shared.sessions;
        for dial in self.plan.poll(now, |node| sessions.contains(node)) {
            match &dial.address {
                DialAddress::Node(node, _) if self.shared.is_node_refused(node) => {
                    self.on_dialed(now, dial.target, Dialed::Failed);
                }
                _ => {
                    let shared = self.shared.clone();
                    self.shared.tasks.spawn(dialer::run(shared, dial));
                }
            }
        }
    }

    fn handle_control(&mut self, input: ControlInput) {
        let now = self.shared.clock.now();
        match input {
            ControlInput::Up(link, known) => {
                self.handle_up(now, &link);
                if self.is_current(&link) {
                    // The session may be over already.
                    let _ = known.send(());
                }
            }
            ControlInput::Down(link) => self.handle_down(now, &link),
            ControlInput::Dialed { target, dialed } => {
                self.on_dialed(now, target, dialed);
            }
            ControlInput::Found(places) => {
                let own = [self.shared.listen, self.shared.advertised];
                let others = places.into_iter();
                let others = others.filter(|place| !own.contains(&place.address));
                others.for_each(|place| self.plan.find(now, place));
            }
            ControlInput::Membership(link, message, _held, taken) => {
                if self.is_current(&link) {
                    self.on_member_message(now, link.peer.node, message);
                }
                if let Some(taken) = taken {
                    self.drain();
                    // The session may be over already.
                    let _ = taken.send(());
                }
            }
        }
    }

    fn on_member_message(&mut self, now: Duration, from: NodeId, message: StrategyMessage) {
        self.prefer_branches();
        if let Some(neighbourhood) = &mut self.neighbourhood {
            neighbourhood.keep(now, &from);
        }
        let taken = self
            .membership
            .on_message(now, from, message, &mut self.rng);
        if let Err(error) = taken {
            self.punish(from, &error);
        }
    }

    /// Whether the strategy of membership goes on. Partial views rest while the node is off the
    /// network: it would forget all that it cannot reach.
    pub(super) fn is_awake(&self) -> bool {
        self.is_enabled || !self.is_partial()
    }

    fn handle_data(&mut self, input: DataInput) {
        let now = self.shared.clock.now();
        match input {
            DataInput::Content(link, message, _held) => {
                let from = link.peer.node;
                if self.is_heard(&link)
                    && let Err(error) =
                        self.content
                            .on_message(now, wall_ms(), from, message, &mut self.rng)
                {
                    self.punish(from, &error);
                }
            }
            DataInput::Tree(link, scope, message, _held) => {
                let from = link.peer.node;
                if self.is_partial() && scope.is_some() {
                    self.punish(from, &"partial views have trees of circles, none of topics");
                } else if self.is_heard(&link)
                    && let Err(error) = self.overlays.on_message(now, from, &scope, message)
                {
                    self.punish(from, &error);
                }
            }
            DataInput::Rapid(link, scope, message, _held) => {
                if self.is_partial() {
                    self.punish(
                        link.peer.node,
                        &"with partial views nothing is said rapidly",
                    );
                } else if self.is_current(&link) {
                    self.on_rapid_message(now, link.peer.node, &scope, message);
                }
            }
            DataInput::Application(link, message, _held) => {
                if self.is_heard(&link) {
                    self.on_application(now, link.peer.node, message);
                }
            }
            DataInput::Facts(link, message, _held) => {
                if self.is_heard(&link) {
                    self.on_fact_message(now, link.peer.node, message);
                }
            }
            DataInput::Circle(link, path, message, _held) => {
                if self.is_current(&link) {
                    self.on_circle_message(now, link.peer.node, &path, message);
                }
            }
            DataInput::Fence(reached) => {
                // The session that waits for it may have been cut off.
                let _ = reached.send(());
            }
            DataInput::Read {
                to,
                module,
                part,
                read,
            } => self.handle_read(to, module, part, read),
        }
    }

    fn handle_read(
        &mut self,
        to: NodeId,
        module: ModuleHash,
        part: content::Part,
        read: Option<ModulePart>,
    ) {
        match part {
            content::Part::Manifest => {
                let manifest = match read {
                    Some(ModulePart::Manifest(manifest)) => Some(manifest),
                    _ => None,
                };
                self.content.handle_served_manifest(to, module, manifest);
            }
            content::Part::Chunk(index) => {
                let bytes = match read {
                    Some(ModulePart::Chunk(bytes)) => Some(bytes),
                    _ => None,
                };
                self.content.handle_served_chunk(to, module, index, bytes);
            }
        }
    }

    fn handle_request(&mut self, request: Request) {
        let now = self.shared.clock.now();
        match request {
            Request::Announce(statement) => {
                if let Err(error) = self.content.handle_announce(statement) {
                    tracing::warn!("a module or switch is not announced: {error}");
                }
            }
            Request::PublishFact(fact, done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(self.facts.handle_publish(*fact, wall_ms()));
            }
            Request::Want(module, size_bytes) => {
                let rng = &mut self.rng;
                if let Err(error) = self.content.handle_want(now, module, size_bytes, rng) {
                    tracing::warn!("module {} is not fetched: {error}", module.short());
                }
            }
            Request::Unwant(module) => {
                self.content.handle_unwant(now, module, &mut self.rng);
            }
            Request::Publish(publish) => self.handle_publish(publish),
            Request::SetEnabled(enabled, done) => {
                self.set_enabled(now, enabled);
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    fn set_enabled(&mut self, now: Duration, enabled: bool) {
        self.is_enabled = enabled;
        if enabled {
            self.shared.sessions.open();
            self.plan.dial_all(now);
            self.dial(now);
        } else {
            self.shared.disable();
            for peer in std::mem::take(&mut self.sessions).into_keys() {
                self.end_session(now, peer);
            }
        }
    }

    fn handle_broadcast(&mut self, broadcast: Broadcast) {
        let now = self.shared.clock.now();
        match broadcast {
            Broadcast::Own(bundle) => self.broadcast(now, Payload::Bundle(&bundle)),
            Broadcast::Forward(bundle) => {
                let payload = Payload::Bundle(&bundle).to_bytes();
                if let Some(delivery) = self.pending.take(&Hash::of(&payload)) {
                    self.overlays.accept(now, delivery);
                }
            }
        }
    }

    /// Says something to everybody.
    pub(super) fn broadcast(&mut self, now: Duration, payload: Payload<'_>) {
        let payload = payload.to_bytes().into();
        if let Err(error) = self.overlays.broadcast(now, payload) {
            tracing::warn!("not broadcast: {error}");
        }
    }
}
