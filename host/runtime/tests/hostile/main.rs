//! What a guest may try, and that it is stopped with a fault that names module, export and limit,
//! while other instances go on.
#![allow(clippy::unwrap_used, clippy::panic)]

mod determinism;
mod guest;
mod load;
mod results;
mod running;
mod wasi;

use std::sync::OnceLock;
use std::time::Duration;

use guest::Guest;
use replicant_runtime::{
    CallError, Context, Fault, FaultKind, Handle, Instance, Limits, Module, Packed, Run, Runtime,
    RuntimeConfig,
};

/// One engine for all tests: its places are few, and tests give theirs back.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(RuntimeConfig::small()).unwrap())
}

/// Limits that are hit fast.
fn limits() -> Limits {
    Limits {
        fuel_per_call: 1_000_000,
        fuel_per_item: 1_000,
        fuel_per_byte: 0,
        fuel_describe: 100_000,
        fuel_instantiate: 100_000,
        memory_bytes_max: 4 << 20,
        table_elements_max: 1_000,
        input_bytes_max: 1 << 20,
        output_bytes_max: 1 << 20,
        op_bytes_max: 1 << 10,
        objects_max: 100,
    }
}

fn load(guest: &Guest) -> Module {
    runtime().load(&guest.build(), limits()).unwrap()
}

/// An instance with one object.
fn start(guest: &Guest) -> (Instance, Handle) {
    let mut instance = load(guest).instantiate().unwrap();
    let handle = instance.create().unwrap();
    (instance, handle)
}

fn context() -> Context {
    Context {
        replica: 1,
        counter: 1,
        timestamp: 1 << 16,
    }
}

fn run(ops: &[&str]) -> Run {
    Run {
        replica: 2,
        timestamp: 1 << 16,
        schema: 1,
        counters: (1..=ops.len() as u64).collect(),
        ops: Packed::from_items(ops).unwrap(),
    }
}

/// Makes one call by its name, with some arguments.
fn call(instance: &mut Instance, handle: Handle, call: &str) -> Result<(), Fault> {
    let fault = |error| match error {
        CallError::Fault(fault) => fault,
        CallError::Refused(message) => panic!("refused: {message}"),
    };
    match call {
        "new" => instance.create().map(drop),
        "load" => instance.restore(b"saved", "0.1.0").map(drop).map_err(fault),
        "update" => {
            let commands = Packed::from_items(["one", "two"]).unwrap();
            instance
                .update(handle, context(), &commands, false)
                .map(drop)
        }
        "apply" => instance
            .apply(handle, &run(&["one", "two"]), false)
            .map(drop),
        "query" => instance.query(handle, None).map(drop).map_err(fault),
        "save" => instance.save(handle).map(drop),
        "compact" => instance.compact(handle, &[], 0, 1).map(drop),
        "sample" => instance.sample(handle, 1).map(drop),
        "release" => instance.release(handle),
        other => panic!("no call {other}"),
    }
}

#[test]
fn a_guest_that_does_nothing_can_be_called_in_every_way() {
    let (mut instance, handle) = start(&Guest::new("nothing"));
    for name in guest::CALLS.into_iter().skip(1) {
        call(&mut instance, handle, name).unwrap();
        assert!(instance.fuel_used() > 0, "{name}");
    }
    assert_eq!(instance.objects_count(), 3);
    call(&mut instance, handle, "release").unwrap();
    assert_eq!(instance.objects_count(), 2);
    assert!(!instance.is_dead());
    assert_eq!(instance.memory_bytes(), 2 * 65536);
}

#[test]
fn a_released_handle_is_an_error_and_harms_nothing() {
    let (mut instance, handle) = start(&Guest::new("released"));
    instance.release(handle).unwrap();
    for name in [
        "update", "apply", "query", "save", "compact", "sample", "release",
    ] {
        let fault = call(&mut instance, handle, name).unwrap_err();
        let text = format!("released@0.1.0: {name} was not called: the object was released");
        assert!(fault.to_string().starts_with(&text), "{fault}");
    }
    let (mut other, _) = start(&Guest::new("released"));
    let handle = instance.create().unwrap();
    assert!(call(&mut other, handle, "save").is_err());
    call(&mut instance, handle, "save").unwrap();
}

#[test]
fn the_deadline_stops_what_fuel_does_not() {
    let runtime = Runtime::new(RuntimeConfig {
        call_duration_max: Duration::from_millis(5),
        tick: Duration::from_millis(1),
        ..RuntimeConfig::small()
    })
    .unwrap();
    let limits = Limits {
        fuel_per_call: 1_000_000_000,
        ..limits()
    };
    let guest = Guest::new("endless").body("save", "(loop $on (br $on)) (unreachable)");
    let module = runtime.load(&guest.build(), limits).unwrap();
    let mut instance = module.instantiate().unwrap();
    let handle = instance.create().unwrap();
    let fault = instance.save(handle).unwrap_err();
    let text = "endless@0.1.0: save took too long (limit 0.025 s)";
    assert_eq!(fault.to_string(), text);
    assert!(!fault.is_guests(), "no clock decides anything replicated");
    assert!(instance.is_dead());
}

#[test]
fn a_full_pool_is_an_error_and_room_comes_back() {
    let runtime = Runtime::new(RuntimeConfig {
        instances_max: 2,
        ..RuntimeConfig::small()
    })
    .unwrap();
    let module = runtime.load(&Guest::new("many").build(), limits()).unwrap();
    let first = module.instantiate().unwrap();
    let second = module.instantiate().unwrap();
    let fault = module.instantiate().unwrap_err();
    let text = fault.to_string();
    assert!(
        text.starts_with("many@0.1.0: instantiate found no room: "),
        "{text}"
    );
    assert!(text.contains('2'), "{text}");
    assert!(!fault.is_guests());
    drop(first);
    module.instantiate().unwrap();
    drop(second);
}

#[test]
fn a_pool_without_memories_or_tables_left_says_so() {
    let guest = Guest::new("scarce").extra("(table 1 funcref)");
    for (what, config) in [
        (
            "core instance",
            RuntimeConfig {
                core_instances_max: 5,
                ..RuntimeConfig::small()
            },
        ),
        (
            "memory",
            RuntimeConfig {
                memories_max: 1,
                ..RuntimeConfig::small()
            },
        ),
        (
            "table",
            RuntimeConfig {
                tables_max: 3,
                ..RuntimeConfig::small()
            },
        ),
    ] {
        let runtime = Runtime::new(config).unwrap();
        let module = runtime.load(&guest.build(), limits()).unwrap();
        let mut held = vec![module.instantiate().unwrap()];
        let fault = loop {
            match module.instantiate() {
                Ok(instance) => held.push(instance),
                Err(fault) => break fault,
            }
        };
        assert!(fault.to_string().contains(what), "{fault}");
        assert!(matches!(fault.kind, FaultKind::NoRoom { .. }), "{fault}");
        held.clear();
        module.instantiate().unwrap();
    }
}

#[test]
fn a_dead_instance_gives_its_place_back_at_once() {
    let runtime = Runtime::new(RuntimeConfig {
        instances_max: 1,
        ..RuntimeConfig::small()
    })
    .unwrap();
    let guest = Guest::new("dying").body("save", "(unreachable)");
    let module = runtime.load(&guest.build(), limits()).unwrap();
    let mut instance = module.instantiate().unwrap();
    let handle = instance.create().unwrap();
    instance.save(handle).unwrap_err();
    module.instantiate().unwrap();
}
