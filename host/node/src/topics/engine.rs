//! One topic: its replication, its objects, and who waits for what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::{
    Counter, Generation, LineageId, ObjectId, ObjectKey, ReplicaId, TopicName, TypeName,
};
use replicant_protocol::replication::{
    self, BoundaryLog, ChainHead, LogUnavailable, State, Writer,
};

use replicant_runtime::Module;

use super::context::{Context, Tools};
use super::counters::Count;
use super::damage::Damages;
use super::inbox::Peers;
use super::indexed::corrupt;
use super::input::ReadRequest;
use super::slot::Slot;
use super::staged::{Bench, Staged};
use super::watchers::{Told, Watchers};
use crate::storage::{
    Boundary, Checkpoint, ObjectNumber, Result, Storage, StorageError, StoredTopic, TopicCounters,
    TopicNumber,
};

/// How long a topic waits after a failed batch before it tries to deliver again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Types without a module that are remembered for watchers.
const MISSING_TYPES_MAX: usize = 64;

/// One topic on this node.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) name: TopicName,
    /// The topic's number, once it is stored.
    pub(super) number: Option<TopicNumber>,
    /// The counters of what is stored.
    pub(super) counters: TopicCounters,
    pub(super) state: State,
    pub(super) generation: Generation,
    /// A peer knows more of this node's history than its log.
    pub(super) is_behind_itself: bool,
    /// It is not known whether the last batch was stored: look before anything else is written.
    pub(super) is_stale: bool,
    /// Bundles of the log that are corrupt.
    pub(super) damages: Damages,
    /// Deliver nothing before.
    pub(super) retry_at: Option<Duration>,
    pub(super) slots: BTreeMap<TypeName, Slot>,
    pub(super) watchers: Option<Watchers>,
    /// Types that have objects here and no module: watchers are told when it comes.
    missing_types: BTreeSet<TypeName>,
    /// Whether it was logged that a peer's clock is another one.
    pub(super) is_clock_told: bool,
    pub(super) waiting: Vec<ReadRequest>,
    /// Checkpoints that go into the next storage job.
    pub(super) checkpoints: BTreeMap<ObjectNumber, Checkpoint>,
    /// Open sessions that the replication was told of.
    pub(super) peers: Peers,
    /// What of `state` is counted so far.
    pub(super) arrivals: Arrivals,
}

/// Bundles that did not come in order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrivals {
    /// Those that were repeated.
    pub(super) duplicates: u64,
    /// Those that came while something that they depend on was not here.
    pub(super) gaps: u64,
    /// Those that were dropped before it came.
    pub(super) dropped: u64,
}

impl Engine {
    /// Takes a topic from storage, or begins an empty one. If a bundle is corrupt, nothing of the
    /// topic is read or written until a peer has given it again.
    pub(super) fn open(context: &Context, name: TopicName, peers: &Peers) -> Result<Self> {
        let generation = context.generation();
        let (stored, failure) = match read(context, &name, generation) {
            Ok(stored) => (stored, None),
            Err(error) if error.corrupt_bundle().is_some() => {
                let nothing = empty(context, &name, generation);
                ((None, TopicCounters::default(), nothing), Some(error))
            }
            Err(error) => return Err(error),
        };
        let (number, counters, state) = stored;
        context.counters.change(Count::Topics, 1);
        let mut engine = Self {
            name,
            number,
            counters,
            state,
            generation,
            is_behind_itself: false,
            is_stale: failure.is_some(),
            damages: Damages::default(),
            retry_at: None,
            slots: BTreeMap::new(),
            watchers: None,
            missing_types: BTreeSet::new(),
            is_clock_told: false,
            waiting: Vec::new(),
            checkpoints: BTreeMap::new(),
            arrivals: Arrivals::default(),
            peers: Peers::new(),
        };
        engine.take_peers(Duration::ZERO, peers);
        if let Some(error) = failure {
            engine.retry_at = Some(context.now() + RETRY_PAUSE);
            engine.note_damage(context, &error);
        }
        Ok(engine)
    }

