//! The types that ship with Replicant, called through the sandbox.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::OnceLock;

use serde_json::{Value, json};

use replicant_runtime::{
    CallError, Context, Dot, Handle, Instance, LOG_INTERFACE, Limits, Module, Packed, Run, Runtime,
    RuntimeConfig, Updated, World,
};

/// Every type that ships, loaded once.
fn modules() -> &'static [Module] {
    static MODULES: OnceLock<Vec<Module>> = OnceLock::new();
    MODULES.get_or_init(|| {
        let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
        let load = |bytes| runtime.load(bytes, Limits::default()).unwrap();
        let modules = replicant_crdts::all()
            .iter()
            .map(|built_in| load(built_in.bytes));
        modules.collect()
    })
}

/// One object in a sandbox of its own.
struct Replica {
    instance: Instance,
    handle: Handle,
}

impl Replica {
    fn new(module: &Module) -> Self {
        let mut instance = module.instantiate().unwrap();
        let handle = instance.create().unwrap();
        Self { instance, handle }
    }

    fn restored(module: &Module, saved: &[u8]) -> Self {
        let mut instance = module.instantiate().unwrap();
        let version = &module.description().version;
        let handle = instance.restore(saved, version).unwrap();
        Self { instance, handle }
    }

    /// Carries out the command that `seed` gives.
    fn sampled(&mut self, seed: u64, counter: u64) -> Updated {
        let command = self.instance.sample(self.handle, seed).unwrap();
        let commands = Packed::single(&command).unwrap();
        let context = Context {
            replica: 1,
            counter,
            timestamp: counter << 16,
        };
        self.instance
            .update(self.handle, context, &commands, true)
            .unwrap()
    }

    fn apply(&mut self, run: &Run) -> (Packed, u64) {
        let events = self.instance.apply(self.handle, run, true).unwrap();
        (events, self.instance.fuel_used())
    }

    fn save(&mut self) -> Vec<u8> {
        self.instance.save(self.handle).unwrap()
    }

    fn value(&mut self) -> Vec<u8> {
        self.instance.query(self.handle, None).unwrap()
    }
}

/// The runs of one op each that `count` sampled commands lead to, made by `author`.
fn sampled_runs(module: &Module, author: &mut Replica, count: u64) -> Vec<Run> {
    let mut runs = Vec::new();
    for seed in 0..count {
        let counter = runs.len() as u64 + 1;
        let updated = author.sampled(seed, counter);
        assert!(updated.refusals.is_empty(), "{:?}", updated.refusals);
        if updated.ops.is_empty() {
            continue;
        }
        runs.push(Run {
            replica: 1,
            timestamp: counter << 16,
            schema: module.description().writes,
            counters: vec![counter],
            ops: updated.ops,
        });
    }
    runs
}

#[test]
fn every_type_loads_and_says_what_it_is() {
    for (module, built_in) in modules().iter().zip(replicant_crdts::all()) {
        assert_eq!(module.description().name, built_in.name);
        assert_eq!(module.size_bytes(), built_in.bytes.len() as u64);
        assert_eq!(module.hash(), *blake3::hash(built_in.bytes).as_bytes());
        let world = match built_in.name {
            "lww-map" => World::DeltaBased,
            _ => World::OpBased,
        };
        assert_eq!(module.world(), world);
        assert_eq!(module.exports(), [world.interface()]);
        let known = |name: &String| name == LOG_INTERFACE || name.contains(":crdt/types@");
        assert!(module.imports().iter().all(known), "{:?}", module.imports());
    }
}

#[test]
fn ops_carry_a_state_from_one_sandbox_to_another() {
    for module in modules() {
        let mut author = Replica::new(module);
        let mut reader = Replica::new(module);
        let runs = sampled_runs(module, &mut author, 200);
        assert!(!runs.is_empty(), "{module:?}");
        for run in &runs {
            reader.apply(run);
        }
        assert_eq!(author.save(), reader.save(), "{module:?}");
        assert_eq!(author.value(), reader.value(), "{module:?}");
    }
}

#[test]
fn the_same_calls_cost_the_same_fuel_in_every_instance() {
    for module in modules() {
        let runs = sampled_runs(module, &mut Replica::new(module), 100);
        let trace = || -> Vec<_> {
            let mut replica = Replica::new(module);
            runs.iter().map(|run| replica.apply(run)).collect()
        };
        assert_eq!(trace(), trace(), "{module:?}");
    }
}

#[test]
fn an_evicted_object_comes_back_as_it_was_and_goes_on_alike_everywhere() {
    for module in modules() {
        let mut author = Replica::new(module);
        let runs = sampled_runs(module, &mut author, 100);
        let (before, after) = runs.split_at(runs.len() / 2);
        let mut stayed = Replica::new(module);
        for run in before {
            stayed.apply(run);
        }
        let saved = stayed.save();
        let mut one = Replica::restored(module, &saved);
        let mut other = Replica::restored(module, &saved);
        assert_eq!(one.save(), saved, "{module:?}");
        assert_eq!(one.value(), stayed.value(), "{module:?}");
        other.save();
        other.value();
        for run in after {
            let (events, _) = stayed.apply(run);
            let (one, other) = (one.apply(run), other.apply(run));
            assert_eq!(one, other, "{module:?}");
            assert_eq!(one.0, events, "{module:?}");
        }
        assert_eq!(one.save(), stayed.save(), "{module:?}");
    }
}

