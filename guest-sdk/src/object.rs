//! One object with the batch-shaped calls that a host makes on it.
//!
//! The component's exports do nothing but call these, so that a native program (a test, a
//! benchmark, a checker) drives a type exactly as a node does.

use crate::{Context, Crdt, Dot, Events, LoadError, Random, Refusal, Stable, cbor, log};

/// Many byte strings in one allocation; see `packed` in the WIT package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// The items, one after the other.
    pub bytes: Vec<u8>,
    /// Where each item ends, in bytes from the start of `bytes`.
    pub ends: Vec<u32>,
}

impl Packed {
    /// Appends an item.
    pub fn push(&mut self, item: &[u8]) {
        self.bytes.extend_from_slice(item);
        self.end_item();
    }

    /// Ends the item whose bytes were appended to `bytes` since the last one ended.
    #[inline]
    fn end_item(&mut self) {
        self.ends.push(self.bytes.len() as u32);
    }

    /// Returns the items in order. Ends that do not fit the bytes give empty items.
    pub fn iter(&self) -> Items<'_> {
        Items {
            bytes: &self.bytes,
            ends: self.ends.iter(),
            start: 0,
        }
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Says whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// The items of a [`Packed`] in order; a clone looks ahead.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    bytes: &'a [u8],
    ends: std::slice::Iter<'a, u32>,
    start: usize,
}

impl<'a> Items<'a> {
    /// Returns the items that are left as they are packed: the bytes of the batch, where each of
    /// these items ends in them, and where the first one starts.
    #[inline]
    pub fn as_packed(&self) -> (&'a [u8], &'a [u32], usize) {
        (self.bytes, self.ends.as_slice(), self.start)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = *self.ends.next()? as usize;
        let item = self.bytes.get(self.start..end).unwrap_or_default();
        self.start = end;
        Some(item)
    }

    #[inline]
    fn nth(&mut self, count: usize) -> Option<&'a [u8]> {
        if let Some(before) = count.checked_sub(1) {
            self.start = *self.ends.nth(before)? as usize;
        }
        self.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ends.size_hint()
    }
}

impl ExactSizeIterator for Items<'_> {}

/// Consecutive ops of one replica; see `run` in the WIT package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The replica that made the ops.
    pub replica: u64,
    /// The timestamp that all of them carry.
    pub timestamp: u64,
    /// The version of the op encoding.
    pub schema: u32,
    /// The counter of each op, strictly increasing.
    pub counters: Vec<u64>,
    /// The ops.
    pub ops: Packed,
}

/// What a batch of commands led to; see `updated` in the WIT package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// The ops that were made and applied.
    pub ops: Packed,
    /// For each op, the index of its command.
    pub commands: Vec<u32>,
    /// The refused commands, by index.
    pub refusals: Vec<(u32, Refusal)>,
    /// Change events in CBOR, if they were asked for.
    pub events: Packed,
}

/// One replicated object of type `T`.
#[derive(Debug, Default)]
pub struct Object<T> {
    state: T,
}

impl<T: Crdt> Object<T> {
    /// Makes the state that every object starts from.
    pub fn new() -> Self {
        Self {
            state: T::default(),
        }
    }

    /// Makes an object from saved bytes.
    ///
    /// # Errors
    ///
    /// As [`Crdt::load`].
    pub fn load(saved: &[u8], from_version: &str) -> Result<Self, LoadError> {
        Ok(Self {
            state: T::load(saved, from_version)?,
        })
    }

    /// Returns the state, for a look at it.
    pub fn state(&self) -> &T {
        &self.state
    }

    /// Returns the state, to change it past the encodings.
    pub fn state_mut(&mut self) -> &mut T {
        &mut self.state
    }

    /// Carries out commands, one after the other. `first` is the context of the first op; each
    /// further op has the next counter. A refused command changes nothing.
    pub fn update(&mut self, first: &Context, commands: &Packed, events: bool) -> Updated {
        let mut context = *first;
        let mut emitted = collector(events);
        let mut updated = Updated::default();
        updated.commands.reserve(commands.len());
        updated.ops.ends.reserve(commands.len());
        for (index, command) in commands.iter().enumerate() {
            let index = index as u32;
            let ops = &mut updated.ops;
            match self
                .state
                .update_bytes(&context, command, &mut ops.bytes, &mut emitted)
            {
                Ok(true) => {
                    ops.end_item();
                    updated.commands.push(index);
                    context.dot.counter += 1;
                }
                Ok(false) => {}
                Err(refusal) => updated.refusals.push((index, refusal)),
            }
        }
        updated.events = encoded(emitted);
        updated
    }

