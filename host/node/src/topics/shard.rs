//! One thread and the topics that belong to it.
//!
//! Each round takes everything that waits: reads first (they see what is durable), then what peers
//! sent, then all commands. What becomes of them in all topics is one storage job; the thread waits
//! for it, and meanwhile the next round's input gathers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use replicant_protocol::ids::{TopicName, TypeName};
use replicant_protocol::replication::{Message, State};

use super::batch::Flight;
use super::context::{Context, Tools};
use super::counters::Count;
use super::engine::Engine;
use super::inbox::{Inbox, Peers, Taken};
use super::indexed::BundleCache;
use super::input::{PeerInput, ReadRequest, UpdateRequest};
use super::strangers::Strangers;
use super::upkeep::WAITING_BYTES_MAX;
use crate::storage::{Job, Result, StorageError, TopicWrite};
use crate::vocabulary::NodeError;
use crate::wall_clock::wall_ms;

/// How often a shard looks for what is idle, and writes checkpoints that wait.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(2);

/// Topics kept in memory per shard; idle ones beyond that are forgotten until they are needed.
const ENGINES_MAX: usize = 1_024;

/// Topics in memory per shard. Beyond, those are forgotten that only peers spoke of; if all are in
/// use here, others cannot be opened for the moment.
const ENGINES_HARD_MAX: usize = 16_384;

/// How many instances a round may make before it looks whether there are too many. The sandbox has
/// room for that many more per shard than the bound says.
pub const INSTANCES_STEP: usize = 16;

pub(super) struct Shard {
    context: Arc<Context>,
    inbox: Arc<Inbox>,
    engines: BTreeMap<TopicName, Engine>,
    peers: Arc<Peers>,
    cache: BundleCache,
    strangers: Strangers,
    /// What the engines had in their buffers when last looked.
    buffered_bytes: usize,
    round: u64,
    next_upkeep: Duration,
}

impl Shard {
    pub(super) fn new(context: Arc<Context>, inbox: Arc<Inbox>) -> Self {
        Self {
            next_upkeep: context.now() + UPKEEP_INTERVAL,
            context,
            inbox,
            engines: BTreeMap::new(),
            peers: Arc::default(),
            cache: BundleCache::default(),
            strangers: Strangers::default(),
            buffered_bytes: 0,
            round: 0,
        }
    }

    /// Works until the inbox is closed.
    pub(super) fn run(mut self) {
        loop {
            let deadline = self.deadline();
            let taken = self.inbox.take(Some(deadline));
            let shutdown = taken.shutdown;
            self.round(taken);
            if shutdown {
                return self.end();
            }
        }
    }

    fn deadline(&self) -> Instant {
        let timeouts = self.engines.values().filter_map(Engine::next_timeout);
        let waiting = self.engines.values().flat_map(|engine| &engine.waiting);
        let reads = waiting.map(|request| request.deadline);
        let now = self.context.now();
        let is_deliverable = self
            .engines
            .values()
            .any(|engine| engine.is_deliverable(now));
        let next = match is_deliverable {
            true => now,
            false => timeouts
                .chain([self.next_upkeep])
                .min()
                .unwrap_or(self.next_upkeep),
        };
        reads
            .chain([self.context.instant(next)])
            .min()
            .unwrap_or_else(Instant::now)
    }

    fn round(&mut self, taken: Taken) {
        self.round += 1;
        if let Some(peers) = taken.peers {
            self.take_peers(peers);
        }
        for name in &taken.changed_types {
            self.engines
                .values_mut()
                .for_each(|e| e.change_type(&self.context, name));
        }
        for (read, index) in taken.reads.into_iter().zip(1..) {
            self.take_read(read);
            self.make_room(index);
        }
        for input in taken.peer_inputs {
            self.take_peer_input(input);
        }
        self.each(|engine, tools| engine.take_time(tools));
        self.batch(taken.updates);
        // After what can be delivered is: the bound is for what stays.
        self.bound_buffers();
        self.each(|engine, tools| engine.answer_waiting(tools));
        if self.context.now() >= self.next_upkeep {
            self.next_upkeep = self.context.now() + UPKEEP_INTERVAL;
            self.write_checkpoints(0);
            self.each(|engine, tools| engine.forget_told(tools.now));
            self.forget(Engine::is_idle, ENGINES_MAX);
            let engines = &self.engines;
            self.strangers
                .retain(|name| engines.get(name).is_some_and(Engine::is_stranger));
        } else {
            self.write_checkpoints(WAITING_BYTES_MAX);
        }
        self.drop_instances();
    }

