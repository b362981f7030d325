//! Guests that do not stop, take too much, or break.

use replicant_runtime::{
    CallError, FaultKind, Handle, Instance, Limits, Packed, Runtime, RuntimeConfig,
};

use crate::guest::{CALLS, Guest};
use crate::{call, context, limits, load, run, runtime, start};

const SPIN: &str = "(loop $on (br $on)) (unreachable)";

/// Makes `name` misbehave by `body`, calls it, and gives the fault; checks that the instance is
/// dead and that another one goes on.
fn fault_in(name: &'static str, body: &str, extra: &str) -> replicant_runtime::Fault {
    let guest = Guest::new("bad").body(name, body).extra(extra);
    let module = load(&guest);
    let mut instance = module.instantiate().unwrap();
    let mut other = module.instantiate().unwrap();
    let (handle, other_handle) = if name == "new" {
        let helper = start(&Guest::new("helper")).1;
        (helper, helper)
    } else {
        (instance.create().unwrap(), other.create().unwrap())
    };
    let fault = call(&mut instance, handle, name).unwrap_err();
    assert!(fault.is_guests(), "{fault}");
    assert_eq!(fault.module, "bad@0.1.0");
    assert_eq!(fault.export, name);
    assert!(instance.is_dead());
    assert_eq!((instance.objects_count(), instance.memory_bytes()), (0, 0));
    let later = call(&mut instance, handle, "save").unwrap_err();
    assert!(matches!(later.kind, FaultKind::Dead { .. }), "{later}");
    assert!(
        later.to_string().contains(&fault.kind.to_string()),
        "{later}"
    );
    if name != "new" {
        let healthy = if name == "save" { "sample" } else { "save" };
        call(&mut other, other_handle, healthy).unwrap();
    }
    fault
}

#[test]
fn an_infinite_loop_in_any_call_runs_out_of_fuel() {
    for name in CALLS.into_iter().skip(1) {
        let fault = fault_in(name, SPIN, "");
        let limit = match name {
            "update" | "apply" => "1,002,000",
            _ => "1,000,000",
        };
        let text = format!("bad@0.1.0: {name} ran out of fuel (limit {limit})");
        assert_eq!(fault.to_string(), text);
    }
    let fault = fault_in("release", "(loop $on (br $on))", "");
    assert!(matches!(fault.kind, FaultKind::OutOfFuel { .. }));
}

#[test]
fn a_trap_in_any_call_ends_the_instance_only() {
    for name in CALLS.into_iter().skip(1) {
        let fault = fault_in(name, "(unreachable)", "");
        let text = format!("bad@0.1.0: {name} trapped: wasm `unreachable` instruction executed");
        assert!(fault.to_string().starts_with(&text), "{fault}");
    }
}

#[test]
fn a_trap_tells_the_function_where_it_has_a_name() {
    let extra = "(func $divide (param i32) (result i32)
        (i32.div_u (i32.const 1) (local.get 0)))";
    let fault = fault_in("save", "(call $divide (i32.const 0))", extra);
    let text = fault.to_string();
    assert!(text.contains("integer divide by zero (in divide"), "{text}");
}

#[test]
fn recursion_ends_as_a_trap() {
    let direct = "(func $deep (call $deep))";
    let through_table = "(type $f (func)) (table 1 funcref) (elem (i32.const 0) $deep)
        (func $deep (call_indirect (type $f) (i32.const 0)))";
    for extra in [direct, through_table] {
        let fault = fault_in("save", "(call $deep) (i32.const 600)", extra);
        assert_eq!(
            fault.to_string(),
            "bad@0.1.0: save exhausted its call stack (limit 524,288 bytes)"
        );
    }
}

#[test]
fn recursion_that_needs_no_stack_runs_out_of_fuel() {
    let direct = "(func $deep (return_call $deep))";
    let through_table = "(type $f (func)) (table 1 funcref) (elem (i32.const 0) $deep)
        (func $deep (return_call_indirect (type $f) (i32.const 0)))";
    for extra in [direct, through_table] {
        let fault = fault_in("save", "(call $deep) (i32.const 600)", extra);
        assert!(matches!(fault.kind, FaultKind::OutOfFuel { .. }), "{fault}");
    }
}

