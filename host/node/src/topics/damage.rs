//! Records of the log that are corrupt: bundles are fetched again from a peer that has them.
//!
//! The hash of such a bundle stands in the index of boundaries, so whatever a peer sends is the
//! bundle that was lost, byte by byte, or nothing. Other records than bundles cannot be had from
//! peers: they say what this node did, and a node that has lost one of them refuses the topic.
//!
//! A peer answers with what it has beyond a version, in the order of its own log, a few bundles at
//! a time. If others come first, the next request goes on behind them. When every peer was asked in
//! vain there is a pause, longer each time; other bundles are asked for meanwhile.

use std::ops::Bound;
use std::time::Duration;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::{Counter, NodeId, TopicName};
use replicant_protocol::replication::{Message, RequestId, SyncChunk, SyncRequest};
use replicant_protocol::version::{REPLICAS_MAX, VersionVector};

use super::context::{Context, Tools};
use super::counters::Count;
use super::engine::Engine;
use super::inbox::Peers;
use crate::storage::{
    Boundary, BundleWrite, Job, Result, Sequence, Storage, StorageError, TopicNumber, TopicWrite,
};

/// How long a peer has to answer before another is asked; and the pause after the first round in
/// vain, doubled [`DOUBLED_MAX`] times at most: to two minutes.
const ASK_PAUSE: Duration = Duration::from_secs(2);
const DOUBLED_MAX: u32 = 6;

/// Bundles, and bytes of them, to ask for at a time.
const BUNDLES_MAX: u32 = 16;
const BYTES_MAX: u32 = 1 << 20;

/// Requests to one peer that go on behind its last answer, before another is asked.
const PAGES_MAX: u32 = 1_024;

/// Bundles of one topic that are fetched at a time. Others are noted when one of these is there.
const DAMAGES_MAX: usize = 16;

/// Requests of this kind have numbers of their own, from here on.
const REQUESTS: u64 = 1 << 63;

/// The bundles of a topic that are to be fetched again.
#[derive(Debug, Default)]
pub(super) struct Damages {
    all: Vec<Damage>,
    /// Requests sent so far.
    requests: u64,
}

impl Damages {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When the next peer is to be asked.
    pub(super) fn ask_at(&self) -> Option<Duration> {
        self.all.iter().map(|damage| damage.ask_at).min()
    }
}

/// A bundle that is to be fetched again.
#[derive(Debug)]
struct Damage {
    topic: TopicNumber,
    boundary: Boundary,
    /// Everything that this node has but the bundle and what follows it.
    before: VersionVector,
    /// What the asked peer is told that this node has: that, and what the peer sent in vain.
    version: VersionVector,
    request: u64,
    asked: Option<NodeId>,
    /// Answers of the asked peer that had other bundles.
    pages: u32,
    /// How often all peers were asked.
    rounds: u32,
    ask_at: Duration,
}

impl Damage {
    fn new(topic: TopicNumber, boundary: Boundary, before: VersionVector, now: Duration) -> Self {
        Self {
            topic,
            boundary,
            version: before.clone(),
            before,
            request: 0,
            asked: None,
            pages: 0,
            rounds: 0,
            ask_at: now,
        }
    }

    /// Whom to ask now; the one that was asked if its answer leads on. None after a round in vain,
    /// or if nobody is connected: then it rests.
    fn next_peer(&mut self, name: &TopicName, now: Duration, peers: &Peers) -> Option<NodeId> {
        let pages = std::mem::take(&mut self.pages);
        let asked = self.asked.filter(|asked| peers.contains_key(asked));
        if let (Some(peer), 1..) = (asked, pages) {
            return Some(peer);
        }
        self.version.clone_from(&self.before);
        let after = self.asked.map_or(Bound::Unbounded, Bound::Excluded);
        let next = peers.range((after, Bound::Unbounded)).next();
        if let Some((peer, _)) = next {
            return Some(*peer);
        }
        if self.asked.take().is_some() {
            self.rounds = self.rounds.saturating_add(1);
            let pause = ASK_PAUSE * 2_u32.pow(self.rounds.min(DOUBLED_MAX));
            self.ask_at = now + pause;
            let sequence = self.boundary.sequence.0;
            tracing::warn!(
                topic = %name, sequence, peers = peers.len(), ?pause,
                "no connected peer gave a bundle that is corrupt here; they are asked again"
            );
        } else {
            self.ask_at = now + ASK_PAUSE;
        }
        None
    }