    /// Does something with every topic.
    fn each(&mut self, mut work: impl FnMut(&mut Engine, &mut Tools<'_>)) {
        let mut tools = tools(&self.context, &mut self.cache, self.round);
        self.engines
            .values_mut()
            .for_each(|engine| work(engine, &mut tools));
    }

    fn take_peers(&mut self, peers: Arc<Peers>) {
        self.peers = peers;
        let peers = self.peers.clone();
        self.each(|engine, tools| {
            engine.take_peers(tools.now, &peers);
            engine.pump(tools);
        });
    }

    /// The topic, from memory or storage; whether it was not in memory before.
    fn engine(&mut self, name: &TopicName) -> std::result::Result<bool, NodeError> {
        if let Some(engine) = self.engines.get_mut(name) {
            engine.refresh(&self.context)?;
            return Ok(false);
        }
        if self.engines.len() >= ENGINES_HARD_MAX {
            self.forget(Engine::is_idle, ENGINES_MAX);
        }
        if self.engines.len() >= ENGINES_HARD_MAX {
            self.forget(Engine::is_unused, ENGINES_HARD_MAX - ENGINES_MAX);
        }
        if self.engines.len() >= ENGINES_HARD_MAX {
            return Err(NodeError::Busy {
                queue: "topics in memory",
            });
        }
        let mut engine = Engine::open(&self.context, name.clone(), &self.peers)?;
        let opened = engine.refresh(&self.context);
        self.engines.insert(name.clone(), engine);
        opened?;
        Ok(true)
    }

    /// Does something with a topic. One that does not exist is forgotten afterwards, unless
    /// something waits for it. Says whether it is in memory from now on and was not before.
    fn visit(
        &mut self,
        name: &TopicName,
        work: impl FnOnce(&mut Engine, &mut Tools<'_>),
    ) -> std::result::Result<bool, NodeError> {
        let is_new = self.engine(name)?;
        let mut tools = tools(&self.context, &mut self.cache, self.round);
        let Some(engine) = self.engines.get_mut(name) else {
            return Ok(false);
        };
        work(engine, &mut tools);
        let is_forgotten = is_new && engine.number.is_none() && engine.is_idle();
        if is_forgotten {
            self.engines.remove(name);
            self.context.counters.change(Count::Topics, -1);
        }
        Ok(is_new && !is_forgotten)
    }

    fn take_read(&mut self, request: ReadRequest) {
        let name = request.topic.clone();
        if request.after.is_some() && !self.may_wait(&request) {
            self.context.counters.add(Count::RequestsBusy, 1);
            return request.read.refuse(NodeError::Busy {
                queue: "reads that wait for a version",
            });
        }
        let mut request = Some(request);
        let result = self.visit(&name, |engine, tools| {
            if let Some(request) = request.take() {
                engine.take_read(tools, request);
            }
        });
        if let (Err(error), Some(request)) = (result, request) {
            request.read.refuse(error);
        }
    }

    /// Whether there is room for another read that waits for its version.
    fn may_wait(&self, request: &ReadRequest) -> bool {
        let waiting = self.engines.values().flat_map(|engine| &engine.waiting);
        let (count, bytes) = waiting.fold((0, 0), |(count, bytes), request| {
            (count + 1, bytes + request.size_bytes())
        });
        let config = &self.context.config;
        let fits = bytes + request.size_bytes() <= config.queued_bytes_max;
        count < config.waiting_reads_max && (fits || count == 0)
    }

    fn take_peer_input(&mut self, input: PeerInput) {
        let (peer, name) = (input.peer(), input.topic().clone());
        if let PeerInput::Message {
            message: Message::SyncChunk(chunk),
            ..
        } = &input
            && let Some(engine) = self.engines.get_mut(&name)
            && engine.take_repair(&self.context, peer, chunk)
        {
            return;
        }
        match self.visit(&name, |engine, tools| engine.take_peer_input(tools, input)) {
            Ok(false) => {}
            Ok(true) => {
                let engines = &self.engines;
                let is_stranger =
                    |name: &TopicName| engines.get(name).is_some_and(Engine::is_stranger);
                if let Some(name) = self.strangers.insert(peer, name, is_stranger) {
                    self.engines.remove(&name);
                    self.context.counters.change(Count::Topics, -1);
                    self.context.counters.add(Count::StrangersForgotten, 1);
                }
            }
            Err(error) => {
                self.context.counters.add(Count::PeerInputsDropped, 1);
                tracing::warn!(topic = %name, %error, "a topic cannot be opened");
            }
        }
    }

    /// Keeps what waits in the buffers of all topics within this shard's part of the bound: the
    /// topics that have most give way first.
    fn bound_buffers(&mut self) {
        let config = &self.context.config;
        let max = config.buffered_bytes_max / config.shards.max(1);
        let buffered = |engine: &Engine| engine.state.buffered_bytes();
        let mut bytes: usize = self.engines.values().map(buffered).sum();
        if bytes > max {
            let mut by_bytes: Vec<&mut Engine> = self.engines.values_mut().collect();
            by_bytes.sort_by_key(|engine| std::cmp::Reverse(buffered(engine)));
            let now = self.context.now();
            for drop_waiting in [State::handle_pressure, State::handle_shortage] {
                for engine in &mut by_bytes {
                    if bytes <= max {
                        break;
                    }
                    let freed = drop_waiting(&mut engine.state, now);
                    bytes -= freed;
                    let count = u64::from(freed > 0);
                    self.context.counters.add(Count::BuffersDropped, count);
                }
            }
        }
        let change = bytes as i64 - self.buffered_bytes as i64;
        self.buffered_bytes = bytes;
        self.context.counters.change(Count::BufferedBytes, change);
    }

    /// Delivers what can be delivered and carries out all commands, in one storage job.
    fn batch(&mut self, updates: Vec<UpdateRequest>) {
        let mut by_topic: BTreeMap<TopicName, Vec<UpdateRequest>> = BTreeMap::new();
        for request in updates {
            by_topic
                .entry(request.update.topic.clone())
                .or_default()
                .push(request);
        }
        let now = self.context.now();
        for (name, engine) in &self.engines {
            if engine.is_deliverable(now) {
                by_topic.entry(name.clone()).or_default();
            }
        }
        let (mut flights, mut job) = (Vec::new(), Job::default());
        for ((name, updates), index) in by_topic.into_iter().zip(1..) {
            self.make_room(index);
            if let Err(error) = self.engine(&name) {
                for request in updates {
                    let _ = request.reply.send(Err(error.clone()));
                }
                continue;
            }
            let mut tools = tools(&self.context, &mut self.cache, self.round);
            let Some(engine) = self.engines.get_mut(&name) else {
                continue;
            };
            if let Some((flight, write)) = engine.begin(&mut tools, updates) {
                flights.push((name, flight));
                if !write.is_empty() {
                    job.topics.push(write);
                }
            }
        }
        let result = match job.topics.is_empty() {
            true => Ok(()),
            false => self.context.writer.commit(job),
        };
        for (name, flight) in flights {
            self.land(&name, flight, &result);
        }
    }

    /// Ends a batch as its storage job ended.
    fn land(&mut self, name: &TopicName, flight: Flight, result: &Result<()>) {
        let mut tools = tools(&self.context, &mut self.cache, self.round);
        let Some(engine) = self.engines.get_mut(name) else {
            return;
        };
        let error = match result {
            Ok(()) => return engine.finish(&mut tools, flight),
            Err(_) if !flight.has_bundles() => return engine.finish(&mut tools, flight),
            Err(error) => error,
        };
        self.context.counters.add(Count::StorageFailures, 1);
        // A failed commit may have reached the disk all the same: what is stored decides.
        let stored = self.context.storage.topic(name);
        let counters = stored.map(|stored| stored.map(|stored| stored.counters));
        match counters {
            Ok(Some(counters)) if counters == flight.counters() => {
                engine.finish(&mut tools, flight);
            }
            Ok(counters) if counters.unwrap_or_default() == engine.counters => {
                engine.undo(&mut tools, flight, error.clone().into());
            }
            _ => {
                engine.undo(&mut tools, flight, error.clone().into());
                engine.is_stale = true;
            }
        }
    }

    /// Writes the checkpoints of topics where at least this many bytes of them wait.
    fn write_checkpoints(&mut self, bytes_min: usize) {
        let engines = self.engines.values_mut();
        let due = engines.filter(|engine| engine.waiting_bytes() >= bytes_min);
        let topics: Vec<TopicWrite> = due.filter_map(Engine::take_checkpoints).collect();
        if topics.is_empty() {
            return;
        }
        let job = Job {
            topics,
            general: Vec::new(),
        };
        match self.context.writer.commit(job) {
            // Objects come from older checkpoints, then.
            Err(error @ StorageError::Failed { .. }) => {
                tracing::debug!(%error, "checkpoints are not written");
            }
            Err(error) => tracing::warn!(%error, "checkpoints are not written"),
            Ok(()) => {}
        }
    }

    /// Now and then within a long round: drops instances beyond the bound. The pool has some more.
    fn make_room(&mut self, step: usize) {
        if step.is_multiple_of(INSTANCES_STEP) {
            self.drop_instances();
        }
    }

    /// Saves and drops the least recently used instances beyond the bound.
    fn drop_instances(&mut self) {
        let max = self.context.config.instances_max;
        let counts = self
            .engines
            .values()
            .map(|engine| engine.instances().count());
        let count: usize = counts.sum();
        if count <= max {
            return;
        }
        let engines = self.engines.iter();
        let mut live: Vec<(u64, TopicName, TypeName)> = engines
            .flat_map(|(name, engine)| {
                let slots = engine.instances();
                slots.map(|slot| (slot.used_at, name.clone(), slot.type_name.clone()))
            })
            .collect();
        live.sort_unstable();
        let excess = count - (max - max / 8);
        for (_, name, type_name) in live.into_iter().take(excess) {
            if let Some(engine) = self.engines.get_mut(&name) {
                engine.drop_instance(&type_name);
            }
        }
    }

    /// Forgets topics that are of no use, if there are more than to be kept.
    fn forget(&mut self, is_useless: impl Fn(&Engine) -> bool, keep: usize) {
        if self.engines.len() <= keep {
            return;
        }
        let idle: BTreeSet<TopicName> = self
            .engines
            .iter()
            .filter(|(_, engine)| is_useless(engine))
            .map(|(name, _)| name.clone())
            .take(self.engines.len() - keep)
            .collect();
        self.context
            .counters
            .change(Count::Topics, -(idle.len() as i64));
        self.engines.retain(|name, _| !idle.contains(name));
    }

    /// Saves what would take long to make again, and refuses what still waits.
    fn end(mut self) {
        self.engines.values_mut().for_each(Engine::save_all);
        self.write_checkpoints(0);
        for engine in self.engines.values_mut() {
            for request in std::mem::take(&mut engine.waiting) {
                request.read.refuse(NodeError::ShuttingDown);
            }
        }
    }
}

fn tools<'a>(context: &'a Context, cache: &'a mut BundleCache, round: u64) -> Tools<'a> {
    Tools {
        context,
        cache,
        now: context.now(),
        wall_ms: wall_ms(),
        round,
    }
}
