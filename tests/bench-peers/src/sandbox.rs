//! Our types as components, through the runtime that nodes use, fuel on.

use crate::clock::Clock;
use std::hint::black_box;
use std::path::Path;

use replicant_guest_build::Options;
use replicant_runtime::{Context, Handle, Instance, Limits, Module, Packed, Run, Runtime};

use crate::ours::{AUTHOR, BATCH, commands};
use crate::result::Figures;
use crate::trace::Patch;

/// Builds a built-in type and loads it.
pub fn load(runtime: &Runtime, package: &str) -> Module {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let options = Options::detect().expect("a toolchain for WebAssembly");
    let built = replicant_guest_build::build(&workspace, &[package], &options)
        .unwrap_or_else(|error| panic!("cannot build {package}: {error}"));
    let bytes = std::fs::read(&built[0].path).expect("the component is there");
    runtime
        .load(&bytes, Limits::default())
        .expect("the component loads")
}

/// One object in an instance of its own.
pub struct Guest {
    instance: Instance,
    object: Handle,
}

impl Guest {
    /// Makes an instance with a fresh object.
    pub fn new(module: &Module) -> Self {
        let mut instance = module.instantiate().expect("an instance");
        let object = instance.create().expect("an object");
        Self { instance, object }
    }

    /// Carries out commands; the first op has number `counter`. Returns the ops.
    pub fn update(&mut self, counter: u64, commands: &Packed) -> Packed {
        let context = Context {
            replica: AUTHOR,
            counter,
            timestamp: counter << 16,
        };
        let updated = self.instance.update(self.object, context, commands, false);
        let updated = updated.expect("no fault");
        assert!(updated.refusals.is_empty(), "{:?}", updated.refusals);
        updated.ops
    }

    /// Applies ops.
    pub fn apply(&mut self, run: &Run) {
        let applied = self.instance.apply(self.object, run, false);
        black_box(applied.expect("no fault"));
    }

    fn text(&mut self) -> String {
        let value = self.instance.query(self.object, None).expect("a value");
        replicant_sdk::cbor::decode(&value).expect("text")
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

/// Packs items by `size`.
pub fn pack(items: &[Vec<u8>], size: usize) -> Vec<Packed> {
    items
        .chunks(size)
        .map(|chunk| Packed::from_items(chunk).expect("small items"))
        .collect()
}

/// Measures everything once.
pub fn measure(module: &Module, patches: &[Patch], end: &str) -> Figures {
    let commands = commands(patches);
    let mut figures = Figures {
        edits: patches.len(),
        update_edits: patches.len(),
        ..Figures::default()
    };

    let batches = pack(&commands, BATCH);
    let mut guest = Guest::new(module);
    let mut made = Vec::new();
    let mut counter = 1;
    let start = Clock::start();
    for batch in &batches {
        let ops = guest.update(counter, batch);
        counter += ops.len() as u64;
        made.push(ops);
    }
    figures.local = Some(start.elapsed());
    assert_eq!(guest.text(), end);
    figures.op_bytes = Some(made.iter().map(|ops| ops.bytes().len()).sum());

    let mut first = 1;
    let mut next_run = |ops: Packed| {
        let run = run(first, ops);
        first += run.ops.len() as u64;
        run
    };
    let runs: Vec<Run> = made.into_iter().map(&mut next_run).collect();
    let mut remote = Guest::new(module);
    let start = Clock::start();
    runs.iter().for_each(|run| remote.apply(run));
    figures.remote_batched = Some(start.elapsed());
    assert_eq!(remote.text(), end);

    let singles = pack(&commands, 1);
    let mut guest = Guest::new(module);
    let start = Clock::start();
    let make = |(command, counter): (&Packed, u64)| run(counter, guest.update(counter, command));
    let updates: Vec<Run> = singles.iter().zip(1..).map(make).collect();
    figures.made = Some(start.elapsed());

    let mut remote = Guest::new(module);
    let start = Clock::start();
    updates.iter().for_each(|update| remote.apply(update));
    figures.applied = Some(start.elapsed());
    assert_eq!(remote.text(), end);

    let start = Clock::start();
    let saved = remote.instance.save(remote.object).expect("saved bytes");
    figures.save = Some(start.elapsed());
    figures.saved_bytes = Some(saved.len());
    let mut fresh = Guest::new(module);
    let start = Clock::start();
    fresh.object = fresh
        .instance
        .restore(&saved, "0.1.0")
        .expect("saved bytes load");
    let text = fresh.text();
    figures.load = Some(start.elapsed());
    assert_eq!(text, end);
    figures
}
