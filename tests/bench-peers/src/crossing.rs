//! What the sandbox costs: the same ops, in batches of 1,000, applied by the same code compiled
//! natively and as a component.

use std::hint::black_box;
use std::time::Duration;

use crate::clock::Clock;

use replicant_runtime::{Module, Packed, Runtime};
use replicant_sdk::{Crdt, Object, cbor};
use serde_json::{Value, json};

use crate::ours::{self, BATCH};
use crate::sandbox::{self, Guest};
use crate::trace::Patch;

/// One type, with its ops.
pub struct Crossing {
    name: &'static str,
    module: Module,
    ops: Vec<replicant_sdk::Packed>,
    apply_natively: fn(&[replicant_sdk::Run]),
}

/// The time of one op in each of the two ways.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Compiled natively.
    pub native: Duration,
    /// As a component.
    pub sandbox: Duration,
}

/// Returns the types that are measured; the text with the edits of a trace.
pub fn all(runtime: &Runtime, patches: &[Patch]) -> Vec<Crossing> {
    let word = |number: u64| format!("element-{}", number * 7_919 % 10_000);
    let set = |number: u64| match number % 4 {
        3 => json!({ "remove": word(number / 2) }),
        _ => json!({ "add": word(number) }),
    };
    let increment = |number: u64| json!({ "increment": number % 9 + 1 });
    let either = |number: u64| match number % 3 {
        0 => json!({ "decrement": number % 9 + 1 }),
        _ => json!({ "increment": number % 9 + 1 }),
    };
    let increments = encoded(300_000, &increment);
    let either = encoded(300_000, &either);
    let sets = encoded(100_000, &set);
    let edits = ours::commands(patches);
    vec![
        crossing::<replicant_g_counter::GCounter>(runtime, "g-counter", &increments),
        crossing::<replicant_pn_counter::PnCounter>(runtime, "pn-counter", &either),
        crossing::<replicant_or_set::OrSet>(runtime, "or-set", &sets),
        crossing::<replicant_text::Text>(runtime, "text", &edits),
    ]
}

fn encoded(count: u64, command: &dyn Fn(u64) -> Value) -> Vec<Vec<u8>> {
    let encode = |number| {
        let mut bytes = Vec::new();
        cbor::encode(&command(number), &mut bytes).expect("commands can be encoded");
        bytes
    };
    (0..count).map(encode).collect()
}

fn crossing<T: Crdt>(runtime: &Runtime, name: &'static str, commands: &[Vec<u8>]) -> Crossing {
    let mut object = Object::<T>::new();
    let mut counter = 1;
    let mut update = |commands: &replicant_sdk::Packed| {
        let updated = object.update(&ours::context(counter), commands, false);
        assert!(updated.refusals.is_empty(), "{:?}", updated.refusals);
        counter += updated.ops.len() as u64;
        updated.ops
    };
    let batches = ours::pack(commands, BATCH);
    Crossing {
        name,
        module: sandbox::load(runtime, &format!("replicant-{name}")),
        ops: batches.iter().map(&mut update).collect(),
        apply_natively: apply_natively::<T>,
    }
}

fn apply_natively<T: Crdt>(runs: &[replicant_sdk::Run]) {
    let mut object = Object::<T>::new();
    for run in runs {
        black_box(object.apply(run, false));
    }
}

impl Crossing {
    /// Returns the type's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Measures it once.
    pub fn measure(&self) -> Cost {
        let mut first = 1;
        let mut number = |ops: &replicant_sdk::Packed| {
            let run = ours::run(first, ops.clone());
            first += ops.len() as u64;
            run
        };
        let native: Vec<_> = self.ops.iter().map(&mut number).collect();
        let guest_run = |run: &replicant_sdk::Run| {
            let ops = Packed::from_items(run.ops.iter()).expect("small items");
            sandbox::run(run.counters[0], ops)
        };
        let sandboxed: Vec<_> = native.iter().map(guest_run).collect();
        let ops: usize = self.ops.iter().map(replicant_sdk::Packed::len).sum();

        let start = Clock::start();
        (self.apply_natively)(&native);
        let native = start.elapsed() / ops as u32;
        let mut guest = Guest::new(&self.module);
        let start = Clock::start();
        sandboxed.iter().for_each(|run| guest.apply(run));
        let sandbox = start.elapsed() / ops as u32;
        Cost { native, sandbox }
    }
}

/// Prints the medians of several rounds.
pub fn print(rows: &[(&str, Vec<Cost>)]) -> Value {
    println!("\nApplied in batches of 1,000, fuel on\n");
    println!("| type | native, ns an op | sandbox, ns an op | ratio | difference, ns |");
    println!("|---|---:|---:|---:|---:|");
    let mut json = Vec::new();
    for (name, costs) in rows {
        let median = |of: fn(&Cost) -> Duration| {
            let mut times: Vec<Duration> = costs.iter().map(of).collect();
            times.sort_unstable();
            times[times.len() / 2].as_nanos() as f64
        };
        let (native, sandbox) = (median(|it| it.native), median(|it| it.sandbox));
        println!(
            "| {name} | {native} | {sandbox} | {:.2} | {} |",
            sandbox / native,
            sandbox - native
        );
        json.push(json!({ "type": name, "native_ns": native, "sandbox_ns": sandbox }));
    }
    Value::Array(json)
}
