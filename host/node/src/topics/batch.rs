//! A batch of one topic: deliver, carry out, write, answer.
//!
//! ```text
//! begin   bundles of peers, in causal order → objects;  commands → objects → ops → bundles
//!         ↓ one storage job, with those of the shard's other topics
//! finish  stored:  tell everyone, answer, tell watchers, make checkpoints
//!         not:     forget what objects saw of the batch; the log decides what they are
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::clock::HybridClock;
use replicant_protocol::ids::{ObjectKey, TypeName};
use replicant_protocol::replication::Opened;

use super::commands::{self, Made};
use super::context::{Context, Tools};
use super::counters::Count;
use super::engine::{Engine, Log, RETRY_PAUSE};
use super::indexed::IndexedBundle;
use super::input::{Reply, UpdateRequest};
use super::slot::Unavailable;
use super::staged::{Bench, Staged, StagedOp};
use super::watchers::{Told, size_of_events};
use crate::storage::{
    Boundary, BundleWrite, CommandsWrite, Sequence, StorageError, TopicCounters, TopicNumber,
    TopicWrite,
};
use crate::vocabulary::{NodeError, Outcome, Update, Updated, VersionToken};

/// What a batch changed, for watchers.
#[derive(Debug, Default)]
struct Changes {
    /// In order, with their events.
    known: Vec<(ObjectKey, Vec<Vec<u8>>)>,
    bytes: usize,
    /// Objects of which not all events are known or small enough: their state is told.
    untold: BTreeSet<ObjectKey>,
}

/// Bytes of events that one change may have.
pub(super) const CHANGE_BYTES_MAX: usize = 256 << 10;

/// Bytes of events that one batch keeps until it is stored.
const TOLD_BYTES_MAX: usize = 16 << 20;

/// Objects whose state is told after one batch. If there are more, whoever watches is told all.
const STATES_MAX: usize = 16;

/// Bytes of ops that a batch makes before further requests are refused as busy. A queue bounds the
/// commands, but a small command may make a large op.
const OPS_BYTES_MAX: usize = 64 << 20;

/// A batch between [`Engine::begin`] and [`Engine::finish`].
#[derive(Debug, Default)]
pub(super) struct Flight {
    staged: Staged,
    answers: Vec<(Reply<Updated>, Vec<Outcome>)>,
    changes: Changes,
    /// The topic's number and counters once the batch is stored.
    number: Option<TopicNumber>,
    counters: TopicCounters,
    bundles: u64,
}

impl Flight {
    /// The counters that the topic has if the batch was stored.
    pub(super) fn counters(&self) -> TopicCounters {
        self.counters
    }

    /// Whether there is something to store besides checkpoints.
    pub(super) fn has_bundles(&self) -> bool {
        self.bundles > 0
    }
}

impl Engine {
    /// Brings objects to where bundles of peers and commands lead, and says what has to be
    /// stored. Refuses the commands and leaves all as it was if storage cannot be read.
    pub(super) fn begin(
        &mut self,
        tools: &mut Tools<'_>,
        updates: Vec<UpdateRequest>,
    ) -> Option<(Flight, TopicWrite)> {
        let mut flight = Flight::default();
        let prepared = self.begin_generation(tools.context);
        let delivered = prepared.map_err(NodeError::from).and_then(|()| {
            let log = Log {
                storage: tools.context.storage.as_ref(),
                topic: self.number,
            };
            let begun = self.state.begin_batch(tools.now, tools.wall_ms, &log);
            begun.map_err(|error| self.cannot_write(&error))
        });
        let delivered = match delivered {
            Ok(delivered) => delivered,
            Err(error) => {
                self.retry_at = Some(tools.now + RETRY_PAUSE);
                refuse_all(updates, &error);
                return None;
            }
        };
        for bundle in &delivered {
            if let Err(error) = self.deliver(tools, &mut flight, bundle) {
                self.note_damage(tools.context, &error);
                let error = NodeError::from(error);
                refuse_all(updates, &error);
                self.undo(tools, flight, error);
                return None;
            }
        }
        self.carry_out(tools, &mut flight, updates);
        let write = self.write(tools, &mut flight, &delivered)?;
        Some((flight, write))
    }

