//! Our text, compiled natively, driven as a node drives it.

use crate::clock::Clock;
use std::hint::black_box;

use replicant_sdk::{Context, Dot, Object, Packed, Run, cbor};
use replicant_text::{Command, Text};

use crate::result::Figures;
use crate::trace::Patch;

/// How many commands or ops go into one call.
pub const BATCH: usize = 1_000;
/// The replica that types.
pub const AUTHOR: u64 = 0x1234_5678_9abc_def1;

/// Encodes each edit as a command.
pub fn commands(patches: &[Patch]) -> Vec<Vec<u8>> {
    let command = |patch: &Patch| {
        let at = patch.at as u64;
        let (count, text) = (patch.delete as u64, patch.insert.clone());
        match (count, text.is_empty()) {
            (0, _) => Command::Insert { at, text },
            (_, true) => Command::Delete { at, count },
            (_, false) => Command::Splice {
                at,
                delete: count,
                insert: text,
            },
        }
    };
    let encode = |patch| {
        let mut bytes = Vec::new();
        cbor::encode(&command(patch), &mut bytes).expect("commands can be encoded");
        bytes
    };
    patches.iter().map(encode).collect()
}

/// Packs items by `size`.
pub fn pack(items: &[Vec<u8>], size: usize) -> Vec<Packed> {
    let chunk = |items: &[Vec<u8>]| {
        let mut packed = Packed::default();
        items.iter().for_each(|item| packed.push(item));
        packed
    };
    items.chunks(size).map(chunk).collect()
}

/// The context of the op with number `counter`.
pub fn context(counter: u64) -> Context {
    Context {
        dot: Dot {
            replica: AUTHOR,
            counter,
        },
        timestamp: counter << 16,
        schema: 1,
    }
}

/// A run of ops from number `first` on.
pub fn run(first: u64, ops: Packed) -> Run {
    Run {
        replica: AUTHOR,
        timestamp: first << 16,
        schema: 1,
        counters: (first..first + ops.len() as u64).collect(),
        ops,
    }
}

/// Measures everything once.
pub fn measure(patches: &[Patch], end: &str) -> Figures {
    let commands = commands(patches);
    let mut figures = Figures::default();

    let batches = pack(&commands, BATCH);
    let mut object = Object::<Text>::new();
    let mut made = Vec::new();
    let mut counter = 1;
    let start = Clock::start();
    for batch in &batches {
        let updated = object.update(&context(counter), batch, false);
        counter += updated.ops.len() as u64;
        made.push(updated.ops);
    }
    figures.local = Some(start.elapsed());
    assert_eq!(object.state().content(), end);
    figures.op_bytes = Some(made.iter().map(|ops| ops.bytes.len()).sum());

    let mut first = 1;
    let runs: Vec<Run> = made
        .into_iter()
        .map(|ops| {
            let run = run(first, ops);
            first += run.ops.len() as u64;
            run
        })
        .collect();
    let mut remote = Object::<Text>::new();
    let start = Clock::start();
    for run in &runs {
        black_box(remote.apply(run, false));
    }
    figures.remote_batched = Some(start.elapsed());
    assert_eq!(remote.state().content(), end);

    let singles = pack(&commands, 1);
    let mut object = Object::<Text>::new();
    let start = Clock::start();
    let updates: Vec<Run> = singles
        .iter()
        .zip(1..)
        .map(|(command, counter)| {
            run(
                counter,
                object.update(&context(counter), command, false).ops,
            )
        })
        .collect();
    figures.made = Some(start.elapsed());

    let mut remote = Object::<Text>::new();
    let start = Clock::start();
    for update in &updates {
        black_box(remote.apply(update, false));
    }
    figures.applied = Some(start.elapsed());
    assert_eq!(remote.state().content(), end);

    let start = Clock::start();
    let saved = object.save();
    figures.save = Some(start.elapsed());
    assert_eq!(saved, remote.save());
    figures.saved_bytes = Some(saved.len());
    let start = Clock::start();
    let loaded = Object::<Text>::load(&saved, "0.1.0").expect("saved bytes load");
    let content = loaded.state().content();
    figures.load = Some(start.elapsed());
    assert_eq!(content, end);
    figures.edits = patches.len();
    figures.update_edits = patches.len();
    figures
}
