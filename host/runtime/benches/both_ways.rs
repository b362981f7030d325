//! One type written both ways, as ops and as deltas: the counter that grows and shrinks.
//!
//! Prints tables for `docs/state-based-types.md`: bytes of what is sent and saved, which are the
//! same on every machine, and what an op costs, natively and in the sandbox, in turns.
//! `cargo bench -p replicant-runtime --bench both_ways`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::{Duration, Instant};

use replicant_guest_build::{Options, build};
use replicant_pn_counter::PnCounter;
use replicant_pn_counter_delta::PnCounterDelta;
use replicant_runtime::{Limits, Module, Packed, Run, Runtime, RuntimeConfig};
use replicant_sdk::{Context, Crdt, Delta, Dot, Object, cbor};
use serde_json::json;

/// How many ops each writer made before those that are measured.
const EACH: u64 = 100;
/// Ops that are measured, one call.
const BATCH: u64 = 1_000;
const ROUNDS: usize = 200;

fn main() {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let ops = component("replicant-pn-counter");
    let deltas = component("replicant-pn-counter-delta");
    let load = |bytes: &[u8]| runtime.load(bytes, Limits::default()).unwrap();
    let (ops, deltas) = (load(&ops), load(&deltas));
    println!("| writers | type | bytes an op | saved bytes | native | in the sandbox | fuel |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for writers in [1, 3, 100, 1_000] {
        measure::<PnCounter>(&ops, writers);
        measure::<Delta<PnCounterDelta>>(&deltas, writers);
    }
}

fn component(package: &str) -> Vec<u8> {
    let crdts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crdts");
    let built = build(&crdts, &[package], &Options::detect().unwrap()).unwrap();
    std::fs::read(&built[0].path).unwrap()
}

/// A replica id as nodes have them: any 64 bits.
fn replica(writer: u64) -> u64 {
    (writer + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Lets writers take turns: each sees all that was before.
fn made<T: Crdt>(object: &mut Object<T>, writers: u64, turns: std::ops::Range<u64>) -> Vec<Run> {
    let mut runs = Vec::new();
    for turn in turns {
        let context = Context {
            dot: Dot {
                replica: replica(turn % writers),
                counter: turn + 1,
            },
            timestamp: (turn + 1) << 16,
            schema: T::WRITES,
        };
        let mut command = Vec::new();
        let value = match turn % 10 {
            0 => json!({"decrement": 7}),
            more => json!({"increment": more}),
        };
        cbor::encode(&value, &mut command).unwrap();
        let mut commands = replicant_sdk::Packed::default();
        commands.push(&command);
        let ops = object.update(&context, &commands, false).ops;
        runs.push(Run {
            replica: context.dot.replica,
            timestamp: context.timestamp,
            schema: T::WRITES,
            counters: vec![turn + 1],
            ops: Packed::from_parts(ops.bytes, ops.ends).unwrap(),
        });
    }
    runs
}

/// The ops of several runs in one, as if one replica had made them all.
fn in_one(runs: &[Run]) -> Run {
    let ops = runs.iter().flat_map(|run| run.ops.iter());
    Run {
        counters: runs.iter().map(|run| run.counters[0]).collect(),
        ops: Packed::from_items(ops).unwrap(),
        ..runs[0].clone()
    }
}

fn measure<T: Crdt>(module: &Module, writers: u64) {
    let mut object = Object::<T>::new();
    let before = writers * EACH;
    made(&mut object, writers, 0..before);
    let saved = object.save();
    let run = in_one(&made(&mut object, writers, before..before + BATCH));
    let native_run = replicant_sdk::Run {
        replica: run.replica,
        timestamp: run.timestamp,
        schema: run.schema,
        counters: run.counters.clone(),
        ops: replicant_sdk::Packed {
            bytes: run.ops.bytes().to_vec(),
            ends: run.ops.ends().to_vec(),
        },
    };
    let version = &module.description().version;
    let mut instance = module.instantiate().unwrap();
    let (mut native, mut sandboxed, mut fuel) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut copy = Object::<T>::load(&saved, version).unwrap();
        let start = Instant::now();
        copy.apply(&native_run, false);
        native.push(start.elapsed());
        let handle = instance.restore(&saved, version).unwrap();
        let start = Instant::now();
        instance.apply(handle, &run, false).unwrap();
        sandboxed.push(start.elapsed());
        fuel = instance.fuel_used();
        assert!(instance.save(handle).unwrap() == object.save());
        assert!(copy.save() == object.save());
        instance.release(handle).unwrap();
    }
    println!(
        "| {writers} | {} | {:.1} | {} | {:.0} ns | {:.0} ns | {} |",
        T::NAME,
        run.ops.bytes().len() as f64 / BATCH as f64,
        object.save().len(),
        per_op(native),
        per_op(sandboxed),
        fuel / BATCH,
    );
}

/// The median, in nanoseconds an op.
fn per_op(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64 / BATCH as f64
}
