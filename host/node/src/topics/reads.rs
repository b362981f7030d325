//! Reading a topic: values, queries, digests, watches; and waiting for a version.

use replicant_protocol::ids::{Hash, ObjectId, ObjectKey, TypeName};
use replicant_runtime::CallError;

use super::context::Tools;
use super::engine::Engine;
use super::input::{Read, ReadRequest};
use super::slot::Unavailable;
use super::staged::{Bench, Staged};
use crate::vocabulary::{
    DigestInfo, Missed, NodeError, ObjectRead, ObjectState, QueryAnswer, VersionToken,
};

/// Objects listed at a time for a digest.
const PAGE_MAX: usize = 1_024;

/// Objects of a topic whose state is told to a watcher who missed changes; whoever follows more
/// reads them.
const STATE_OBJECTS_MAX: usize = 256;

/// Bytes of the state that is told to a watcher.
const STATE_BYTES_MAX: usize = 512 << 10;

impl Engine {
    /// Answers a read, or keeps it until its version is here. The caller bounds how many wait.
    pub(super) fn take_read(&mut self, tools: &mut Tools<'_>, request: ReadRequest) {
        match &request.after {
            Some(after) if !self.state.version().covers(after) => self.waiting.push(request),
            _ => self.answer(tools, request.read),
        }
    }

    /// Answers what waited for a version that is here now, and gives up what waited too long.
    pub(super) fn answer_waiting(&mut self, tools: &mut Tools<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        let now = tools.context.instant(tools.now);
        for request in std::mem::take(&mut self.waiting) {
            let after = request.after.as_ref();
            let is_here = after.is_none_or(|after| self.state.version().covers(after));
            if is_here && !self.is_stale {
                self.answer(tools, request.read);
            } else if request.deadline <= now {
                request.read.refuse(NodeError::NotYet);
            } else if !request.read.is_abandoned() {
                self.waiting.push(request);
            }
        }
    }

    fn answer(&mut self, tools: &mut Tools<'_>, read: Read) {
        // Whoever no longer waits does not need the answer.
        match read {
            Read::Value {
                id,
                type_name,
                reply,
            } => {
                drop(reply.send(self.value(tools, id, type_name)));
            }
            Read::Query {
                id,
                type_name,
                query,
                reply,
            } => {
                drop(reply.send(self.query(tools, id, type_name, &query)));
            }
            Read::Digest { reply } => drop(reply.send(self.digest(tools))),
            Read::Watch { from, reply } => {
                let watchers = self.watchers(tools.context);
                drop(reply.send(Ok(watchers.read_from(from))));
            }
            Read::State { id, reply } => drop(reply.send(self.state_of(tools, id))),
        }
        // Reading loads objects.
        self.drop_crowded();
    }

    fn value(
        &mut self,
        tools: &mut Tools<'_>,
        id: ObjectId,
        type_name: Option<TypeName>,
    ) -> Result<ObjectRead, NodeError> {
        let (key, value) = self.ask(tools, id, type_name, None)?;
        let slot = self.slots.get(&key.type_name);
        Ok(ObjectRead {
            topic: self.name.clone(),
            ops_unread: slot.map_or(0, |slot| slot.ops_unread(&key.id)),
            id: key.id,
            type_name: key.type_name,
            value,
            version: VersionToken::from(self.state.version()),
        })
    }