#[test]
fn memory_is_bounded_and_the_fault_says_so() {
    let grow = "(loop $on (drop (memory.grow (i32.const 1))) (br $on)) (unreachable)";
    let at_once = "(drop (memory.grow (i32.const 65534))) (i32.const 600)";
    for body in [grow, at_once] {
        let fault = fault_in("save", body, "");
        assert_eq!(
            fault.to_string(),
            "bad@0.1.0: save wanted too much memory (limit 4,194,304 bytes)"
        );
    }
    // More than 32 bits can address is no: the standard says so, not a limit of ours.
    let beyond = "(i32.store (i32.const 604) (i32.eq (memory.grow (i32.const 65535))
        (i32.const -1))) (i32.const 600)";
    let (mut instance, handle) = start(&Guest::new("beyond").body("save", beyond));
    assert_eq!(instance.save(handle).unwrap().len(), 1);
    // Exactly to the limit: 2 pages are there, 62 more make 4 MiB.
    let (mut instance, handle) = start(&Guest::new("exact").body(
        "save",
        "(drop (memory.grow (i32.const 62))) (i32.const 600)",
    ));
    instance.save(handle).unwrap();
    assert_eq!(instance.memory_bytes(), 4 << 20);
}

#[test]
fn tables_are_bounded_and_the_fault_says_so() {
    let grow = "(loop $on (drop (table.grow $t (ref.null func) (i32.const 10))) (br $on))
        (unreachable)";
    let fault = fault_in("save", grow, "(table $t 0 funcref)");
    assert_eq!(
        fault.to_string(),
        "bad@0.1.0: save wanted too large tables (limit 1,000 elements)"
    );
}

#[test]
fn bulk_instructions_cost_what_they_move() {
    let fill = "(memory.fill (i32.const 0) (i32.const 0) (i32.const 131072))";
    let copy = "(memory.copy (i32.const 0) (i32.const 1) (i32.const 131071))";
    for instruction in [fill, copy] {
        let body = format!("{} (i32.const 600)", instruction.repeat(8));
        let fault = fault_in("save", &body, "");
        assert!(matches!(fault.kind, FaultKind::OutOfFuel { .. }), "{fault}");
    }
    let beyond = "(memory.copy (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const 600)";
    let fault = fault_in("save", beyond, "");
    assert!(fault.to_string().contains("out of fuel"), "{fault}");
}

#[test]
fn a_flood_of_log_messages_costs_fuel() {
    let body = "(loop $on (call $log (i32.const 2) (i32.const 2048) (i32.const 3)) (br $on))
        (unreachable)";
    let fault = fault_in("save", body, "");
    assert!(matches!(fault.kind, FaultKind::OutOfFuel { .. }), "{fault}");
    // A long message costs its length: 100 KiB, ten times.
    let body = "(call $log (i32.const 2) (i32.const 2048) (i32.const 102400))".repeat(10);
    let fault = fault_in("save", &format!("{body} (i32.const 600)"), "");
    assert!(matches!(fault.kind, FaultKind::OutOfFuel { .. }), "{fault}");
}

#[test]
fn a_message_that_is_not_text_or_not_there_ends_the_instance() {
    for (at, length, what) in [(3000, 1, "utf-8"), (131_070, 100, "out of bounds")] {
        let body = format!(
            "(i32.store8 (i32.const 3000) (i32.const 255))
             (call $log (i32.const 2) (i32.const {at}) (i32.const {length})) (i32.const 600)"
        );
        let fault = fault_in("save", &body, "");
        assert!(matches!(fault.kind, FaultKind::Malformed { .. }), "{fault}");
        assert!(fault.to_string().to_lowercase().contains(what), "{fault}");
    }
}

