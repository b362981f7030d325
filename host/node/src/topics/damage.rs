//! A record of the log that is corrupt: the bundle is fetched again from a peer that has it.
//!
//! Its hash stands in the index of boundaries, so whatever a peer sends is the bundle that was
//! lost, byte by byte, or nothing. Other records than bundles cannot be had from peers: they say
//! what this node did, and a node that has lost one of them refuses the topic.

use std::ops::Bound;
use std::time::Duration;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::{Counter, NodeId, TopicName};
use replicant_protocol::replication::{Message, RequestId, SyncChunk, SyncRequest};
use replicant_protocol::version::VersionVector;

use super::context::{Context, Tools};
use super::counters::Count;
use super::engine::Engine;
use crate::storage::{
    Boundary, BundleWrite, Job, Result, Sequence, Storage, StorageError, TopicNumber, TopicWrite,
};

/// How long a peer has to answer before another is asked.
const ASK_PAUSE: Duration = Duration::from_secs(2);

/// Bundles, and bytes of them, to ask for: the first that the peer has from there on should do.
const BUNDLES_MAX: u32 = 16;
const BYTES_MAX: u32 = 1 << 20;

/// Requests of this kind have numbers of their own, from here on.
const REQUESTS: u64 = 1 << 63;

/// A bundle that is to be fetched again.
#[derive(Debug)]
pub(super) struct Damage {
    topic: TopicNumber,
    boundary: Boundary,
    /// What the asked peer is told that this node has: everything before the bundle.
    version: VersionVector,
    request: u64,
    asked: Option<NodeId>,
    pub(super) ask_at: Duration,
}

impl Engine {
    /// Storage failed: if that is since a bundle is corrupt, it will be fetched.
    pub(super) fn note_damage(&mut self, context: &Context, error: &StorageError) {
        if self.damage.is_some() {
            return;
        }
        let Some(sequence) = error.corrupt_bundle() else {
            return;
        };
        let found = find(context.storage.as_ref(), self, sequence);
        match found {
            Ok(Some((topic, boundary, version))) => {
                tracing::error!(topic = %self.name, %error, "it will be fetched from a peer");
                self.damage = Some(Damage {
                    topic,
                    boundary,
                    version,
                    request: REQUESTS,
                    asked: None,
                    ask_at: context.now(),
                });
            }
            Ok(None) => {}
            Err(other) => tracing::error!(topic = %self.name, %other, "it cannot be fetched"),
        }
    }

    /// Asks the next peer for what is corrupt, when it is time.
    pub(super) fn ask_for_damaged(&mut self, tools: &Tools<'_>) {
        let Some(damage) = &mut self.damage else {
            return;
        };
        if damage.ask_at > tools.now {
            return;
        }
        damage.ask_at = tools.now + ASK_PAUSE;
        let after = damage.asked.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.peers.range((after, Bound::Unbounded)).next();
        let Some(peer) = next.or(self.peers.first_key_value()).map(|(peer, _)| *peer) else {
            return;
        };
        damage.asked = Some(peer);
        damage.request += 1;
        let message = Message::SyncRequest(SyncRequest {
            topic: self.name.clone(),
            request: RequestId(damage.request),
            version: damage.version.clone(),
            bundle_bytes_max: BYTES_MAX,
            bundle_count_max: BUNDLES_MAX,
        });
        tools.context.outlet.send(peer, message);
    }

    /// Takes the answer to such a request; false if it is none.
    pub(super) fn take_repair(
        &mut self,
        context: &Context,
        from: NodeId,
        chunk: &SyncChunk,
    ) -> bool {
        if chunk.request.0 < REQUESTS {
            return false;
        }
        let Some(damage) = &self.damage else {
            return true;
        };
        if damage.asked != Some(from) || damage.request != chunk.request.0 {
            return true;
        }
        let bundles = chunk.bundles.iter();
        let mut bundles = bundles.filter_map(|bytes| SignedBundle::decode(&bytes.0).ok());
        // What is signed is hashed, so the signature need not be checked again; but it is what
        // peers will want to see.
        let lost =
            bundles.find(|bundle| bundle.hash() == damage.boundary.hash && bundle.verify().is_ok());
        let Some(bundle) = lost else {
            return true;
        };
        match write(context, &self.name, damage, &bundle) {
            Ok(()) => {
                context.counters.add(Count::BundlesRepaired, 1);
                tracing::info!(topic = %self.name, peer = %from, "a corrupt bundle is repaired");
                self.damage = None;
                self.retry_at = None;
            }
            Err(error) => tracing::warn!(topic = %self.name, %error, "it is not repaired yet"),
        }
        true
    }
}

/// Writes the bundle where it stood.
fn write(
    context: &Context,
    name: &TopicName,
    damage: &Damage,
    bundle: &SignedBundle,
) -> Result<()> {
    let Some(stored) = context.storage.topic(name)? else {
        return Ok(());
    };
    let mut write = TopicWrite::new(damage.topic, None, stored.counters);
    write.bundles.push(BundleWrite {
        boundary: damage.boundary,
        bytes: bundle.as_bytes().to_vec(),
        // These rows are there.
        touched: Vec::new(),
    });
    context.writer.commit(Job {
        topics: vec![write],
        general: Vec::new(),
    })
}

/// The boundary of the bundle at a place in the log, and the version before it. Cost: a look-up for
/// every bundle of the topic.
fn find(
    storage: &dyn Storage,
    engine: &Engine,
    sequence: Sequence,
) -> Result<Option<(TopicNumber, Boundary, VersionVector)>> {
    let Some(stored) = storage.topic(&engine.name)? else {
        return Ok(None);
    };
    let topic = stored.topic;
    let heads = storage.heads(topic)?;
    for head in &heads {
        let mut before = Counter::ZERO;
        while let Some(next) = before.checked_add(1)
            && let Some(boundary) = storage.boundary(topic, head.replica, next)?
        {
            if boundary.sequence == sequence {
                let others = heads.iter().filter(|other| other.replica != head.replica);
                let ends = others.map(|other| (other.replica, other.last));
                let own = (before > Counter::ZERO).then_some((head.replica, before));
                return Ok(Some((topic, boundary, ends.chain(own).collect())));
            }
            before = boundary.last;
        }
    }
    Ok(None)
}