    fn cannot_write(&self, reason: &dyn std::fmt::Display) -> NodeError {
        NodeError::CannotWrite {
            topic: self.name.clone(),
            reason: reason.to_string(),
        }
    }

    /// Applies a bundle of another replica to its objects.
    fn deliver(
        &mut self,
        tools: &mut Tools<'_>,
        flight: &mut Flight,
        bundle: &SignedBundle,
    ) -> Result<(), StorageError> {
        let indexed = Arc::new(IndexedBundle::new(bundle.clone()));
        let events = self.is_told();
        for (index, object) in bundle.body().objects.iter().enumerate() {
            let key = object.key();
            let known = self
                .slots
                .get(&key.type_name)
                .and_then(|slot| slot.number(&key.id));
            self.bench(tools, &mut flight.staged).touch(&key, known)?;
            let Some(slot) = Self::slot(&mut self.slots, tools, &key.type_name) else {
                self.note_missing(&key.type_name);
                continue;
            };
            let Some(run) = indexed.run_at(index) else {
                continue;
            };
            let mut bench = Bench {
                storage: tools.context.storage.as_ref(),
                topic: self.number,
                counters: self.counters,
                cache: tools.cache,
                staged: &mut flight.staged,
            };
            tools
                .context
                .counters
                .add(Count::OpsApplied, run.ops.len() as u64);
            let told = slot.apply(&mut bench, &key, run, events);
            if events {
                let events = told.map(|told| told.iter().map(<[u8]>::to_vec).collect());
                flight.changes.note(key, events);
            }
        }
        flight.staged.delivered.push(indexed);
        Ok(())
    }

    /// Carries out the commands of all requests, in their order.
    fn carry_out(
        &mut self,
        tools: &mut Tools<'_>,
        flight: &mut Flight,
        updates: Vec<UpdateRequest>,
    ) {
        if updates.is_empty() {
            return;
        }
        match self.open_bundle(tools) {
            Ok(opened) => flight.staged.opened = Some(opened),
            Err(error) => return refuse_all(updates, &error),
        }
        for UpdateRequest { update, reply } in updates {
            if reply.is_closed() {
                // Nobody waits for it any more, and it has not begun.
                continue;
            }
            if flight.staged.local_bytes >= OPS_BYTES_MAX {
                let queue = "the ops of one batch";
                drop(reply.send(Err(NodeError::Busy { queue })));
                continue;
            }
            match self.carry_out_one(tools, flight, update) {
                Ok((key, made)) => {
                    let is_change = made
                        .outcomes
                        .iter()
                        .any(|o| matches!(o, Outcome::Applied(_)));
                    if is_change && self.is_told() {
                        flight.changes.note(key, Some(made.events));
                    }
                    flight.answers.push((reply, made.outcomes));
                }
                Err(error) => drop(reply.send(Err(error))),
            }
        }
    }

    /// Says under which name ops are made. Not with a timestamp that other nodes would hold back:
    /// whoever is told that his update is stored expects that it spreads.
    fn open_bundle(&mut self, tools: &Tools<'_>) -> Result<Opened, NodeError> {
        let opened = self.state.open(tools.wall_ms);
        let opened = opened.map_err(|error| self.cannot_write(&error))?;
        let others = HybridClock::new(tools.context.config.replication.clock_ahead_max);
        match others.wait(opened.hlc, tools.wall_ms) {
            None => Ok(opened),
            Some(wait) => Err(self.cannot_write(&format_args!(
                "its latest timestamp is from a clock that was far ahead of the present one; other \
                 nodes would hold new ones back for {} s: check this node's clock",
                wait.as_secs().max(1)
            ))),
        }
    }