    /// After a batch of which it is not known whether it was stored: takes up what is stored. Until
    /// that works, nothing here is read or written.
    pub(super) fn refresh(&mut self, context: &Context) -> Result<()> {
        if !self.is_stale {
            return Ok(());
        }
        let now = context.now();
        let stored = read(context, &self.name, self.generation);
        let (number, counters, state) = stored.inspect_err(|error| {
            self.retry_at = Some(now + RETRY_PAUSE);
            self.note_damage(context, error);
        })?;
        (self.number, self.counters, self.state) = (number, counters, state);
        (self.is_stale, self.retry_at) = (false, None);
        self.checkpoints.clear();
        self.slots.values_mut().for_each(Slot::forget_all);
        let peers = std::mem::take(&mut self.peers);
        self.take_peers(now, &peers);
        context
            .outlet
            .version_changed(&self.name, self.state.version());
        // What the batch changed is not known.
        self.tell(Told::Unknown);
        Ok(())
    }

    /// Tells the replication which sessions are open.
    pub(super) fn take_peers(&mut self, now: Duration, peers: &Peers) {
        for (peer, session) in &self.peers {
            if peers.get(peer) != Some(session) {
                self.state.handle_peer_down(now, *peer);
            }
        }
        for (peer, session) in peers {
            if self.peers.get(peer) != Some(session) {
                self.state.handle_peer_up(*peer);
            }
        }
        self.peers.clone_from(peers);
    }

    /// Goes on under a new replica id if this node's history was lost, here or in another topic:
    /// the disk is one.
    pub(super) fn begin_generation(&mut self, context: &Context) -> Result<()> {
        if self.is_behind_itself || self.generation < context.generation() {
            let next = context.generation_after(self.generation)?;
            match self.state.begin_generation(next) {
                Ok(()) => (self.generation, self.is_behind_itself) = (next, false),
                Err(error) => tracing::error!(topic = %self.name, %error, "no new generation"),
            }
        }
        Ok(())
    }

    /// The objects of a type, if its module is here.
    pub(super) fn slot<'s>(
        slots: &'s mut BTreeMap<TypeName, Slot>,
        tools: &Tools<'_>,
        name: &TypeName,
    ) -> Option<&'s mut Slot> {
        if !slots.contains_key(name) {
            let module = tools.context.types.module(name)?;
            let loaded_max = tools.context.config.loaded_objects_max;
            let counters = tools.context.counters.clone();
            slots.insert(
                name.clone(),
                Slot::new(name.clone(), module, loaded_max, counters),
            );
        }
        let slot = slots.get_mut(name)?;
        slot.used_at = tools.round;
        Some(slot)
    }

    /// Another module for a type, or the first: its objects come back in it, out of the log. Or
    /// none any more, since the one that is to run is not here: the objects wait for it.
    pub(super) fn change_type(&mut self, context: &Context, name: &TypeName) {
        let Some(module) = context.types.module(name) else {
            if self.slots.remove(name).is_some() {
                self.note_missing(name);
            }
            return;
        };
        let was_missing = self.missing_types.remove(name);
        match self.slots.get_mut(name) {
            // What came before it was here has not been told.
            Some(slot) if runs_already(slot, &module) && was_missing => {}
            Some(slot) if runs_already(slot, &module) => return,
            Some(slot) => slot.replace_module(module),
            None if !was_missing => return,
            None => {}
        }
        // Values may be others now, or be there for the first time.
        self.tell(Told::Unknown);
    }

    /// Notes that objects of a type cannot be shown, since its module is not here.
    pub(super) fn note_missing(&mut self, name: &TypeName) {
        if self.missing_types.len() < MISSING_TYPES_MAX {
            self.missing_types.insert(name.clone());
        }
    }

    /// What objects are made from, outside of a batch.
    pub(super) fn bench<'a>(
        &self,
        tools: &'a mut Tools<'_>,
        nothing_staged: &'a mut Staged,
    ) -> Bench<'a> {
        Bench {
            storage: tools.context.storage.as_ref(),
            topic: self.number,
            counters: self.counters,
            cache: tools.cache,
            staged: nothing_staged,
        }
    }

    /// The types of the objects with this id, those of the batch under way included.
    pub(super) fn types_of(
        &self,
        context: &Context,
        id: &ObjectId,
        created: &[(ObjectKey, ObjectNumber)],
    ) -> Result<Vec<TypeName>> {
        let mut types = match self.number {
            Some(topic) => context.storage.types_of(topic, id)?,
            None => Vec::new(),
        };
        let created = created.iter().filter(|(key, _)| key.id == *id);
        types.extend(created.map(|(key, _)| key.type_name.clone()));
        Ok(types)
    }

    /// When this topic wants to be looked at next.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let asking = self.damages.ask_at();
        if self.is_stale {
            // What is corrupt stays so until it is repaired.
            return Some(asking.unwrap_or(self.retry_at.unwrap_or_default()));
        }
        let retry = self.retry_at.filter(|_| self.state.has_deliverable());
        [self.state.next_timeout(), retry, asking]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether bundles of peers can be delivered now.
    pub(super) fn is_deliverable(&self, now: Duration) -> bool {
        self.state.has_deliverable() && self.retry_at.is_none_or(|at| at <= now)
    }
}