/// Calls that the engine answers, and that never reach our code.
#[test]
fn a_flood_of_small_calls_into_the_host_costs_fuel() {
    for once in [
        "(call $drop (call $new (i32.const 1)))",
        "(drop (memory.grow (i32.const 0)))",
        "(drop (table.grow $t (ref.null func) (i32.const 0)))",
        "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))",
        "(drop (ref.func $leave))",
    ] {
        let body = format!("(loop $on {once} (br $on)) (unreachable)");
        let extra = "(table $t 0 funcref) (func $leave) (elem declare func $leave)";
        let fault = fault_in("save", &body, extra);
        assert!(matches!(fault.kind, FaultKind::OutOfFuel { .. }), "{fault}");
    }
}

#[test]
fn resources_are_bounded() {
    let flood = "(loop $on (drop (call $new (i32.const 1))) (br $on)) (unreachable)";
    let fault = fault_in("save", flood, "");
    assert_eq!(
        fault.to_string(),
        "bad@0.1.0: save made too many handles (limit 1,100)"
    );

    let (mut instance, _) = start(&Guest::new("full"));
    for _ in 1..100 {
        instance.create().unwrap();
    }
    let fault = instance.create().unwrap_err();
    let text = "full@0.1.0: new was not called: the instance is full (limit 100 objects)";
    assert_eq!(fault.to_string(), text);
    assert!(!instance.is_dead());
}

#[test]
fn a_handle_that_the_guest_does_not_own_ends_the_instance() {
    let fault = fault_in("new", "(i32.const 1234)", "");
    assert!(matches!(fault.kind, FaultKind::Malformed { .. }), "{fault}");
}

#[test]
fn a_lying_allocator_ends_the_instance() {
    for body in [
        "(i32.const -16)",
        "(i32.const 131064)",
        "(i32.const 3)",
        "(unreachable)",
        SPIN,
        // Calls back into the host while it passes arguments.
        "(drop (call $new (i32.const 1))) (unreachable)",
    ] {
        let guest = Guest::new("allocator").realloc(body);
        let (mut instance, handle) = start(&guest);
        let commands = Packed::from_items([[7; 64]]).unwrap();
        let fault = instance
            .update(handle, context(), &commands, false)
            .unwrap_err();
        assert!(fault.is_guests() && instance.is_dead(), "{body}: {fault}");
    }
}

#[test]
fn arguments_that_are_too_large_do_not_harm_the_instance() {
    let (mut instance, handle) = start(&Guest::new("small"));
    let large = vec![0; 1 << 20];
    let commands = Packed::from_items([&large]).unwrap();
    let fault = instance
        .update(handle, context(), &commands, false)
        .unwrap_err();
    assert_eq!(
        fault.to_string(),
        "small@0.1.0: update was not called: its arguments are 1,048,580 bytes (limit 1,048,576)"
    );
    instance
        .query(handle, Some(&vec![0; (1 << 20) + 1]))
        .unwrap_err();
    instance.restore(&vec![0; 1 << 20], "0.1.0").unwrap_err();
    let mut unreadable = run(&["op"]);
    unreadable.schema = 9;
    let fault = instance.apply(handle, &unreadable, false).unwrap_err();
    assert!(fault.to_string().contains("schema version 9"), "{fault}");
    assert!(!instance.is_dead());
    instance.query(handle, Some(&large)).unwrap();
}

#[test]
fn fuel_and_bytes_are_the_same_in_every_instance_and_engine() {
    let guest = Guest::new("same").body(
        "save",
        "(local $i i32)
         (loop $on
            (i32.store (i32.const 700) (i32.mul (local.get $i) (i32.const 31)))
            (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 1000))))
         (i32.store (i32.const 604) (i32.const 4))
         (i32.store (i32.const 600) (i32.const 700))
         (i32.const 600)",
    );
    let other = replicant_runtime::Runtime::new(replicant_runtime::RuntimeConfig {
        instances_max: 3,
        ..replicant_runtime::RuntimeConfig::small()
    })
    .unwrap();
    let bytes = guest.build();
    let mut seen = Vec::new();
    for runtime in [runtime(), &other] {
        for _ in 0..2 {
            let module = runtime.load(&bytes, limits()).unwrap();
            let mut instance = module.instantiate().unwrap();
            let handle = instance.create().unwrap();
            let new = instance.fuel_used();
            let saved = instance.save(handle).unwrap();
            seen.push((new, instance.fuel_used(), saved));
        }
    }
    assert_eq!(seen[0].2.len(), 4);
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

