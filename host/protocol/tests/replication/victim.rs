//! One honest node under test, and authors of bundles that need not be honest.

use std::time::Duration;

use replicant_protocol::bundle::{Body, Format, LocalOp, SignedBundle};
use replicant_protocol::clock::Hlc;
use replicant_protocol::identity::{NodeIdentity, replica_id};
use replicant_protocol::ids::{Counter, Generation, Hash, NodeId, ReplicaId, SnapshotRef};
use replicant_protocol::replication::{
    BundleBytes, Config, Message, OutEvent, RejectReason, State, SyncChunk, SyncRequest,
};
use replicant_protocol::version::VersionVector;

use crate::disk::Disk;
use crate::node::{EPOCH_MS, lineage, op, restored, topic_name};

pub(crate) const NOW: Duration = Duration::from_secs(1);

/// One honest node under test.
pub(crate) struct Victim {
    pub(crate) state: State,
    pub(crate) disk: Disk,
    pub(crate) now: Duration,
    pub(crate) identity: NodeIdentity,
}

/// A key with which a peer makes bundles, true or false.
pub(crate) struct Author {
    pub(crate) identity: NodeIdentity,
    pub(crate) first: u64,
    pub(crate) previous: Hash,
}

impl Victim {
    pub(crate) fn new(config: Config) -> Self {
        let identity = NodeIdentity::from_secret(&[100; 32]);
        let disk = Disk::default();
        let mut state = restored(0, identity.id(), &disk, config);
        state.handle_peer_up(peer());
        Self {
            state,
            disk,
            now: NOW,
            identity,
        }
    }

    pub(crate) fn hear(&mut self, bundle: &SignedBundle) -> Vec<OutEvent> {
        let wall_ms = EPOCH_MS + self.now.as_millis() as u64;
        self.state
            .on_bundle(self.now, wall_ms, peer(), bundle.clone(), &self.disk);
        self.events()
    }

    pub(crate) fn receive(&mut self, message: Message) -> Vec<OutEvent> {
        self.state
            .on_message(self.now, EPOCH_MS, peer(), message, &self.disk);
        self.events()
    }

    pub(crate) fn events(&mut self) -> Vec<OutEvent> {
        std::iter::from_fn(|| self.state.poll()).collect()
    }

    pub(crate) fn wait(&mut self, span: Duration) -> Vec<OutEvent> {
        self.now += span;
        let wall_ms = EPOCH_MS + self.now.as_millis() as u64;
        self.state.handle_timeout(self.now, wall_ms, &self.disk);
        self.events()
    }

    /// Stores what is deliverable.
    pub(crate) fn deliver(&mut self) -> Vec<SignedBundle> {
        let bundles = self
            .state
            .begin_batch(self.now, EPOCH_MS, &self.disk)
            .unwrap();
        self.disk.store(&bundles);
        self.state.handle_stored(self.now).unwrap();
        bundles
    }

    pub(crate) fn delivered_ops(&self) -> u64 {
        self.state.version().ops_since(&VersionVector::new())
    }

    /// Makes the victim ask its peer, and answers with these bundles.
    pub(crate) fn answer(&mut self, bundles: Vec<BundleBytes>, more: bool) -> Vec<OutEvent> {
        let request = self.asked().request;
        self.receive(Message::SyncChunk(SyncChunk {
            topic: topic_name(0),
            request,
            bundles,
            more,
            version: self.state.version().clone(),
        }))
    }

    pub(crate) fn asked(&mut self) -> SyncRequest {
        self.state.handle_peer_differs(self.now, peer());
        let asked = self.events().into_iter().find_map(|event| match event {
            OutEvent::Send {
                message: Message::SyncRequest(request),
                ..
            } => Some(request),
            _ => None,
        });
        asked.expect("the victim asks")
    }
}

impl Author {
    pub(crate) fn new(number: u8) -> Self {
        let identity = NodeIdentity::from_secret(&[number; 32]);
        Self {
            identity,
            first: 1,
            previous: Hash::ZERO,
        }
    }

    pub(crate) fn replica(&self) -> ReplicaId {
        replica_id(&self.identity.id(), Generation::new(0))
    }

    /// The next body of the chain, honest so far.
    pub(crate) fn body(&self, ops: &[&str]) -> Body {
        let topic = topic_name(0);
        let LocalOp { object, schema, .. } = op("x");
        let (type_name, id) = (object.type_name, object.id);
        Body {
            format: Format,
            lineage: lineage(&topic),
            topic,
            author: self.identity.id(),
            generation: Generation::new(0),
            first: Counter::new(self.first),
            reference: SnapshotRef::START,
            dependencies: Vec::new(),
            previous: self.previous,
            hlc: Hlc::at_millisecond(EPOCH_MS + self.first),
            objects: vec![replicant_protocol::bundle::BodyObject {
                type_name,
                id,
                schema,
            }],
            ops: ops.iter().map(|text| body_op(text)).collect(),
        }
    }

    pub(crate) fn sign(&self, change: impl FnOnce(&mut Body)) -> SignedBundle {
        let mut body = self.body(&["x1"]);
        change(&mut body);
        SignedBundle::sign(&self.identity, body).unwrap()
    }

    /// Signs the next bundle of the chain and goes on from it.
    pub(crate) fn next(&mut self) -> SignedBundle {
        let bundle = self.sign(|_| {});
        self.first += 1;
        self.previous = bundle.hash();
        bundle
    }
}

pub(crate) fn body_op(text: &str) -> replicant_protocol::bundle::BodyOp {
    replicant_protocol::bundle::BodyOp {
        object_index: 0,
        bytes: text.as_bytes().to_vec(),
    }
}

pub(crate) fn peer() -> NodeId {
    NodeIdentity::from_secret(&[200; 32]).id()
}

pub(crate) fn rejected(events: &[OutEvent]) -> Option<(RejectReason, bool)> {
    events.iter().find_map(|event| match event {
        OutEvent::Reject {
            reason, malicious, ..
        } => Some((reason.clone(), *malicious)),
        _ => None,
    })
}

pub(crate) fn is_proof(event: &OutEvent) -> bool {
    matches!(event, OutEvent::Equivocation { .. })
}