    /// What an object is, or all of the topic, in place of changes that somebody missed.
    fn state_of(
        &mut self,
        tools: &mut Tools<'_>,
        id: Option<ObjectId>,
    ) -> Result<Missed, NodeError> {
        let keys = match (id, self.number) {
            (Some(id), _) => {
                let types = self.types_of(tools.context, &id, &[])?.into_iter();
                let key = |type_name| ObjectKey {
                    type_name,
                    id: id.clone(),
                };
                types.map(key).collect()
            }
            (None, None) => Vec::new(),
            (None, Some(topic)) => {
                let storage = tools.context.storage.as_ref();
                let page = storage.objects(topic, None, STATE_OBJECTS_MAX + 1)?;
                page.into_iter().map(|(key, _)| key).collect()
            }
        };
        let mut complete = keys.len() <= STATE_OBJECTS_MAX;
        let (mut objects, mut bytes) = (Vec::new(), 0);
        for ObjectKey { type_name, id } in keys {
            if !complete {
                break;
            }
            let value = self.value_or_reason(tools, &id, &type_name);
            bytes += value.as_ref().map_or(0, Vec::len);
            complete = bytes <= STATE_BYTES_MAX;
            objects.push(ObjectState {
                id,
                type_name,
                value,
            });
        }
        if !complete {
            objects.clear();
        }
        Ok(Missed {
            topic: self.name.clone(),
            version: VersionToken::from(self.state.version()),
            token: self.watchers(tools.context).end(),
            whole: true,
            complete,
            objects,
        })
    }

    /// An object's value, or why it cannot be had.
    pub(super) fn value_or_reason(
        &mut self,
        tools: &mut Tools<'_>,
        id: &ObjectId,
        type_name: &TypeName,
    ) -> Result<Vec<u8>, String> {
        let asked = self.ask(tools, id.clone(), Some(type_name.clone()), None);
        asked
            .map(|(_, value)| value)
            .map_err(|error| error.to_string())
    }

    fn query(
        &mut self,
        tools: &mut Tools<'_>,
        id: ObjectId,
        type_name: Option<TypeName>,
        query: &[u8],
    ) -> Result<QueryAnswer, NodeError> {
        let (key, answer) = self.ask(tools, id, type_name, Some(query))?;
        Ok(QueryAnswer {
            type_name: key.type_name,
            answer,
            version: VersionToken::from(self.state.version()),
        })
    }

    fn ask(
        &mut self,
        tools: &mut Tools<'_>,
        id: ObjectId,
        type_name: Option<TypeName>,
        query: Option<&[u8]>,
    ) -> Result<(ObjectKey, Vec<u8>), NodeError> {
        let key = self.existing(tools, id, type_name)?;
        let Some(slot) = Self::slot(&mut self.slots, tools, &key.type_name) else {
            self.note_missing(&key.type_name);
            return Err(tools.context.types.missing(&key.type_name));
        };
        let mut nothing = Staged::default();
        let mut bench = Bench {
            storage: tools.context.storage.as_ref(),
            topic: self.number,
            counters: self.counters,
            cache: tools.cache,
            staged: &mut nothing,
        };
        match slot.query(&mut bench, &key, query) {
            Ok(Ok(answer)) => Ok((key, answer)),
            Ok(Err(CallError::Refused(message))) => Err(NodeError::QueryRefused { message }),
            Ok(Err(CallError::Fault(fault))) => Err(NodeError::GuestFault {
                fault: fault.to_string(),
            }),
            Err(unavailable) => Err(self.unavailable(tools.context, &key, unavailable)),
        }
    }

    /// The key of an object that exists.
    fn existing(
        &self,
        tools: &Tools<'_>,
        id: ObjectId,
        type_name: Option<TypeName>,
    ) -> Result<ObjectKey, NodeError> {
        let unknown = |id, type_name| {
            Err(NodeError::UnknownObject {
                topic: self.name.clone(),
                id,
                type_name,
            })
        };
        let Some(type_name) = type_name else {
            let mut types = self.types_of(tools.context, &id, &[])?;
            return match types.pop() {
                None => unknown(id, None),
                Some(type_name) if types.is_empty() => Ok(ObjectKey { type_name, id }),
                Some(last) => {
                    types.push(last);
                    Err(NodeError::AmbiguousObject {
                        topic: self.name.clone(),
                        id,
                        types,
                    })
                }
            };
        };
        let slot = self.slots.get(&type_name);
        let is_loaded = slot.is_some_and(|slot| slot.loaded.contains_key(&id));
        let key = ObjectKey { type_name, id };
        let exists = match self.number {
            _ if is_loaded => true,
            Some(topic) => tools.context.storage.object(topic, &key)?.is_some(),
            None => false,
        };
        match exists {
            true => Ok(key),
            false => unknown(key.id, Some(key.type_name)),
        }
    }

