//! What a guest could tell one machine, thread or place from another by, and cannot.

use std::thread;

use replicant_runtime::{Module, Runtime, RuntimeConfig};

use crate::guest::Guest;
use crate::{limits, load, run, runtime, start};

/// A guest that saves the bytes from 700 to 700 + `length` after `body`.
fn saving(body: &str, length: u32) -> Guest {
    let record = format!(
        "(i32.store (i32.const 600) (i32.const 700))
         (i32.store (i32.const 604) (i32.const {length})) (i32.const 600)"
    );
    Guest::new("same").body("save", &format!("{body} {record}"))
}

fn saved(guest: &Guest) -> Vec<u8> {
    let (mut instance, handle) = start(guest);
    instance.save(handle).unwrap()
}

#[test]
fn every_computed_nan_has_the_same_bits() {
    let operations = [
        "(f64.add (f64.const nan:0x123) (f64.const 1))",
        "(f64.sub (f64.const -nan:0x456) (f64.const nan:0x123))",
        "(f64.div (f64.const 0) (f64.const -0))",
        "(f64.sqrt (f64.const -1))",
        "(f64.min (f64.const 1) (f64.const -nan))",
        "(f64.promote_f32 (f32.const nan:0x7))",
        "(f64.nearest (f64.const -nan:0x9))",
        "(f64x2.extract_lane 0 (f64x2.div (v128.const f64x2 0 0) (v128.const f64x2 -0 1)))",
    ];
    for operation in operations {
        let guest = saving(&format!("(f64.store (i32.const 700) {operation})"), 8);
        assert_eq!(
            saved(&guest),
            0x7ff8_0000_0000_0000_u64.to_le_bytes(),
            "{operation}"
        );
    }
    let single = "(f32.store (i32.const 700) (f32.mul (f32.const -nan:0x3) (f32.const 2)))";
    assert_eq!(saved(&saving(single, 4)), 0x7fc0_0000_u32.to_le_bytes());
}

#[test]
fn a_new_instance_sees_nothing_of_the_one_before_it() {
    // One place for all: what the first one leaves there, the second would find.
    let runtime = Runtime::new(RuntimeConfig {
        instances_max: 1,
        memories_max: 1,
        tables_max: 2,
        ..RuntimeConfig::small()
    })
    .unwrap();
    let body = "
        (i32.store (i32.const 700) (global.get $calls))
        (i32.store (i32.const 704) (i32.load (i32.const 100000)))
        (i32.store (i32.const 708) (i32.load (i32.const 196600)))
        (i32.store (i32.const 712) (table.size $t))
        (i32.store8 (i32.const 716) (ref.is_null (table.get $t (i32.const 0))))
        (global.set $calls (i32.const 7))
        (memory.fill (i32.const 65536) (i32.const 255) (i32.const 131072))
        (table.set $t (i32.const 0) (ref.func $leave))
        (drop (table.grow $t (ref.func $leave) (i32.const 5)))";
    let extra = "(global $calls (mut i32) (i32.const 0)) (table $t 1 funcref)
        (elem declare func $leave) (func $leave)";
    let guest = saving(body, 17).memory("3").extra(extra);
    let module = runtime.load(&guest.build(), limits()).unwrap();
    let fresh = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    for _ in 0..3 {
        let mut instance = module.instantiate().unwrap();
        let handle = instance.create().unwrap();
        assert_eq!(instance.save(handle).unwrap(), fresh);
        assert_ne!(instance.save(handle).unwrap(), fresh);
    }
}

/// A guest whose `sample` recurses as deep as its seed says.
const RECURSION: &str = "(func $deep (param i64)
    (if (i64.ne (local.get 0) (i64.const 0))
        (then (call $deep (i64.sub (local.get 0) (i64.const 1))))))";

/// The deepest recursion that returns.
fn depth(module: &Module) -> u64 {
    let returns = |depth: u64| {
        let mut instance = module.instantiate().unwrap();
        let handle = instance.create().unwrap();
        instance.sample(handle, depth).is_ok()
    };
    let (mut deep, mut too_deep) = (1, 1 << 20);
    while too_deep - deep > 1 {
        let middle = u64::midpoint(deep, too_deep);
        *(if returns(middle) {
            &mut deep
        } else {
            &mut too_deep
        }) = middle;
    }
    deep
}

#[test]
fn recursion_ends_at_the_same_depth_on_every_thread() {
    let body = "(call $deep (local.get $seed)) (i32.const 600)";
    let module = load(&Guest::new("deep").body("sample", body).extra(RECURSION));
    let here = depth(&module);
    assert!(here > 1_000, "{here}");
    for stack in [2 << 20, 16 << 20] {
        let module = module.clone();
        let thread = thread::Builder::new().stack_size(stack);
        let there = thread.spawn(move || depth(&module)).unwrap();
        assert_eq!(there.join().unwrap(), here);
    }
}

#[test]
fn growing_gives_the_same_answers_wherever_there_is_room() {
    // The answers of memory.grow and table.grow: the size before, as long as the guest's own
    // maximum allows it, then -1.
    let body = "
        (i32.store8 (i32.const 700) (memory.grow (i32.const 0)))
        (i32.store8 (i32.const 701) (memory.grow (i32.const 2)))
        (i32.store8 (i32.const 702) (memory.grow (i32.const 1)))
        (i32.store8 (i32.const 703) (memory.size))
        (i32.store8 (i32.const 704) (table.grow $t (ref.null func) (i32.const 3)))
        (i32.store8 (i32.const 705) (table.grow $t (ref.null func) (i32.const 3)))";
    let guest = saving(body, 6)
        .memory("2 4")
        .extra("(table $t 1 5 funcref)");
    let roomy = Runtime::new(RuntimeConfig {
        total_memory_bytes_max: 1 << 40,
        ..RuntimeConfig::small()
    })
    .unwrap();
    for runtime in [runtime(), &roomy] {
        let module = runtime.load(&guest.build(), limits()).unwrap();
        let mut instance = module.instantiate().unwrap();
        let handle = instance.create().unwrap();
        assert_eq!(instance.save(handle).unwrap(), [2, 2, 255, 4, 1, 255]);
    }
}

#[test]
fn fuel_counts_what_comes_in_and_not_where() {
    let (mut one, handle) = start(&Guest::new("counting"));
    one.apply(handle, &run(&["a", "b"]), false).unwrap();
    let used = one.fuel_used();
    let (mut other, handle) = start(&Guest::new("counting"));
    for _ in 0..3 {
        other.create().unwrap();
        other.apply(handle, &run(&["c", "d"]), false).unwrap();
        assert_eq!(other.fuel_used(), used);
    }
}
