//! A node that runs SWIM, with real keys, and opens a session with whomever it talks to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::environment::Environment;
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{Generation, Hash, NodeId};
use replicant_protocol::membership::{
    Config, Local, Membership as _, Message, Metadata, OutEvent, Record, Status, Swim,
};

use crate::{Context, Engine, Index, Process};

/// All keys of a simulated cluster.
#[derive(Debug)]
pub struct Keys {
    identities: Vec<Arc<NodeIdentity>>,
    by_id: BTreeMap<NodeId, Index>,
}

impl Keys {
    /// Keys for so many nodes, the same each time.
    pub fn new(nodes: Index) -> Arc<Self> {
        let secret = |node: Index| *Hash::of(&node.to_be_bytes()).as_bytes();
        let identities: Vec<Arc<NodeIdentity>> = (0..nodes)
            .map(|node| Arc::new(NodeIdentity::from_secret(&secret(node))))
            .collect();
        let by_id = identities.iter().zip(0..);
        let by_id = by_id.map(|(identity, node)| (identity.id(), node));
        Arc::new(Self {
            by_id: by_id.collect(),
            identities,
        })
    }

    /// The id of a node.
    pub fn id(&self, node: Index) -> NodeId {
        self.identities[node as usize].id()
    }

    /// The number of a node.
    pub fn index_of(&self, id: &NodeId) -> Option<Index> {
        self.by_id.get(id).copied()
    }
}

fn address(node: Index) -> SocketAddr {
    let [_, a, b, c] = node.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 7_400))
}

/// What a scenario tells a node to do.
#[derive(Debug, Clone)]
pub enum SwimInput {
    /// Open a session with this node.
    Join(Index),
    /// Start with these members, as if they were known from an earlier run.
    Known(Vec<Record>),
    /// Tell something else of itself.
    Metadata(Metadata),
    /// Say goodbye.
    Leave,
}

/// Something that a node noticed of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// When, by the simulation's clock.
    pub at: Duration,
    /// Of whom.
    pub subject: Index,
    /// What it thinks since then.
    pub status: Status,
}

/// The profile `lan` for so many nodes.
pub fn swim_config(nodes: Index) -> Config {
    let env = Environment {
        expected_size: nodes,
        ..Environment::lan()
    };
    Config::from(&env.parameters().swim)
}

/// A node that runs SWIM.
pub struct SwimNode {
    own: NodeId,
    swim: Swim,
    pub(super) keys: Arc<Keys>,
    /// How often it started before.
    pub(super) generation: u64,
    sessions: BTreeSet<Index>,
    /// What it noticed.
    pub noticed: Vec<Notice>,
}

impl SwimNode {
    /// A node that knows nobody; `generation` counts its starts.
    pub fn new(
        node: Index,
        generation: u64,
        config: &Config,
        keys: &Arc<Keys>,
        now: Duration,
        rng: &mut impl rand::Rng,
    ) -> Self {
        let local = Local {
            identity: keys.identities[node as usize].clone(),
            address: address(node),
            metadata: Metadata::default(),
            generation: Generation::new(generation),
            incarnation: 0,
        };
        Self {
            own: keys.id(node),
            swim: Swim::new(config.clone(), local, now, rng),
            keys: keys.clone(),
            generation,
            sessions: BTreeSet::new(),
            noticed: Vec::new(),
        }
    }

    /// The protocol.
    pub fn swim(&self) -> &Swim {
        &self.swim
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.own
    }

    /// Whether the node of this id runs.
    pub fn is_running(&self, id: &NodeId, engine: &Engine<Self>) -> bool {
        let node = self.keys.index_of(id);
        node.is_some_and(|node| engine.node(node).is_some())
    }

    fn open(&mut self, peer: Index, context: &mut Context<'_, Message>) {
        if self.sessions.insert(peer) {
            context.watch(peer);
            let id = self.keys.id(peer);
            let (now, rng) = (context.now, &mut *context.rng);
            self.swim.handle_session_opened(now, id, address(peer), rng);
        }
    }

    fn drain(&mut self, context: &mut Context<'_, Message>) {
        while let Some(event) = self.swim.poll_event() {
            let (node, status) = match event {
                OutEvent::Send { to, message, .. } => {
                    if let Some(peer) = self.keys.index_of(&to) {
                        self.open(peer, context);
                        context.send(peer, message);
                    }
                    continue;
                }
                OutEvent::MemberUp(member) => (member.node, Status::Alive),
                OutEvent::MemberRefuted(node) => (node, Status::Alive),
                OutEvent::MemberSuspect(node) => (node, Status::Suspect),
                OutEvent::MemberDown(node) => (node, Status::Dead),
                OutEvent::MemberLeft(node) => (node, Status::Left),
                OutEvent::MemberChanged(_) => continue,
            };
            if let Some(subject) = self.keys.index_of(&node) {
                let at = context.true_now;
                self.noticed.push(Notice {
                    at,
                    subject,
                    status,
                });
            }
        }
    }
}

impl Process for SwimNode {
    type Message = Message;
    type Input = SwimInput;

    /// With the byte that names the layer.
    fn bytes_of(message: &Message) -> usize {
        1 + message.bytes_count()
    }

    fn on_message(
        &mut self,
        from: Index,
        message: Message,
        context: &mut Context<'_, Self::Message>,
    ) {
        self.open(from, context);
        let id = self.keys.id(from);
        // Simulated peers are honest, and what they send is well-formed.
        let _ = self
            .swim
            .on_message(context.now, id, message, &mut *context.rng);
        self.drain(context);
    }

    fn on_broken(&mut self, peer: Index, context: &mut Context<'_, Self::Message>) {
        if self.sessions.remove(&peer) {
            let id = self.keys.id(peer);
            let (now, rng) = (context.now, &mut *context.rng);
            self.swim.handle_session_closed(now, id, rng);
            self.drain(context);
        }
    }

    fn on_timeout(&mut self, context: &mut Context<'_, Self::Message>) {
        self.swim.handle_timeout(context.now, &mut *context.rng);
        self.drain(context);
    }

    fn on_input(&mut self, input: SwimInput, context: &mut Context<'_, Self::Message>) {
        let (now, rng) = (context.now, &mut *context.rng);
        match input {
            SwimInput::Join(seed) => self.open(seed, context),
            SwimInput::Known(records) => self.swim.handle_known(now, records, rng),
            SwimInput::Metadata(metadata) => self.swim.handle_metadata(metadata),
            SwimInput::Leave => self.swim.handle_leave(now, rng),
        }
        self.drain(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.swim.next_timeout()
    }
}
