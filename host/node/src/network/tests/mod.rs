//! Real sockets on the loopback interface, several networks in one process. Tests wait for
//! conditions, with a deadline that only a broken driver or a very busy machine reaches.

mod acknowledgements;
mod cluster;
mod discovery;
mod handing_on;
mod hostile;
mod lifecycle;
mod modules;
mod offenders;
mod order;
mod overlay_world;
mod overlays;
mod partial;
mod pressure;
mod rapid;
mod raw_peer;
mod topics;
mod unheard;

/// The one that tests with whole processes use too.
#[allow(unreachable_pub)]
#[path = "../../../../../tests/src/name_server.rs"]
pub(super) mod name_server;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use replicant_protocol::content::{CHUNK_BYTES, Manifest, Part};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ClusterId, Hash, ModuleHash, NodeId, TopicName};
use replicant_protocol::membership::{self, Status};
use replicant_protocol::replication::anti_entropy;
use replicant_protocol::topics::{Publication, SignedPublication};
use tokio::time::Instant;

use super::*;
use crate::vocabulary::Heard;

const DEADLINE: Duration = Duration::from_secs(60);

const CLUSTER: ClusterId = ClusterId::from_bytes([7; 32]);

/// Waits until `condition` holds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a network told its node.
#[derive(Debug, Default)]
struct Recorded {
    up: BTreeSet<NodeId>,
    ups: usize,
    /// Messages of peers that were not up then.
    early: usize,
    known: BTreeMap<NodeId, SocketAddr>,
    gone: Vec<NodeId>,
    topic_messages: Vec<(NodeId, TopicMessage)>,
    bundles: Vec<(NodeId, Vec<u8>)>,
    heard: Vec<Heard>,
    module_events: Vec<ModuleEvent>,
    facts: Vec<FactEvent>,
    modules: BTreeMap<ModuleHash, Vec<u8>>,
}

/// A node that only takes notes.
#[derive(Debug, Default)]
struct Recorder {
    recorded: Mutex<Recorded>,
    /// The next `peer_up` waits, and the driver with it, until the other end is dropped.
    gate: Mutex<Option<mpsc::Receiver<()>>>,
    /// The next reading of a chunk but the first waits until the other end is dropped.
    chunk_gate: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap()
    }
}

impl NetworkEvents for Recorder {
    fn peer_up(&self, peer: NodeId) {
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            // Other tasks go on meanwhile, on another thread.
            let _ = tokio::task::block_in_place(|| gate.recv());
        }
        let mut recorded = self.lock();
        assert!(recorded.up.insert(peer), "up twice");
        recorded.ups += 1;
    }

    fn peer_down(&self, peer: NodeId) {
        assert!(self.lock().up.remove(&peer), "down without up");
    }

    fn member_known(&self, node: NodeId, address: SocketAddr) {
        self.lock().known.insert(node, address);
    }

    fn member_gone(&self, node: NodeId) {
        self.lock().gone.push(node);
    }

    fn topic_message(&self, peer: NodeId, message: TopicMessage) -> bool {
        let mut recorded = self.lock();
        recorded.early += usize::from(!recorded.up.contains(&peer));
        recorded.topic_messages.push((peer, message));
        true
    }

    fn bundle(&self, from: NodeId, bytes: Vec<u8>) -> bool {
        self.lock().bundles.push((from, bytes));
        true
    }

    fn heard(&self, heard: &Heard) -> bool {
        self.lock().heard.push(heard.clone());
        true
    }

    fn module(&self, event: ModuleEvent) {
        self.lock().module_events.push(event);
    }

    fn fact(&self, event: FactEvent) {
        self.lock().facts.push(event);
    }

    fn read_module(&self, module: ModuleHash, part: Part) -> Option<ModulePart> {
        let bytes = self.lock().modules.get(&module)?.clone();
        match part {
            Part::Manifest => Manifest::of(&bytes).map(ModulePart::Manifest),
            Part::Chunk(index) => {
                let gate = self.chunk_gate.lock().unwrap().take_if(|_| index > 0);
                if let Some(gate) = gate {
                    let _ = gate.recv();
                }
                let chunk = bytes.chunks(CHUNK_BYTES).nth(index as usize)?;
                Some(ModulePart::Chunk(chunk.to_vec()))
            }
        }
    }
}

fn identity(number: u8) -> Arc<NodeIdentity> {
    Arc::new(NodeIdentity::from_secret(&[number; 32]))
}

/// A configuration with short times, for a node that listens on a free port.
fn config(number: u8, seeds: &[SocketAddr]) -> NetworkConfig {
    let mut config = NetworkConfig::new(identity(number), ([127, 0, 0, 1], 0).into());
    config.seeds = seeds.iter().map(SocketAddr::to_string).collect();
    config.membership = membership::Config::local();
    config.limits.redial_min = Duration::from_millis(20);
    config.limits.redial_max = Duration::from_millis(500);
    config.session.keep_alive_interval = Duration::from_millis(500);
    config
}

/// A running network and what it told.
struct TestNode {
    handle: NetworkHandle,
    events: Arc<Recorder>,
}

impl TestNode {
    async fn start(config: NetworkConfig) -> Self {
        Self::start_in(config, CLUSTER).await
    }

    async fn start_in(config: NetworkConfig, cluster: ClusterId) -> Self {
        let events = Arc::new(Recorder::default());
        let bound = BoundNetwork::bind(config).await.unwrap();
        let handle = bound.start(cluster, events.clone()).unwrap();
        Self { handle, events }
    }

    fn id(&self) -> NodeId {
        self.handle.id()
    }

    fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    fn count(&self, count: Count) -> u64 {
        self.handle.statistics().get(count)
    }

    fn status_of(&self, node: &TestNode) -> Option<Status> {
        let members = self.handle.members();
        let member = members.iter().find(|member| member.node == node.id());
        member.map(|member| member.status)
    }

    fn is_peer_of(&self, other: &TestNode) -> bool {
        self.events.lock().up.contains(&other.id())
    }

    fn send(&self, to: &TestNode, number: u8) -> bool {
        self.handle.send(to.id(), message(number))
    }

    fn has_message(&self, from: &TestNode, number: u8) -> bool {
        let expected = (from.id(), message(number));
        self.events.lock().topic_messages.contains(&expected)
    }
}

fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

/// Something that a node says without its own state, which a test passes on as it likes.
fn said_by(number: u8, path: &str, payload: &[u8]) -> SignedPublication {
    let identity = identity(number);
    let publication = Publication {
        topic: topic(path),
        author: identity.id(),
        start: 1,
        number: 1,
        acknowledge: None,
        payload: payload.to_vec(),
    };
    SignedPublication::sign(publication, &identity).unwrap()
}

fn message(number: u8) -> TopicMessage {
    let digest = anti_entropy::TopicDigest {
        topic: topic("shop"),
        version: Hash::of(&[number]),
        ops_count: 1,
    };
    let topics = vec![digest];
    TopicMessage::AntiEntropy(anti_entropy::Message::Digests { topics })
}

/// Waits until all have sessions with all, and count all as alive.
async fn converge(nodes: &[&TestNode]) {
    eventually("everybody has a session with everybody", || {
        let pairs = nodes.iter().flat_map(|a| nodes.iter().map(move |b| (a, b)));
        let mut others = pairs.filter(|(a, b)| a.id() != b.id());
        others.all(|(a, b)| a.is_peer_of(b) && a.status_of(b) == Some(Status::Alive))
    })
    .await;
}

async fn shut_down(nodes: &[&TestNode]) {
    for node in nodes {
        node.handle.shutdown().await;
    }
}