    fn carry_out_one(
        &mut self,
        tools: &mut Tools<'_>,
        flight: &mut Flight,
        update: Update,
    ) -> Result<(ObjectKey, Made), NodeError> {
        let type_name = match update.type_name {
            Some(name) => name,
            None => self.only_type(tools, flight, &update)?,
        };
        let events = self.is_told();
        let Some(slot) = Self::slot(&mut self.slots, tools, &type_name) else {
            return Err(tools.context.types.missing(&type_name));
        };
        let key = ObjectKey {
            type_name,
            id: update.id,
        };
        let mut bench = Bench {
            storage: tools.context.storage.as_ref(),
            topic: self.number,
            counters: self.counters,
            cache: tools.cache,
            staged: &mut flight.staged,
        };
        match slot.update(&mut bench, &key, update.commands, events) {
            Ok(made) => Ok((key, made)),
            // It is not there and cannot be made: no object has failed.
            Err(Unavailable::Faulted(fault))
                if !bench.staged.numbers.contains_key(&key)
                    && matches!(bench.find(&key), Ok(None)) =>
            {
                Err(NodeError::GuestFault { fault })
            }
            Err(unavailable) => Err(self.unavailable(tools.context, &key, unavailable)),
        }
    }

    /// The type of the only object with the id.
    fn only_type(
        &self,
        tools: &Tools<'_>,
        flight: &Flight,
        update: &Update,
    ) -> Result<TypeName, NodeError> {
        let created = &flight.staged.created;
        let mut types = self.types_of(tools.context, &update.id, created)?;
        let (topic, id) = (self.name.clone(), update.id.clone());
        match (types.len(), types.pop()) {
            (0, _) | (_, None) => Err(NodeError::TypeMissing { topic, id }),
            (1, Some(only)) => Ok(only),
            (_, Some(last)) => {
                types.push(last);
                Err(NodeError::AmbiguousObject { topic, id, types })
            }
        }
    }

    /// Why an object cannot be had, for whoever asked.
    pub(super) fn unavailable(
        &mut self,
        context: &Context,
        key: &ObjectKey,
        reason: Unavailable,
    ) -> NodeError {
        let (topic, id) = (self.name.clone(), key.id.clone());
        match reason {
            Unavailable::Faulted(fault) => NodeError::ObjectFaulted { topic, id, fault },
            Unavailable::NewerType { schema } => {
                let slot = self.slots.get(&key.type_name);
                let module = slot.map(|slot| slot.module.label().to_owned());
                let module = module.unwrap_or_else(|| key.type_name.to_string());
                NodeError::NewerTypeNeeded {
                    topic,
                    id,
                    schema,
                    module,
                    waits_for: context.types.reader(&key.type_name, schema),
                }
            }
            Unavailable::Sandbox(fault) => NodeError::GuestFault { fault },
            Unavailable::Unfinished => NodeError::Busy {
                queue: "one step of setting aside ops that the type fails on",
            },
            Unavailable::Storage(error) => {
                self.note_damage(context, &error);
                error.into()
            }
        }
    }

    /// Signs this node's ops and says what has to be stored. None if signing failed, and then the
    /// batch is undone.
    fn write(
        &mut self,
        tools: &mut Tools<'_>,
        flight: &mut Flight,
        delivered: &[SignedBundle],
    ) -> Option<TopicWrite> {
        let local = std::mem::take(&mut flight.staged.local).into_iter();
        let (ops, behind): (Vec<_>, Vec<_>) =
            local.map(|StagedOp { op, behind }| (op, behind)).unzip();
        let own = match ops.is_empty() {
            true => Vec::new(),
            false => match self.state.seal(&tools.context.identity, ops) {
                Ok(bundles) => bundles,
                Err(error) => {
                    tracing::error!(topic = %self.name, %error, "ops cannot be signed");
                    let error = self.cannot_write(&error);
                    self.undo(tools, std::mem::take(flight), error);
                    return None;
                }
            },
        };
        let number = self
            .number
            .unwrap_or_else(|| tools.context.new_topic_number());
        let name = self.number.is_none().then(|| self.name.clone());
        let mut write = TopicWrite::new(number, name, self.counters);
        for bundle in delivered.iter().chain(&own) {
            let sequence = write.counters.last.next();
            write.counters.last = sequence;
            write.counters.ops += bundle.body().ops.len() as u64;
            write
                .bundles
                .push(bundle_write(bundle, sequence, &flight.staged));
        }
        write.counters.objects.0 += flight.staged.created.len() as u64;
        write.objects.clone_from(&flight.staged.created);
        write.checkpoints = std::mem::take(&mut self.checkpoints).into_iter().collect();
        let mut behind = behind.into_iter();
        for bundle in &own {
            write.commands.push(CommandsWrite {
                replica: bundle.replica(),
                first: bundle.first(),
                commands: behind.by_ref().take(bundle.body().ops.len()).collect(),
            });
        }
        flight.bundles = write.bundles.len() as u64;
        (flight.number, flight.counters) = (Some(number), write.counters);
        Some(write)
    }

