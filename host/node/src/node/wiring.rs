//! Turns the output of each layer into the input of another. The layers know only the traits that
//! are implemented here.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::content::{Part, Statement};
use replicant_protocol::ids::{ModuleHash, NodeId, TopicName, TypeName};
use replicant_protocol::replication::Message;
use replicant_protocol::replication::anti_entropy;
use replicant_protocol::version::VersionVector;
use replicant_runtime::Module;

use super::NodeError;
use super::address_book::AddressBook;
use super::comparison::Comparison;
use super::fact_board::FactBoard;
use crate::messages::Listeners;
use crate::modules::{Archive, Librarian, ModuleChanges, ModuleNetwork, Registry};
use crate::network::{
    FactEvent, ModuleEvent, ModulePart, NetworkError, NetworkEvents, NetworkHandle, TopicMessage,
};
use crate::topics::{Outlet, Topics, TypeSource};
use crate::vocabulary::Heard;

impl TypeSource for Registry {
    fn module(&self, name: &TypeName) -> Option<Module> {
        self.active(name)
    }

    fn missing(&self, name: &TypeName) -> NodeError {
        Registry::missing(self, name)
    }

    fn reader(&self, name: &TypeName, schema: u32) -> Option<String> {
        Registry::reader(self, name, schema)
    }
}

/// The way to the network. There is none before the start and after the end; what is sent then is
/// lost, which every protocol bears.
#[derive(Debug, Default)]
pub(super) struct Line(RwLock<Option<NetworkHandle>>);

impl Line {
    /// Starts the network. Whoever wants to send meanwhile waits until it can.
    pub(super) fn connect(
        &self,
        start: impl FnOnce() -> Result<NetworkHandle, NetworkError>,
    ) -> Result<NetworkHandle, NetworkError> {
        let mut line = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let network = start()?;
        *line = Some(network.clone());
        Ok(network)
    }

    /// Gives the network up, so that it can end.
    pub(super) fn disconnect(&self) -> Option<NetworkHandle> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn with<T>(&self, work: impl FnOnce(&NetworkHandle) -> T) -> Option<T> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(work)
    }

    fn penalise(&self, peer: NodeId, reason: &str) {
        tracing::warn!(%peer, reason, "a peer sent what no correct node sends");
        self.with(|network| network.penalise(peer));
    }
}

/// What topics have to say.
#[derive(Debug)]
pub(super) struct TopicOutlet {
    pub(super) line: Arc<Line>,
    pub(super) comparison: Arc<Comparison>,
}

impl Outlet for TopicOutlet {
    fn send(&self, peer: NodeId, message: Message) {
        self.line
            .with(|network| network.send(peer, TopicMessage::Replication(message)));
    }

    fn broadcast(&self, bundle: &SignedBundle) {
        self.line
            .with(|network| network.broadcast(bundle.as_bytes().to_vec()));
    }

    fn forward(&self, bundle: &SignedBundle) {
        self.line
            .with(|network| network.forward(bundle.as_bytes().to_vec()));
    }

    fn penalise(&self, peer: NodeId, reason: &str) {
        self.line.penalise(peer, reason);
    }

    fn version_changed(&self, topic: &TopicName, version: &VersionVector) {
        self.comparison.version_changed(topic, version);
    }

    fn equivocation(&self, first: &SignedBundle, second: &SignedBundle) {
        self.line.with(|network| network.accuse(first, second));
    }
}

/// What the network has to say.
pub(super) struct Inlet {
    pub(super) topics: Arc<Topics>,
    pub(super) comparison: Arc<Comparison>,
    pub(super) line: Arc<Line>,
    pub(super) librarian: Arc<Librarian>,
    pub(super) archive: Archive,
    pub(super) addresses: Arc<AddressBook>,
    pub(super) listeners: Listeners,
    pub(super) facts: Arc<FactBoard>,
}

impl Inlet {
    /// Does what the comparison of topics asks for.
    pub(super) fn act(&self, events: Vec<anti_entropy::OutEvent>) {
        use anti_entropy::OutEvent;
        for event in events {
            match event {
                OutEvent::Send { peer, message } => {
                    let message = TopicMessage::AntiEntropy(message);
                    self.line.with(|network| network.send(peer, message));
                }
                // If it is dropped the next comparison finds it again.
                OutEvent::Differs { peer, topic } => drop(self.topics.handle_differs(peer, topic)),
            }
        }
    }

    pub(super) fn tick(&self) {
        self.act(self.comparison.tick());
    }
}

impl NetworkEvents for Inlet {
    fn peer_up(&self, peer: NodeId) {
        self.topics.handle_peer_up(peer);
        self.act(self.comparison.peer_up(peer));
    }

    fn peer_down(&self, peer: NodeId) {
        self.topics.handle_peer_down(peer);
        self.act(self.comparison.peer_down(peer));
    }

    fn member_known(&self, node: NodeId, address: SocketAddr) {
        self.addresses.set(node, address);
    }

    fn member_gone(&self, node: NodeId) {
        self.addresses.set_gone(node);
    }

    fn topic_message(&self, peer: NodeId, message: TopicMessage) -> bool {
        match message {
            TopicMessage::Replication(message) => self.topics.handle_message(peer, message),
            TopicMessage::AntiEntropy(message) => {
                self.act(self.comparison.message(peer, message));
                true
            }
        }
    }

    fn bundle(&self, from: NodeId, bytes: Vec<u8>) -> bool {
        match SignedBundle::decode(&bytes) {
            Ok(bundle) => self.topics.handle_bundle(from, bundle),
            // Nodes look before they pass on.
            Err(error) => {
                self.line.penalise(from, &error.to_string());
                true
            }
        }
    }

    fn heard(&self, heard: &Heard) -> bool {
        self.listeners.hear(heard)
    }

    fn module(&self, event: ModuleEvent) {
        self.librarian.tell(event);
    }

    fn fact(&self, event: FactEvent) {
        self.facts.tell(event);
    }

    fn read_module(&self, module: ModuleHash, part: Part) -> Option<ModulePart> {
        self.archive.part(module, part)
    }
}

/// Tells the topics that a type runs on another module. They come into being after the modules.
#[derive(Default)]
pub(super) struct TypeChanges(pub(super) OnceLock<std::sync::Weak<Topics>>);

impl ModuleChanges for TypeChanges {
    fn changed(&self, name: &TypeName) {
        if let Some(topics) = self.0.get().and_then(std::sync::Weak::upgrade) {
            topics.handle_type_changed(name);
        }
    }
}

/// The network, as the librarian sees it.
pub(super) struct ModuleLine(pub(super) Arc<Line>);

impl ModuleNetwork for ModuleLine {
    fn announce(&self, statement: Statement) -> bool {
        self.0
            .with(|network| network.announce(statement).is_ok())
            .unwrap_or(false)
    }

    fn want(&self, module: ModuleHash, size_bytes: u32) -> bool {
        self.0
            .with(|network| network.want(module, size_bytes).is_ok())
            .unwrap_or(false)
    }

    fn unwant(&self, module: ModuleHash) {
        // If it is fetched all the same, it is not taken in.
        self.0.with(|network| network.unwant(module));
    }
}
