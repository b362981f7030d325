//! Laws on a single state.

use super::Case;
use super::cluster::read;
use super::diagnostic::diagnostic;
use crate::{Context, Crdt, Events, Object, Packed, Random, Run, cbor, postcard_bytes};

/// A state to look at closely. It is never changed; what changes is a copy.
pub(super) struct Probe<'a, T> {
    /// The state.
    pub(super) object: &'a Object<T>,
    /// Another replica's state, whose commands may make no sense here.
    pub(super) other: &'a Object<T>,
    /// The context of the next op.
    pub(super) next: Context,
}

impl<T: Crdt> Probe<'_, T> {
    fn copy(&self) -> Result<Object<T>, String> {
        Object::load(&self.object.save(), T::VERSION)
            .map_err(|error| format!("what was saved cannot be read: {error}"))
    }

    pub(super) fn check_comes_back(&self) -> Case {
        let copy = self.copy()?;
        if copy.save() != self.object.save() {
            return Err(format!(
                "saving what was loaded gives other bytes:\n    {:02x?}\n    {:02x?}",
                self.object.save(),
                copy.save(),
            ));
        }
        same_value(self.object, &copy, "the value is another after loading")
    }

    pub(super) fn check_refusals(&self, random: &mut Random) -> Case {
        for _ in 0..8 {
            let mut command = self.other.sample(random.number());
            if random.chance(70) {
                damage(&mut command, random);
            }
            let mut copy = self.copy()?;
            let before = copy.save();
            let updated = copy.update(&self.next, &packed(&command), true);
            if updated.ops.is_empty() && copy.save() != before {
                return Err(format!(
                    "the command {} made no op ({}), but changed the state",
                    diagnostic(&command),
                    updated
                        .refusals
                        .first()
                        .map_or("nothing to change", |(_, why)| why.message()),
                ));
            }
            if !updated.refusals.is_empty() && !updated.ops.is_empty() {
                return Err(format!(
                    "{} was refused and made an op",
                    diagnostic(&command)
                ));
            }
        }
        Ok(())
    }

    pub(super) fn check_queries(&self, random: &mut Random) -> Case {
        let (copy, before) = (self.copy()?, self.object.save());
        for _ in 0..8 {
            let mut query = self.object.sample(random.number());
            damage(&mut query, random);
            for query in [None, Some(&query[..])] {
                let (first, again) = (copy.query(query), copy.query(query));
                let name = query.map_or("the value".to_owned(), diagnostic);
                if copy.save() != before {
                    return Err(format!("asking for {name} changed the state"));
                }
                if first != again {
                    return Err(format!("asking for {name} twice gave different answers"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_update(&self, random: &mut Random) -> Case {
        let command = self.object.sample(random.number());
        let (mut source, mut plain, mut remote) = (self.copy()?, self.copy()?, self.copy()?);
        let updated = source.update(&self.next, &packed(&command), true);
        let op = self.plainly(&mut plain, &command)?;
        let name = diagnostic(&command);
        if updated.ops.iter().next() != op.as_deref() {
            return Err(format!(
                "{name}: update_bytes makes another op than prepare"
            ));
        }
        if source.save() != plain.save() {
            return Err(format!(
                "{name}: update_bytes leads to another state than effect"
            ));
        }
        let Some(op) = op else { return Ok(()) };
        let events = remote.apply(&self.run_of(packed(&op)), true);
        if remote.save() != source.save() {
            return Err(format!(
                "{name}: applying the op leads to another state than updating"
            ));
        }
        if events != updated.events {
            return Err(format!(
                "{name}: applying the op tells of other events than updating"
            ));
        }
        Ok(())
    }

    /// Prepares a command and applies its op, without the functions that a type may override.
    fn plainly(&self, object: &mut Object<T>, command: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let name = diagnostic(command);
        let decoded = cbor::decode(command)
            .map_err(|error| format!("the sample {name} is no command: {error}"))?;
        let op = object.state().prepare(&self.next, decoded);
        let op = match op {
            Ok(Some(op)) => op,
            Ok(None) => return Ok(None),
            Err(refusal) => return Err(format!("the sample {name} is refused: {refusal}")),
        };
        let mut bytes = Vec::new();
        postcard_bytes::append(&op, &mut bytes);
        object
            .state_mut()
            .effect(&self.next, op, &mut Events::ignored());
        Ok(Some(bytes))
    }

    pub(super) fn check_damaged_ops(&self, random: &mut Random) -> Case {
        let mut author = self.copy()?;
        let command = author.sample(random.number());
        let made = author.update(&self.next, &packed(&command), false).ops;
        let Some(op) = made.iter().next() else {
            return Ok(());
        };
        for _ in 0..8 {
            let mut damaged = op.to_vec();
            damage(&mut damaged, random);
            let mut copy = self.copy()?;
            let (before, mut events) = (copy.save(), Events::collected());
            if copy
                .state_mut()
                .apply_bytes(&self.next, &damaged, &mut events)
                .is_err()
            {
                if copy.save() != before {
                    return Err(format!("the malformed op {damaged:02x?} changed the state"));
                }
                if !events.into_vec().is_empty() {
                    return Err(format!("the malformed op {damaged:02x?} led to events"));
                }
            }
        }
        Ok(())
    }

    fn run_of(&self, ops: Packed) -> Run {
        let Context {
            dot,
            timestamp,
            schema,
        } = self.next;
        Run {
            replica: dot.replica,
            timestamp,
            schema,
            counters: vec![dot.counter],
            ops,
        }
    }
}

/// Checks that two states read the same.
pub(super) fn same_value<T: Crdt>(one: &Object<T>, other: &Object<T>, reason: &str) -> Case {
    let (one, other) = (read(one), read(other));
    if one == other {
        return Ok(());
    }
    Err(format!(
        "{reason}:\n    {}\n    {}",
        diagnostic(&one),
        diagnostic(&other)
    ))
}

fn packed(item: &[u8]) -> Packed {
    let mut packed = Packed::default();
    packed.push(item);
    packed
}

/// Changes, cuts or lengthens some bytes.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    match random.below(4) {
        0 => bytes.truncate(random.index(bytes.len())),
        1 => bytes.push(random.number() as u8),
        _ => {
            let index = random.index(bytes.len());
            if let Some(byte) = bytes.get_mut(index) {
                *byte = random.number() as u8;
            }
        }
    }
}