    /// Applies ops that another replica made, or this one before a restart. Returns change
    /// events if they are asked for.
    ///
    /// Ops that cannot be decoded, or of a schema that the type does not read, have no effect; how
    /// many there were is counted by the node, and goes to its log.
    pub fn apply(&mut self, run: &Run, events: bool) -> Packed {
        if !T::READS.contains(&run.schema) {
            report_unread::<T>(run);
            return Packed::default();
        }
        let mut emitted = collector(events);
        let mut malformed = None;
        let mut ops = run.ops.iter();
        // What `apply_ahead` takes is found by how many ops are left.
        let total = ops.len();
        while let Some(&counter) = run.counters.get(total - ops.len()) {
            let context = Context {
                dot: Dot {
                    replica: run.replica,
                    counter,
                },
                timestamp: run.timestamp,
                schema: run.schema,
            };
            let before = ops.len();
            self.state.apply_ahead(&context, &mut ops, &mut emitted);
            if ops.len() < before {
                continue;
            }
            let Some(op) = ops.next() else { break };
            if let Err(error) = self.state.apply_bytes(&context, op, &mut emitted) {
                malformed.get_or_insert((counter, error, 0)).2 += 1;
            }
        }
        if let Some((counter, error, count)) = malformed {
            report_malformed::<T>(run, counter, &error.to_string(), count);
        }
        encoded(emitted)
    }

    /// Returns the value in CBOR, or the answer to a query in CBOR. The query `"value"` asks for
    /// the value, whatever the type.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the query cannot be decoded or has no answer.
    pub fn query(&self, query: Option<&[u8]>) -> Result<Vec<u8>, Refusal> {
        let mut answer = Vec::new();
        let written = match query {
            None | Some(VALUE_QUERY) => cbor::encode(&self.state.value(), &mut answer),
            Some(query) => {
                let query = cbor::decode(query).map_err(|error| {
                    Refusal::new(format!(
                        "this is no query of {}: {error}; JSON Schema of what is accepted: {}",
                        T::NAME,
                        T::query_schema(),
                    ))
                })?;
                cbor::encode(&self.state.query(query)?, &mut answer)
            }
        };
        written.map_err(|error| Refusal::new(format!("{} cannot be encoded: {error}", T::NAME)))?;
        Ok(answer)
    }

    /// Returns the state as canonical bytes.
    pub fn save(&self) -> Vec<u8> {
        self.state.save()
    }

    /// Forgets what no future op can need; see [`Crdt::compact`].
    pub fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        self.state.compact(stable, floor, number)
    }

    /// Returns a command, in CBOR, that is valid in the present state.
    pub fn sample(&self, seed: u64) -> Vec<u8> {
        let command = self.state.sample(&mut Random::new(seed));
        let mut bytes = Vec::new();
        if let Err(error) = cbor::encode(&command, &mut bytes) {
            log::error(&format!(
                "a sampled command of {} cannot be encoded: {error}",
                T::NAME
            ));
            bytes.clear();
        }
        bytes
    }
}

/// The CBOR text `value`.
const VALUE_QUERY: &[u8] = b"\x65value";

fn collector<E>(wanted: bool) -> Events<E> {
    if wanted {
        Events::collected()
    } else {
        Events::ignored()
    }
}

fn encoded<E: serde::Serialize>(events: Events<E>) -> Packed {
    let mut packed = Packed::default();
    for event in events.into_vec() {
        match cbor::encode(&event, &mut packed.bytes) {
            Ok(()) => packed.end_item(),
            Err(error) => {
                packed
                    .bytes
                    .truncate(packed.ends.last().map_or(0, |&end| end as usize));
                log::error(&format!("an event cannot be encoded: {error}"));
            }
        }
    }
    packed
}

#[cold]
fn report_unread<T: Crdt>(run: &Run) {
    log::unread(run.counters.len() as u32);
    log::warning(&format!(
        "{} {} reads ops of schema {:?}, not of {}: {} ops of replica {} have no effect",
        T::NAME,
        T::VERSION,
        T::READS,
        run.schema,
        run.counters.len(),
        run.replica,
    ));
}

#[cold]
fn report_malformed<T: Crdt>(run: &Run, counter: u64, error: &str, count: u32) {
    log::unread(count);
    log::warning(&format!(
        "{} cannot decode {count} ops of replica {} (the first is number {counter}: {error}); they \
         have no effect",
        T::NAME,
        run.replica,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_are_passed_over_and_those_left_stay_in_step() {
        let mut packed = Packed::default();
        for item in ["a", "", "bcd", "ef"] {
            packed.push(item.as_bytes());
        }
        let mut items = packed.iter();
        assert_eq!(items.as_packed(), (&b"abcdef"[..], &[1, 1, 4, 6][..], 0));
        assert_eq!(items.next(), Some(&b"a"[..]));
        assert_eq!(items.clone().nth(2), Some(&b"ef"[..]));
        assert_eq!(items.clone().nth(3), None);
        assert_eq!(items.nth(1), Some(&b"bcd"[..]));
        assert_eq!(items.as_packed(), (&b"abcdef"[..], &[6][..], 4));
        assert_eq!((items.len(), items.next()), (1, Some(&b"ef"[..])));
    }
}