    /// The batch is durable, or needed no storing.
    pub(super) fn finish(&mut self, tools: &mut Tools<'_>, mut flight: Flight) {
        if let Err(error) = self.state.handle_stored(tools.now) {
            tracing::error!(topic = %self.name, %error, "a batch ended twice");
        }
        if flight.has_bundles() {
            (self.number, self.counters) = (flight.number, flight.counters);
            tools.context.counters.add(Count::Bundles, flight.bundles);
            tools
                .context
                .outlet
                .version_changed(&self.name, self.state.version());
        }
        self.retry_at = None;
        self.pump(tools);
        let version = VersionToken::from(self.state.version());
        // Before the answers: whoever has one may expect to see the change.
        self.tell_changes(tools, flight.changes, &version);
        for (reply, outcomes) in flight.answers.drain(..) {
            commands::count(&tools.context.counters, &outcomes);
            // Whoever went away does not need the answer; the update is durable all the same.
            let _ = reply.send(Ok(Updated {
                version: version.clone(),
                outcomes,
            }));
        }
        self.checkpoint_touched(&flight.staged);
    }

    /// The batch is not stored: objects forget what they saw of it.
    pub(super) fn undo(&mut self, tools: &mut Tools<'_>, flight: Flight, error: NodeError) {
        for key in flight.staged.numbers.keys() {
            if let Some(slot) = self.slots.get_mut(&key.type_name) {
                slot.unload(&key.id);
                // Its dots will be given again, to other ops.
                slot.forget_voids(&key.id);
            }
        }
        let log = Log {
            storage: tools.context.storage.as_ref(),
            topic: self.number,
        };
        if let Err(error) = self
            .state
            .handle_store_failed(tools.now, tools.wall_ms, &log)
        {
            tracing::error!(topic = %self.name, %error, "a batch failed twice");
        }
        self.retry_at = Some(tools.now + RETRY_PAUSE);
        self.pump(tools);
        for (reply, _) in flight.answers {
            let _ = reply.send(Err(error.clone()));
        }
    }

    fn tell_changes(&mut self, tools: &mut Tools<'_>, changes: Changes, version: &VersionToken) {
        let Changes { known, untold, .. } = changes;
        if untold.len() > STATES_MAX {
            return self.tell(Told::Unknown);
        }
        for (key, events) in known {
            if !untold.contains(&key) {
                let version = version.clone();
                self.tell(Told::Change {
                    key,
                    version,
                    events,
                });
            }
        }
        for key in untold {
            let value = self.value_or_reason(tools, &key.id, &key.type_name);
            let version = version.clone();
            self.tell(Told::State {
                key,
                version,
                value,
            });
        }
    }
}

impl Changes {
    /// Notes what changed of an object; none if that is not known.
    fn note(&mut self, key: ObjectKey, events: Option<Vec<Vec<u8>>>) {
        let left = CHANGE_BYTES_MAX.min(TOLD_BYTES_MAX - self.bytes);
        match events.filter(|events| size_of_events(events) <= left) {
            Some(events) => {
                self.bytes += size_of_events(&events);
                self.known.push((key, events));
            }
            // One more than are told says that there are too many.
            None if self.untold.len() > STATES_MAX => {}
            None => drop(self.untold.insert(key)),
        }
    }
}

fn refuse_all(updates: Vec<UpdateRequest>, error: &NodeError) {
    for request in updates {
        let _ = request.reply.send(Err(error.clone()));
    }
}

fn bundle_write(bundle: &SignedBundle, sequence: Sequence, staged: &Staged) -> BundleWrite {
    let touched = bundle.body().objects.iter();
    BundleWrite {
        boundary: Boundary {
            replica: bundle.replica(),
            last: bundle.last(),
            sequence,
            hlc: bundle.hlc(),
            hash: bundle.hash(),
        },
        bytes: bundle.as_bytes().to_vec(),
        touched: touched
            .filter_map(|o| staged.numbers.get(&o.key()).copied())
            .collect(),
    }
}
