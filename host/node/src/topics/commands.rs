//! Carrying out commands on one object.

use replicant_protocol::bundle::LocalOp;
use replicant_protocol::bundle::limits::OP_BYTES_MAX;
use replicant_protocol::ids::ObjectKey;
use replicant_runtime::{CallError, Packed, Updated};

use super::counters::Count;
use super::slot::{Slot, Unavailable};
use super::staged::{Bench, StagedOp};
use crate::storage::{CommandRecord, ObjectNumber};
use crate::vocabulary::Outcome;

/// Commands of one request that may fail by fault before the rest is not tried: each costs an
/// instance.
const FAULTS_MAX: usize = 8;

/// What became of the commands of one request.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) outcomes: Vec<Outcome>,
    /// Change events, if they were asked for.
    pub(super) events: Vec<Vec<u8>>,
}

/// Why a call did not make anything. The object is not loaded then.
enum Failure {
    Unavailable(Unavailable),
    Call(String),
}

impl Slot {
    /// Carries out commands and adds their ops to the batch. If the call fails, the object is made
    /// anew and the commands are carried out one by one, so that only the guilty one is refused.
    pub(super) fn update(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        commands: Vec<Vec<u8>>,
        events: bool,
    ) -> Result<Made, Unavailable> {
        self.handle(bench, key)?;
        let result = match self.attempt_update(bench, key, &commands, events) {
            Ok(made) => Ok(made),
            Err(Failure::Unavailable(unavailable)) => Err(unavailable),
            Err(Failure::Call(_)) => Ok(self.one_by_one(bench, key, &commands, events)),
        };
        if !bench.staged.numbers.contains_key(key) && matches!(bench.find(key), Ok(None)) {
            // Refused commands make no object.
            self.unload(&key.id);
        }
        result
    }

    fn one_by_one(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        commands: &[Vec<u8>],
        events: bool,
    ) -> Made {
        let mut made = Made::default();
        let mut faults = 0;
        for command in commands {
            if faults == FAULTS_MAX {
                let reason =
                    format!("not tried, since {FAULTS_MAX} commands of the request failed");
                made.outcomes.push(Outcome::Failed(reason));
                continue;
            }
            match self.attempt_update(bench, key, std::slice::from_ref(command), events) {
                Ok(one) => {
                    made.outcomes.extend(one.outcomes);
                    made.events.extend(one.events);
                }
                Err(Failure::Call(reason)) => {
                    faults += 1;
                    made.outcomes.push(Outcome::Failed(reason));
                }
                Err(Failure::Unavailable(unavailable)) => {
                    faults = FAULTS_MAX;
                    made.outcomes.push(Outcome::Failed(unavailable.to_string()));
                }
            }
        }
        made
    }

    fn attempt_update(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        commands: &[Vec<u8>],
        events: bool,
    ) -> Result<Made, Failure> {
        let handle = self.handle(bench, key).map_err(Failure::Unavailable)?;
        let Some(context) = bench.staged.context() else {
            return Err(Failure::Call("no bundle is open".to_owned()));
        };
        let packed =
            Packed::from_items(commands).map_err(|error| Failure::Call(error.to_string()))?;
        let updated = match self.instance() {
            Ok(instance) => instance.update(handle, context, &packed, events),
            Err(fault) => Err(fault),
        };
        let updated = updated.map_err(|fault| {
            self.lost(&key.id, &fault);
            Failure::Call(fault.to_string())
        })?;
        self.stage(bench, key, commands, updated)
            .inspect_err(|_| self.unload(&key.id))
    }

    /// Adds the ops of a call to the batch.
    fn stage(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        commands: &[Vec<u8>],
        updated: Updated,
    ) -> Result<Made, Failure> {
        if let Some(op) = updated.ops.iter().find(|op| op.len() > OP_BYTES_MAX) {
            let size = op.len();
            let reason = format!("the command makes an op of {size} bytes (limit {OP_BYTES_MAX})");
            return Err(Failure::Call(reason));
        }
        let object = match updated.ops.is_empty() {
            true => ObjectNumber::default(),
            false => bench
                .touch(key, self.number(&key.id))
                .map_err(|error| Failure::Unavailable(error.into()))?,
        };
        let mut outcomes = vec![Outcome::Unchanged; commands.len()];
        for refusal in updated.refusals {
            outcomes[refusal.command as usize] = Outcome::Refused(refusal.message);
        }
        let schema = self.module.description().writes;
        for (op, index) in updated.ops.iter().zip(&updated.commands) {
            let op = LocalOp {
                object: key.clone(),
                schema,
                bytes: op.to_vec(),
            };
            let command = commands[*index as usize].clone();
            let behind = CommandRecord { object, command };
            if let Some(dot) = bench.staged.push(StagedOp { op, behind }) {
                outcomes[*index as usize] = Outcome::Applied(dot);
            }
        }
        self.note(
            &key.id,
            updated.ops.len() as u64,
            updated.ops.bytes().len() as u64,
        );
        let events = updated.events.iter().map(<[u8]>::to_vec).collect();
        Ok(Made { outcomes, events })
    }

    /// Reads an object: its value, or the answer to a query. A fault in a query is tried once
    /// more in a fresh instance; it does not condemn the object.
    pub(super) fn query(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        query: Option<&[u8]>,
    ) -> Result<Result<Vec<u8>, CallError>, Unavailable> {
        for is_last in [false, true] {
            let handle = self.handle(bench, key)?;
            let answer = match self.instance() {
                Ok(instance) => instance.query(handle, query),
                Err(fault) => Err(fault.into()),
            };
            match answer {
                Err(CallError::Fault(fault)) => {
                    self.lost(&key.id, &fault);
                    if is_last || !fault.is_guests() {
                        return Ok(Err(CallError::Fault(fault)));
                    }
                    self.reset();
                }
                answer => return Ok(answer),
            }
        }
        unreachable!("the last attempt returns")
    }
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Faulted(reason) | Self::Sandbox(reason) => f.write_str(reason),
            Self::NewerType { schema } => {
                write!(
                    f,
                    "the object has ops of encoding {schema}, which this module cannot read"
                )
            }
            Self::Unfinished => f.write_str("its type fails on many of its ops; ask again"),
            Self::Storage(error) => error.fmt(f),
        }
    }
}

/// Counts outcomes.
pub(super) fn count(counters: &super::counters::Counters, outcomes: &[Outcome]) {
    let applied = outcomes
        .iter()
        .filter(|o| matches!(o, Outcome::Applied(_)))
        .count();
    let refused = outcomes
        .iter()
        .filter(|o| matches!(o, Outcome::Refused(_) | Outcome::Failed(_)))
        .count();
    counters.add(Count::Updates, 1);
    counters.add(Count::CommandsApplied, applied as u64);
    counters.add(Count::CommandsRefused, refused as u64);
}