    /// The peer sent other bundles, of which there are more: the next request goes on behind them.
    fn go_on(&mut self, now: Duration, bundles: &[SignedBundle]) {
        let known = self.version.clone();
        for bundle in bundles {
            self.version.advance(bundle.replica(), bundle.last());
        }
        self.pages += 1;
        let is_too_long = self.version.replicas_count() > REPLICAS_MAX;
        if self.version == known || is_too_long || self.pages > PAGES_MAX {
            self.pages = 0;
        }
        self.ask_at = now;
    }
}

impl Engine {
    /// Storage failed: if that is since a bundle is corrupt, it will be fetched.
    pub(super) fn note_damage(&mut self, context: &Context, error: &StorageError) {
        let Some(sequence) = error.corrupt_bundle() else {
            return;
        };
        let known = &self.damages.all;
        let is_known = |of: &Damage| of.boundary.sequence == sequence;
        if known.len() >= DAMAGES_MAX || known.iter().any(is_known) {
            return;
        }
        match find(context.storage.as_ref(), self, sequence) {
            Ok(Some((topic, boundary, before))) => {
                tracing::error!(topic = %self.name, %error, "it will be fetched from a peer");
                context.counters.change(Count::BundlesCorrupt, 1);
                let damage = Damage::new(topic, boundary, before, context.now());
                self.damages.all.push(damage);
            }
            Ok(None) => {}
            Err(other) => tracing::error!(topic = %self.name, %other, "it cannot be fetched"),
        }
    }

    /// Asks the next peer for what is corrupt, when it is time.
    pub(super) fn ask_for_damaged(&mut self, tools: &Tools<'_>) {
        let Damages { all, requests } = &mut self.damages;
        for damage in all.iter_mut().filter(|damage| damage.ask_at <= tools.now) {
            let Some(peer) = damage.next_peer(&self.name, tools.now, &self.peers) else {
                continue;
            };
            *requests += 1;
            damage.request = REQUESTS + *requests;
            damage.asked = Some(peer);
            damage.ask_at = tools.now + ASK_PAUSE;
            let message = Message::SyncRequest(SyncRequest {
                topic: self.name.clone(),
                request: RequestId(damage.request),
                version: damage.version.clone(),
                bundle_bytes_max: BYTES_MAX,
                bundle_count_max: BUNDLES_MAX,
            });
            tools.context.outlet.send(peer, message);
        }
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
        let asked = |of: &Damage| of.asked == Some(from) && of.request == chunk.request.0;
        let Some(at) = self.damages.all.iter().position(asked) else {
            return true;
        };
        let damage = &mut self.damages.all[at];
        // Each request has one answer.
        damage.request = 0;
        let bundles = chunk.bundles.iter();
        let bundles = bundles.filter_map(|bytes| SignedBundle::decode(&bytes.0).ok());
        // What is signed is hashed, so the signature need not be checked again; but it is what
        // peers will want to see.
        let bundles: Vec<SignedBundle> = bundles.filter(|of| of.verify().is_ok()).collect();
        let lost = bundles
            .iter()
            .find(|bundle| bundle.hash() == damage.boundary.hash);
        let Some(bundle) = lost else {
            if chunk.more {
                damage.go_on(context.now(), &bundles);
            }
            return true;
        };
        match write(context, &self.name, damage, bundle) {
            Ok(()) => {
                context.counters.add(Count::BundlesRepaired, 1);
                context.counters.change(Count::BundlesCorrupt, -1);
                tracing::info!(topic = %self.name, peer = %from, "a corrupt bundle is repaired");
                self.damages.all.remove(at);
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