/// The least fuel with which a call of `guest` ends well.
fn least_fuel(runtime: &Runtime, guest: &Guest, name: &str) -> u64 {
    let bytes = guest.build();
    let is_enough = |fuel| {
        let limits = Limits {
            fuel_per_call: fuel,
            fuel_per_item: 0,
            ..limits()
        };
        let module = runtime.load(&bytes, limits).unwrap();
        let mut instance = module.instantiate().unwrap();
        let handle = instance.create().unwrap();
        let result = call(&mut instance, handle, name);
        assert_eq!(result.is_err(), instance.is_dead());
        if let Err(fault) = &result {
            assert!(matches!(fault.kind, FaultKind::OutOfFuel { .. }), "{fault}");
        }
        result.is_ok()
    };
    let (mut too_little, mut enough) = (10, 10_000);
    while enough - too_little > 1 {
        let middle = u64::midpoint(too_little, enough);
        *(if is_enough(middle) {
            &mut enough
        } else {
            &mut too_little
        }) = middle;
    }
    enough
}

#[test]
fn the_last_unit_of_fuel_decides_the_same_everywhere() {
    let log = "(call $log (i32.const 2) (i32.const 2048) (i32.const 3))";
    let per_op = "(loop $on (br_if $on (i32.lt_s (i32.const 0)
        (local.tee $counters_len (i32.sub (local.get $counters_len) (i32.const 1))))))";
    let other = Runtime::new(RuntimeConfig::small()).unwrap();
    // What costs the last unit: a call of a function, a call into the host, the last op of a batch.
    for (name, body) in [
        ("save", "(call $leave) (i32.const 600)"),
        ("save", &format!("{log} (i32.const 600)")),
        ("apply", &format!("{per_op} {per_op} (i32.const 600)")),
    ] {
        let guest = Guest::new("last").body(name, body).extra("(func $leave)");
        let least = least_fuel(runtime(), &guest, name);
        assert_eq!(least_fuel(&other, &guest, name), least, "{body}");
    }
}

#[test]
fn a_large_object_has_more_fuel_than_a_small_one() {
    let limits = Limits {
        fuel_per_byte: 100,
        input_bytes_max: 50,
        output_bytes_max: 50,
        ..limits()
    };
    let guest = Guest::new("large").body("query", SPIN);
    let module = runtime().load(&guest.build(), limits).unwrap();
    let limit_of = |prepare: &dyn Fn(&mut Instance) -> Handle| {
        let mut instance = module.instantiate().unwrap();
        let handle = prepare(&mut instance);
        match instance.query(handle, None) {
            Err(CallError::Fault(fault)) => fault.kind,
            other => panic!("{other:?}"),
        }
    };
    let out_of_fuel = |bytes: u64| FaultKind::OutOfFuel {
        limit: 1_000_000 + 100 * bytes,
    };
    // Two ops of three bytes, and four bytes more for where each ends.
    let applied = |instance: &mut Instance| {
        let handle = instance.create().unwrap();
        instance
            .apply(handle, &run(&["one", "two"]), false)
            .unwrap();
        handle
    };
    assert_eq!(
        limit_of(&|instance| instance.create().unwrap()),
        out_of_fuel(0)
    );
    assert_eq!(limit_of(&applied), out_of_fuel(14));
    assert_eq!(
        limit_of(&|instance| instance.restore(b"saved", "0.1.0").unwrap()),
        out_of_fuel(5)
    );
    let saved = |instance: &mut Instance| {
        let handle = applied(instance);
        // It saves nothing.
        instance.save(handle).unwrap();
        handle
    };
    assert_eq!(limit_of(&saved), out_of_fuel(0));
    let often = |instance: &mut Instance| {
        let handle = instance.create().unwrap();
        for _ in 0..10 {
            instance
                .apply(handle, &run(&["one", "two"]), false)
                .unwrap();
        }
        handle
    };
    assert_eq!(limit_of(&often), out_of_fuel(50));
}
