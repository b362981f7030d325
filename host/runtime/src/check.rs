//! The promises of the interface, checked on what goes in and on what comes out.

use crate::MESSAGE_BYTES_MAX;
use crate::fault::FaultKind;
use crate::guest_log::cut;
use crate::limits::Limits;
use crate::packed::Packed;
use crate::values::{Context, Description, Refusal, Run, Updated};
use crate::worlds::v0_1_0::{self as bindings, PackedResult};

/// Whether every command can get a dot.
pub(crate) fn context(context: &Context, commands: &Packed) -> Result<(), String> {
    if context.counter == 0 {
        return Err("counters start at 1".to_owned());
    }
    match context.counter.checked_add(commands.len() as u64) {
        Some(_) => Ok(()),
        None => Err("the counters run over".to_owned()),
    }
}

/// Whether a run is one, and can be read by the type that `description` is of.
pub(crate) fn run(run: &Run, description: &Description) -> Result<(), String> {
    if run.counters.len() != run.ops.len() {
        let (counters, ops) = (run.counters.len(), run.ops.len());
        return Err(format!("there are {counters} counters for {ops} ops"));
    }
    if run.counters.first() == Some(&0) {
        return Err("counters start at 1".to_owned());
    }
    if !run.counters.is_sorted_by(|one, next| one < next) {
        return Err("the counters do not increase".to_owned());
    }
    if !description.reads.contains(&run.schema) {
        return Err(format!(
            "the ops have schema version {}, and the module reads {:?}",
            run.schema, description.reads
        ));
    }
    Ok(())
}

/// Whether a result of `size` bytes is within `limit`.
pub(crate) fn size(size: u64, limit: u64) -> Result<(), FaultKind> {
    if size > limit {
        return Err(FaultKind::Output {
            limit,
            size: Some(size),
        });
    }
    Ok(())
}

/// Takes over the events that `apply` returned.
pub(crate) fn events(
    events: PackedResult,
    wanted: bool,
    limits: &Limits,
) -> Result<Packed, FaultKind> {
    size(packed_size(&events), limits.output_bytes_max)?;
    wanted_events(events, wanted)
}

/// Takes over what `update` returned for a batch of `commands`.
pub(crate) fn updated(
    updated: bindings::Updated,
    commands: usize,
    events: bool,
    limits: &Limits,
) -> Result<Updated, FaultKind> {
    let messages: u64 = updated
        .refusals
        .iter()
        .map(|refusal| 12 + refusal.message.len() as u64)
        .sum();
    let lists = packed_size(&updated.ops) + packed_size(&updated.events);
    let total = lists + 4 * updated.commands.len() as u64 + messages;
    size(total, limits.output_bytes_max)?;
    let ops = items("ops", updated.ops)?;
    check_ops(&ops, updated.commands.len(), limits)?;
    let refused = updated.refusals.iter().map(|refusal| refusal.command);
    check_indexes(&updated.commands, &refused.collect::<Vec<_>>(), commands)?;
    let refusals = updated.refusals.into_iter().map(|refusal| Refusal {
        command: refusal.command,
        message: shortened(refusal.message),
    });
    Ok(Updated {
        ops,
        commands: updated.commands,
        refusals: refusals.collect(),
        events: wanted_events(updated.events, events)?,
    })
}

fn check_ops(ops: &Packed, commands: usize, limits: &Limits) -> Result<(), FaultKind> {
    if ops.len() != commands {
        let count = ops.len();
        return Err(malformed(format!("{count} ops of {commands} commands")));
    }
    let largest = ops.iter().map(<[u8]>::len).max().unwrap_or(0) as u64;
    if largest > limits.op_bytes_max {
        return Err(FaultKind::Op {
            limit: limits.op_bytes_max,
            size: largest,
        });
    }
    Ok(())
}

/// Whether the commands that made ops and the refused ones are of the batch, in order, and
/// different.
fn check_indexes(made: &[u32], refused: &[u32], commands: usize) -> Result<(), FaultKind> {
    for (what, indexes) in [("commands", made), ("refusals", refused)] {
        if !indexes.is_sorted_by(|one, next| one < next) {
            return Err(malformed(format!("{what}: the indexes do not increase")));
        }
        if let Some(&last) = indexes.last()
            && last as usize >= commands
        {
            let reason = format!("{what}: index {last} in a batch of {commands}");
            return Err(malformed(reason));
        }
    }
    let mut made = made.iter().peekable();
    for index in refused {
        while made.next_if(|other| *other < index).is_some() {}
        if made.peek() == Some(&index) {
            let reason = format!("command {index} is both carried out and refused");
            return Err(malformed(reason));
        }
    }
    Ok(())
}

fn wanted_events(events: PackedResult, wanted: bool) -> Result<Packed, FaultKind> {
    let events = items("events", events)?;
    if !wanted && !events.is_empty() {
        return Err(malformed("events that were not asked for".to_owned()));
    }
    Ok(events)
}

fn items(what: &str, packed: PackedResult) -> Result<Packed, FaultKind> {
    Packed::try_from(packed).map_err(|error| malformed(format!("{what}: {error}")))
}

fn packed_size(packed: &PackedResult) -> u64 {
    packed.bytes.len() as u64 + 4 * packed.ends.len() as u64
}

fn shortened(message: String) -> String {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message;
    }
    cut(&message, MESSAGE_BYTES_MAX).to_owned()
}

fn malformed(reason: String) -> FaultKind {
    FaultKind::Malformed { reason }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