/// Whether a slot's objects are in this module, under these limits.
fn runs_already(slot: &Slot, module: &Module) -> bool {
    slot.module.hash() == module.hash() && slot.module.limits() == module.limits()
}

/// What is stored of a topic.
fn read(
    context: &Context,
    name: &TopicName,
    generation: Generation,
) -> Result<(Option<TopicNumber>, TopicCounters, State)> {
    let Some(stored) = context.storage.topic(name)? else {
        let state = empty(context, name, generation);
        return Ok((None, TopicCounters::default(), state));
    };
    let topic = stored.topic;
    let boundaries = context.storage.heads(topic)?;
    check_complete(&stored, &boundaries)?;
    let mut heads = Vec::new();
    for boundary in boundaries {
        heads.push(head(context.storage.as_ref(), topic, &boundary)?);
    }
    let (lineage, writer, config) = settings(context, name, generation);
    let state = State::restore(name.clone(), lineage, writer, config, heads).map_err(|error| {
        tracing::error!(topic = %name, %error, "the log contradicts itself");
        corrupt(
            topic,
            stored.counters.last,
            "the ends of its chains contradict each other",
        )
    })?;
    Ok((Some(topic), stored.counters, state))
}

fn settings(
    context: &Context,
    name: &TopicName,
    generation: Generation,
) -> (LineageId, Writer, replication::Config) {
    let writer = Writer {
        author: context.identity.id(),
        generation,
    };
    let config = context.config.replication.clone();
    (LineageId::first(&context.cluster, name), writer, config)
}

/// The state of a topic of which nothing is stored.
fn empty(context: &Context, name: &TopicName, generation: Generation) -> State {
    let (lineage, writer, config) = settings(context, name, generation);
    State::new(name.clone(), lineage, writer, config)
}

/// Whether the ends of the chains are those of the whole log. A node that does not see some of its
/// own history would use its dots a second time.
fn check_complete(stored: &StoredTopic, boundaries: &[Boundary]) -> Result<()> {
    let ops = boundaries.iter().map(|end| end.last.get());
    let ops = ops.fold(0_u64, u64::saturating_add);
    let last = boundaries.iter().map(|end| end.sequence).max();
    let (counters, topic) = (stored.counters, stored.topic);
    match ops == counters.ops && last.unwrap_or_default() == counters.last {
        true => Ok(()),
        false => Err(StorageError::Corrupt {
            table: "boundaries",
            key: topic.0.to_string(),
            reason: "the ends of its chains are not those of the whole log",
        }),
    }
}

fn head(storage: &dyn Storage, topic: TopicNumber, boundary: &Boundary) -> Result<ChainHead> {
    let sequence = boundary.sequence;
    let bytes = storage.bundle(topic, sequence)?;
    let bytes = bytes.ok_or_else(|| corrupt(topic, sequence, "it is missing"))?;
    let bundle =
        SignedBundle::decode(&bytes).map_err(|_| corrupt(topic, sequence, "it is not a bundle"))?;
    Ok(ChainHead {
        author: bundle.body().author,
        generation: bundle.body().generation,
        last: boundary.last,
        end: replication::Boundary {
            hash: boundary.hash,
            hlc: boundary.hlc,
        },
        recent: Vec::new(),
    })
}

/// The log, as replication asks it.
pub(super) struct Log<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) topic: Option<TopicNumber>,
}

impl BoundaryLog for Log<'_> {
    fn boundary(
        &self,
        replica: ReplicaId,
        last: Counter,
    ) -> std::result::Result<Option<replication::Boundary>, LogUnavailable> {
        let Some(topic) = self.topic else {
            return Ok(None);
        };
        let found = self
            .storage
            .boundary(topic, replica, last)
            .map_err(|error| {
                tracing::warn!(%error, "the log cannot be read");
                LogUnavailable
            })?;
        let found = found.filter(|boundary| boundary.last == last);
        Ok(found.map(|b| replication::Boundary {
            hash: b.hash,
            hlc: b.hlc,
        }))
    }
}