    /// Hashes the state of every object, in the order of keys.
    fn digest(&mut self, tools: &mut Tools<'_>) -> Result<DigestInfo, NodeError> {
        let mut hasher = blake3::Hasher::new_derive_key("replicant 2026-11 digest of a topic");
        let (mut unavailable, mut bytes) = (0, 0);
        let mut after: Option<ObjectKey> = None;
        while let Some(topic) = self.number {
            let storage = tools.context.storage.clone();
            let page = storage.objects(topic, after.as_ref(), PAGE_MAX)?;
            for (key, _) in &page {
                for name in [key.type_name.as_ref(), key.id.as_ref()] {
                    hasher.update(&(name.len() as u64).to_be_bytes());
                    hasher.update(name.as_bytes());
                }
                match self.hash_of(tools, key)? {
                    Some((hash, size)) => {
                        bytes += size;
                        hasher.update(&[1]).update(hash.as_bytes())
                    }
                    None => {
                        unavailable += 1;
                        hasher.update(&[0])
                    }
                };
            }
            let is_last = page.len() < PAGE_MAX;
            after = page.into_iter().next_back().map(|(key, _)| key);
            if is_last {
                break;
            }
        }
        Ok(DigestInfo {
            version: VersionToken::from(self.state.version()),
            ops: self.counters.ops,
            objects: self.counters.objects.0,
            bytes,
            digest: hasher.finalize().to_hex().to_string(),
            unavailable,
        })
    }

    /// The hash of an object's canonical bytes, and how many they are; none if they cannot be had
    /// here. An object that is not loaded and has a current checkpoint is not loaded for it.
    fn hash_of(
        &mut self,
        tools: &mut Tools<'_>,
        key: &ObjectKey,
    ) -> Result<Option<(Hash, u64)>, NodeError> {
        let number = self.number;
        let Some(slot) = Self::slot(&mut self.slots, tools, &key.type_name) else {
            return Ok(None);
        };
        let storage = tools.context.storage.as_ref();
        let was_loaded = slot.loaded.contains_key(&key.id);
        if let (false, Some(topic)) = (was_loaded, number)
            && let Some(object) = storage.object(topic, key)?
            && let Some(checkpoint) = slot.stored_checkpoint(storage, topic, object)?
            && storage
                .touched(topic, object, checkpoint.sequence, 1)?
                .is_empty()
        {
            return Ok(Some(measured(&checkpoint.saved)));
        }
        let mut nothing = Staged::default();
        let mut bench = Bench {
            storage,
            topic: number,
            counters: self.counters,
            cache: tools.cache,
            staged: &mut nothing,
        };
        let saved = slot.save(&mut bench, key);
        if !was_loaded && slot.loaded.len() > slot.loaded_max {
            slot.unload(&key.id);
        }
        match saved {
            Ok(saved) => Ok(Some(measured(&saved))),
            Err(Unavailable::Storage(error)) => {
                self.note_damage(tools.context, &error);
                Err(error.into())
            }
            // The machine's fault at this moment: other nodes must not be told apart by it.
            Err(reason @ (Unavailable::Sandbox(_) | Unavailable::Unfinished)) => {
                Err(self.unavailable(tools.context, key, reason))
            }
            Err(Unavailable::Faulted(_) | Unavailable::NewerType { .. }) => Ok(None),
        }
    }
}

fn measured(saved: &[u8]) -> (Hash, u64) {
    (Hash::of(saved), saved.len() as u64)
}
