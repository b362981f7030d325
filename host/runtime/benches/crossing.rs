//! What the sandbox costs: the same Rust code natively and as a component, in one run.
//!
//! Prints tables for `docs/performance.md`. Native and sandboxed rounds alternate and the medians
//! are compared, so that the ratio holds on a machine with other work, where one measurement
//! after the other would not. `cargo bench -p replicant-runtime`; `-- --quick` for a tenth of the
//! rounds, `-- --loading FILE.wasm` for loading alone, of these components too.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use replicant_runtime::{
    CacheConfig, Context, Handle, Instance, Limits, Module, Packed, Run, Runtime, RuntimeConfig,
};
use replicant_sdk::{Crdt, Object};
use serde_json::{Value, json};

const BATCH: usize = 1_000;

fn main() {
    if std::env::args().any(|argument| argument == "--loading") {
        return loading();
    }
    let rounds = if std::env::args().any(|argument| argument == "--quick") {
        20
    } else {
        200
    };
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let load = |name| load(&runtime, name);
    println!("## Crossing: ns an op, medians of {rounds} rounds of {BATCH} ops\n");
    println!("| type | call | native | packed by {BATCH} | ratio | one call an op |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let counter = Workload::new(|index| json!({"increment": index % 10 + 1}));
    counter.measure::<replicant_g_counter::GCounter>(&load("g-counter"), rounds);
    let both_ways = Workload::new(|index| match index % 10 {
        0 => json!({"decrement": 1}),
        more => json!({"increment": more}),
    });
    both_ways.measure::<replicant_pn_counter::PnCounter>(&load("pn-counter"), rounds);
    let set =
        Workload::new(|index| json!({"add": format!("element {}", scattered(index) % 4_000)}));
    set.measure::<replicant_or_set::OrSet>(&load("or-set"), rounds);
    let text = Workload::new(typed);
    text.measure::<replicant_text::Text>(&load("text"), rounds);

    println!("\n## Instances\n");
    instances(&load("or-set"), rounds);
    objects(&load("or-set"));
    loading();
}

fn load(runtime: &Runtime, name: &str) -> Module {
    let built_in = replicant_crdts::find(name).unwrap();
    runtime.load(built_in.bytes, Limits::default()).unwrap()
}

/// A number that looks random and is not.
fn scattered(index: usize) -> u64 {
    (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// Single characters as people type them: runs of thirty, then elsewhere.
fn typed(index: usize) -> Value {
    let start = index / 30 * 30;
    let at = if start == 0 {
        0
    } else {
        scattered(start) % start as u64
    };
    json!({"insert": {"at": at + (index - start) as u64, "text": "x"}})
}

/// Commands: the first make a state, the last `BATCH` are measured.
struct Workload {
    base: Packed,
    measured: Packed,
}

impl Workload {
    const BASE: usize = 5_000;

    fn new(command: fn(usize) -> Value) -> Self {
        let encoded = |index| {
            let mut bytes = Vec::new();
            replicant_sdk::cbor::encode(&command(index), &mut bytes).unwrap();
            bytes
        };
        Self {
            base: Packed::from_items((0..Self::BASE).map(encoded)).unwrap(),
            measured: Packed::from_items((Self::BASE..Self::BASE + BATCH).map(encoded)).unwrap(),
        }
    }

    fn measure<T: Crdt>(&self, module: &Module, rounds: usize) {
        let mut made = Object::<T>::new();
        made.update(&native_context(1), &native(&self.base), false);
        let saved = made.save();
        let first = Self::BASE as u64 + 1;
        let ops = made
            .update(&native_context(first), &native(&self.measured), false)
            .ops;
        assert_eq!(ops.len(), BATCH, "each command makes one op");
        let run = Run {
            replica: 1,
            timestamp: 1 << 16,
            schema: module.description().writes,
            counters: (first..first + BATCH as u64).collect(),
            ops: Packed::from_parts(ops.bytes, ops.ends).unwrap(),
        };
        let context = Context {
            replica: 1,
            counter: first,
            timestamp: 1 << 16,
        };
        let mut bench = Bench {
            module,
            saved,
            _type: std::marker::PhantomData::<T>,
        };
        bench.update(&self.measured, context, rounds);
        bench.apply(&run, rounds);
    }
}

struct Bench<'a, T> {
    module: &'a Module,
    saved: Vec<u8>,
    _type: std::marker::PhantomData<T>,
}

impl<T: Crdt> Bench<'_, T> {
    fn update(&mut self, commands: &Packed, context: Context, rounds: usize) {
        let first = native_context(context.counter);
        let native_commands = native(commands);
        let singles: Vec<Packed> = commands
            .iter()
            .map(|command| Packed::single(command).unwrap())
            .collect();
        self.rounds(
            "update",
            rounds,
            &mut |object| {
                object.update(&first, &native_commands, false);
            },
            [
                &mut |instance, handle| {
                    instance.update(handle, context, commands, false).unwrap();
                },
                &mut |instance, handle| {
                    let mut context = context;
                    for command in &singles {
                        instance.update(handle, context, command, false).unwrap();
                        context.counter += 1;
                    }
                },
            ],
        );
    }

    fn apply(&mut self, run: &Run, rounds: usize) {
        let native_run = replicant_sdk::Run {
            replica: run.replica,
            timestamp: run.timestamp,
            schema: run.schema,
            counters: run.counters.clone(),
            ops: native(&run.ops),
        };
        let singles: Vec<Run> = run
            .counters
            .iter()
            .zip(run.ops.iter())
            .map(|(&counter, op)| Run {
                counters: vec![counter],
                ops: Packed::single(op).unwrap(),
                ..run.clone()
            })
            .collect();
        self.rounds(
            "apply",
            rounds,
            &mut |object| {
                object.apply(&native_run, false);
            },
            [
                &mut |instance, handle| {
                    instance.apply(handle, run, false).unwrap();
                },
                &mut |instance, handle| {
                    for run in &singles {
                        instance.apply(handle, run, false).unwrap();
                    }
                },
            ],
        );
    }

    /// Times each way in turn, on a fresh object with the same state that was loaded just before,
    /// so that none finds it in a warmer cache than the others. Prints the medians.
    fn rounds(
        &mut self,
        call: &str,
        rounds: usize,
        native: Native<'_, T>,
        mut guest: [Guest<'_>; 2],
    ) {
        let version = &self.module.description().version;
        let mut times = [const { Vec::new() }; 3];
        let mut instance = self.module.instantiate().unwrap();
        for _ in 0..rounds {
            let mut object = Object::<T>::load(&self.saved, version).unwrap();
            let start = Instant::now();
            native(&mut object);
            times[0].push(start.elapsed());
            for (way, times) in guest.iter_mut().zip(&mut times[1..]) {
                let handle = instance.restore(&self.saved, version).unwrap();
                let start = Instant::now();
                way(&mut instance, handle);
                times.push(start.elapsed());
                let state = instance.save(handle).unwrap();
                assert!(state == object.save(), "all ways do the same");
                instance.release(handle).unwrap();
            }
        }
        let [native, packed, single] =
            times.map(|times| median(times).as_nanos() as f64 / BATCH as f64);
        println!(
            "| {} | {call} | {native:.1} | {packed:.1} | {:.2} | {single:.0} |",
            self.module.description().name,
            packed / native,
        );
    }
}

/// Doing it natively.
type Native<'a, T> = &'a mut dyn FnMut(&mut Object<T>);
/// One way of doing the same through the sandbox.
type Guest<'a> = &'a mut dyn FnMut(&mut Instance, Handle);

fn native_context(counter: u64) -> replicant_sdk::Context {
    replicant_sdk::Context {
        dot: replicant_sdk::Dot {
            replica: 1,
            counter,
        },
        timestamp: 1 << 16,
        schema: 1,
    }
}

fn native(packed: &Packed) -> replicant_sdk::Packed {
    replicant_sdk::Packed {
        bytes: packed.bytes().to_vec(),
        ends: packed.ends().to_vec(),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(rounds: usize, mut what: impl FnMut()) -> Duration {
    let time = || {
        let start = Instant::now();
        what();
        start.elapsed()
    };
    median(std::iter::repeat_with(time).take(rounds).collect())
}

fn instances(module: &Module, rounds: usize) {
    let empty = timed(rounds * 10, || drop(module.instantiate().unwrap()));
    let used = timed(rounds * 10, || {
        let mut instance = module.instantiate().unwrap();
        instance.create().unwrap();
    });
    println!("instantiate and drop: {empty:.1?}; with a first object: {used:.1?}");
    let before = resident_bytes();
    let held: Vec<Instance> = (0..COUNT)
        .map(|_| {
            let mut instance = module.instantiate().unwrap();
            instance.create().unwrap();
            instance
        })
        .collect();
    let each = resident_bytes().saturating_sub(before) / COUNT;
    println!(
        "{} instances with one object each: {each} resident bytes each",
        held.len()
    );

    /// Of the few places that a small pool has.
    const COUNT: usize = 50;
}

fn objects(module: &Module) {
    const COUNT: usize = 10_000;
    let mut instance = module.instantiate().unwrap();
    instance.create().unwrap();
    let before = resident_bytes();
    let start = Instant::now();
    let handles: Vec<_> = (0..COUNT).map(|_| instance.create().unwrap()).collect();
    let time = start.elapsed() / COUNT as u32;
    let each = resident_bytes().saturating_sub(before) / COUNT;
    println!(
        "{} objects in one instance: {time:.1?} and {each} resident bytes each",
        handles.len()
    );
}

/// Resident memory of this process; 0 where the system does not say.
fn resident_bytes() -> usize {
    const PAGE_BYTES: usize = 4096;
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|line| line.split(' ').nth(1)?.parse::<usize>().ok())
        .map_or(0, |pages| pages * PAGE_BYTES)
}

fn loading() {
    println!("\n## Loading: compiled, and from the cache on disk\n");
    println!("| component | bytes | compile | from the cache | ratio |");
    println!("| --- | --- | --- | --- | --- |");
    let built_in = replicant_crdts::all().iter();
    let mut components: Vec<(String, Vec<u8>)> = built_in
        .map(|built_in| (built_in.name.to_owned(), built_in.bytes.to_vec()))
        .collect();
    for file in std::env::args().filter(|argument| argument.ends_with(".wasm")) {
        let bytes = std::fs::read(&file).unwrap();
        components.push((file, bytes));
    }
    for (name, bytes) in components {
        let load = |runtime: &Runtime| drop(runtime.load(&bytes, Limits::default()).unwrap());
        let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
        let compile = timed(5, || load(&runtime));
        let folder = tempfile::tempdir().unwrap();
        let with_cache = || {
            Runtime::new(RuntimeConfig {
                cache: Some(CacheConfig::new(folder.path())),
                ..RuntimeConfig::small()
            })
            .unwrap()
        };
        load(&with_cache());
        let start = |_| {
            let runtime = with_cache();
            let start = Instant::now();
            load(&runtime);
            start.elapsed()
        };
        let cached = median((0..50).map(start).collect());
        let ratio = compile.as_secs_f64() / cached.as_secs_f64();
        let size = bytes.len();
        println!("| {name} | {size} | {compile:.1?} | {cached:.2?} | {ratio:.0} × |");
    }
}