#[test]
fn objects_of_one_instance_share_nothing() {
    for module in modules() {
        let mut instance = module.instantiate().unwrap();
        let touched = instance.create().unwrap();
        let untouched = instance.create().unwrap();
        let empty = instance.save(untouched).unwrap();
        let mut replica = Replica {
            instance,
            handle: touched,
        };
        sampled_runs(module, &mut replica, 50);
        assert_eq!(
            replica.instance.save(untouched).unwrap(),
            empty,
            "{module:?}"
        );
        replica.instance.release(touched).unwrap();
        assert_eq!(
            replica.instance.save(untouched).unwrap(),
            empty,
            "{module:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_changes_nothing() {
    for module in modules() {
        let mut replica = Replica::new(module);
        sampled_runs(module, &mut replica, 20);
        let before = replica.save();
        let commands = Packed::from_items([&b"\xff"[..], b"", &[0x80; 100]]).unwrap();
        let context = Context {
            replica: 9,
            counter: 1000,
            timestamp: 1000 << 16,
        };
        let Replica { instance, handle } = &mut replica;
        let updated = instance.update(*handle, context, &commands, true).unwrap();
        assert_eq!(updated.refusals.len(), 3, "{module:?}: {updated:?}");
        let query = instance.query(*handle, Some(b"\xff")).unwrap_err();
        assert!(matches!(query, CallError::Refused(_)), "{query}");
        let garbage = instance.restore(&[0xff; 64], "0.1.0").unwrap_err();
        assert!(matches!(garbage, CallError::Refused(_)), "{garbage}");
        assert_eq!(replica.save(), before, "{module:?}");
    }
}

#[test]
fn compaction_keeps_the_value() {
    for module in modules() {
        let mut replica = Replica::new(module);
        let runs = sampled_runs(module, &mut replica, 100);
        let value = replica.value();
        let stable = Dot {
            replica: 1,
            counter: runs.len() as u64,
        };
        for number in 1..4 {
            let Replica { instance, handle } = &mut replica;
            instance
                .compact(*handle, &[stable], number - 1, number)
                .unwrap();
            assert_eq!(replica.value(), value, "{module:?}");
        }
    }
}

/// A number that looks random and is not.
fn scattered(index: usize) -> usize {
    ((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize
}

/// The fuel of a call is in proportion to the object: without that a set of 150,000 strings could
/// be written and no longer read.
#[test]
fn a_large_object_can_be_read_saved_and_loaded() {
    const BATCH: usize = 10_000;
    for (name, batches, command) in [
        (
            "or-set",
            20,
            (|index| json!({"add": format!("element {index}")})) as fn(usize) -> Value,
        ),
        (
            "text",
            10,
            |index| json!({"insert": {"at": scattered(index) % (index + 1), "text": "x"}}),
        ),
    ] {
        let is_it = |module: &&Module| module.description().name == name;
        let module = modules().iter().find(is_it).unwrap();
        let mut replica = Replica::new(module);
        for batch in 0..batches {
            let encoded = (batch * BATCH..(batch + 1) * BATCH).map(|index| {
                let mut bytes = Vec::new();
                replicant_sdk::cbor::encode(&command(index), &mut bytes).unwrap();
                bytes
            });
            let context = Context {
                replica: 1,
                counter: (batch * BATCH) as u64 + 1,
                timestamp: (batch as u64 + 1) << 16,
            };
            let commands = Packed::from_items(encoded).unwrap();
            let Replica { instance, handle } = &mut replica;
            let updated = instance.update(*handle, context, &commands, false).unwrap();
            assert_eq!(updated.ops.len(), BATCH);
        }
        let saved = replica.save();
        let mut other = Replica::restored(module, &saved);
        assert_eq!(other.value(), replica.value());
        assert_eq!(other.save(), saved);
    }
}

/// Whether a schema accepts this text as one of those that it lists.
fn lists(schema: &Value, text: &str) -> bool {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let parts = schema["oneOf"].as_array().into_iter().flatten();
    schema["const"] == text
        || listed.into_iter().any(|one| one == text)
        || parts.into_iter().any(|part| lists(part, text))
}

/// Every type answers it, and whoever reads the schema does not know that.
#[test]
fn every_type_lists_its_value_among_its_queries() {
    for module in modules() {
        let description = module.description();
        let schema = serde_json::from_str(&description.query_schema).unwrap();
        assert!(lists(&schema, "value"), "{}: {schema}", description.name);
    }
}
