//! What is not loaded, and why.

use replicant_runtime::{Limits, LoadError, World};

use crate::guest::{CALLS, Guest};
use crate::{call, limits, load, runtime, start};

fn refusal(bytes: &[u8]) -> String {
    runtime().load(bytes, limits()).unwrap_err().to_string()
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn what_is_no_component_is_refused_with_what_it_is() {
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"hello").contains("magic number"));
    assert!(refusal(b"\x7fELF and more").contains("precompiled machine code"));
    assert!(refusal(&component("(module)")).contains("core WebAssembly module"));
    let mut garbage = component("(component)");
    garbage.extend([0xff; 100]);
    assert!(refusal(&garbage).contains("not valid"));
}

#[test]
fn every_truncation_of_a_component_is_refused() {
    let whole = Guest::new("cut").build();
    for length in (0..whole.len()).step_by(7) {
        runtime().load(&whole[..length], limits()).unwrap_err();
    }
}

#[test]
fn a_component_of_another_world_is_told_what_it_lacks() {
    assert_eq!(
        refusal(&component("(component)")),
        "the component exports neither `replicant:crdt/op-based@0.1.0` nor \
         `replicant:crdt/delta-based@0.1.0`; a type exports the one that it implements"
    );
    let both = component(
        r#"(component (instance $i)
            (export "replicant:crdt/op-based@0.1.0" (instance $i))
            (export "replicant:crdt/delta-based@0.1.0" (instance $i)))"#,
    );
    let text = refusal(&both);
    assert!(text.starts_with("the component exports both `"), "{text}");
    assert!(
        text.ends_with("leave out the one that is not meant"),
        "{text}"
    );
    let empty = component(
        r#"(component (instance $i) (export "replicant:crdt/op-based@0.1.0" (instance $i)))"#,
    );
    let text = refusal(&empty);
    assert!(
        text.contains("`replicant:crdt/op-based@0.1.0#describe`"),
        "{text}"
    );
    assert!(text.contains("#[method]object.update`"), "{text}");
}

#[test]
fn a_missing_function_is_named() {
    let mut wit = full_wit();
    wit = wit.replace("sample: func(seed: u64) -> list<u8>;", "");
    let mut guest = Guest::new("lacking").wit(&wit);
    guest = guest.without("sample");
    assert_eq!(
        refusal(&guest.build()),
        "the component does not export \
         `replicant:crdt/op-based@0.1.0#[method]object.sample`"
    );
}

#[test]
fn a_function_of_another_type_is_named() {
    let wit = full_wit().replace(
        "sample: func(seed: u64) -> list<u8>;",
        "sample: func(seed: u64) -> string;",
    );
    let text = refusal(&Guest::new("other").wit(&wit).build());
    let begin =
        "the component's `replicant:crdt/op-based@0.1.0#[method]object.sample` does not fit";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.ends_with("expected `list` found `string`"), "{text}");
}

#[test]
fn a_state_based_type_is_held_to_its_own_interface() {
    let guest = Guest::new("states").delta_based();
    let module = load(&guest);
    assert_eq!(module.world(), World::DeltaBased);
    let merge = "merge: func(schema: u32, deltas: packed, events: bool) -> packed;";
    assert!(full_wit().contains(merge));
    let lacking = guest.clone().wit(&full_wit().replace(merge, ""));
    let text = refusal(&lacking.without("apply").build());
    assert!(
        text.contains("delta-based@0.1.0#[method]object.merge`"),
        "{text}"
    );

    // The calls are the same, under the names of the interface.
    let (mut instance, handle) = start(&guest);
    for call_name in CALLS.into_iter().filter(|name| *name != "describe") {
        call(&mut instance, handle, call_name).unwrap();
    }
    for (body_of, name) in [("update", "mutate"), ("apply", "merge")] {
        let (mut instance, handle) = start(&guest.clone().body(body_of, "unreachable"));
        let fault = call(&mut instance, handle, body_of).unwrap_err();
        assert_eq!(fault.export, name);
    }
}

#[test]
fn imports_beyond_the_log_are_refused_by_name() {
    let text = refusal(&component(
        r#"(component (import "wasi:http/types@0.2.3" (instance)))"#,
    ));
    assert!(
        text.contains("WASI") && text.contains("wasi:http/types@0.2.3"),
        "{text}"
    );
    let text = refusal(&component(r#"(component (import "evil" (func)))"#));
    assert!(text.contains("imports `evil`"), "{text}");
}

#[test]
fn a_log_import_of_another_type_is_refused() {
    let wit = full_wit().replace("write: func(level: u8,", "write: func(level: u32,");
    let guest = Guest::new("log").wit(&wit);
    let guest = guest.body(
        "save",
        "(call $log (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 600)",
    );
    let text = refusal(&guest.build());
    assert!(
        text.contains("`replicant:crdt/log@0.1.0` does not fit"),
        "{text}"
    );
}

#[test]
fn features_that_are_off_are_refused() {
    for module in [
        "(module (memory i64 1))",
        "(module (memory 1) (memory 1))",
        "(module (memory 1 1 shared))",
        "(module (type (struct)))",
        "(module (func (param v128 v128 v128) (drop (f32x4.relaxed_madd
            (local.get 0) (local.get 1) (local.get 2)))))",
        "(module (tag))",
        "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
        "(module (table 1 externref))",
        "(module (memory 1 (pagesize 1)))",
        "(module (func (param i64 i64) (result i64 i64)
            (i64.mul_wide_u (local.get 0) (local.get 1))))",
        "(module (type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0))))",
    ] {
        let core = module.replacen("(module", "(core module", 1);
        let text = format!(
            r#"(component {core} (instance $i)
                (export "replicant:crdt/op-based@0.1.0" (instance $i)))"#
        );
        let text = refusal(&component(&text));
        assert!(text.contains("not valid"), "{module}: {text}");
    }
}

#[test]
fn types_of_components_that_are_off_are_refused() {
    for definition in [
        "(type (future u8))",
        "(type (stream u8))",
        "(type error-context)",
        "(type (list u8 4))",
        "(type (func async (result u8)))",
        "(core func (canon task.cancel))",
        "(core func (canon backpressure.inc))",
    ] {
        let text = format!(
            r#"(component {definition} (instance $i)
                (export "replicant:crdt/op-based@0.1.0" (instance $i)))"#
        );
        let text = refusal(&component(&text));
        assert!(text.contains("not valid"), "{definition}: {text}");
    }
}

/// As tools make them that wrap a language's runtime; the compiler writes code for between them.
#[test]
fn a_component_of_parts_with_a_memory_each_is_compiled() {
    let realloc = r#"(func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;
    let memory = r#"(memory (export "memory") 1)"#;
    let callee = format!(
        r#"(component $callee
            (core module $m {memory} {realloc} (func (export "f") (param i32 i32)))
            (core instance $i (instantiate $m))
            (func (export "f") (param "text" string) (canon lift (core func $i "f")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    );
    let caller = format!(
        r#"(component $caller
            (import "f" (func $f (param "text" string)))
            (core module $m {memory})
            (core instance $i (instantiate $m))
            (core func $g (canon lower (func $f) (memory (core memory $i "memory"))))
            (core module $n (import "" "g" (func (param i32 i32))))
            (core instance (instantiate $n (with "" (instance (export "g" (func $g)))))))"#
    );
    let text = refusal(&component(&format!(
        r#"(component {callee} {caller}
            (instance $a (instantiate $callee))
            (instance $b (instantiate $caller (with "f" (func $a "f"))))
            (instance $i) (export "replicant:crdt/op-based@0.1.0" (instance $i)))"#
    )));
    // Compiled, and then found to be no type.
    assert!(text.contains("does not export"), "{text}");
}

#[test]
fn types_nested_too_deeply_are_refused() {
    let mut text = "(component (type $t0 (list u8))".to_owned();
    for level in 1..10_000 {
        text.push_str(&format!("(type $t{level} (list $t{}))", level - 1));
    }
    text.push_str(r#"(instance $i) (export "replicant:crdt/op-based@0.1.0" (instance $i)))"#);
    let text = refusal(&component(&text));
    assert!(text.contains("not valid"), "{text}");
}

/// Changed bytes give a refusal or a component that behaves; never more than that.
#[test]
fn a_component_with_changed_bytes_is_refused_or_harmless() {
    let whole = Guest::new("changed").build();
    let mut refused = 0;
    for at in (8..whole.len()).step_by(whole.len() / 150) {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            match runtime().load(&changed, limits()) {
                Err(_) => refused += 1,
                Ok(module) => {
                    let mut instance = module.instantiate().unwrap();
                    let Ok(handle) = instance.create() else {
                        continue;
                    };
                    for name in CALLS.into_iter().skip(1) {
                        drop(call(&mut instance, handle, name));
                    }
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let bytes = Guest::new("limits").build();
    for limits in [
        Limits {
            memory_bytes_max: (1 << 30) + 1,
            ..limits()
        },
        Limits {
            output_bytes_max: 2,
            input_bytes_max: 1,
            ..limits()
        },
        Limits {
            fuel_per_call: u64::MAX,
            ..limits()
        },
        Limits {
            fuel_per_item: 10_000_001,
            ..limits()
        },
    ] {
        let error = runtime().load(&bytes, limits).unwrap_err();
        assert!(matches!(error, LoadError::Limits(_)), "{error}");
    }
}

#[test]
fn a_bad_description_is_named() {
    let text = refusal(&Guest::new("Bad Name").build());
    assert!(text.contains("describes itself wrongly: name"), "{text}");
    let text = refusal(&Guest::new("good").version("one").build());
    assert!(text.contains("version"), "{text}");
}

#[test]
fn loading_runs_under_limits_too() {
    let spinning = "(loop $on (br $on)) (unreachable)";
    let text = refusal(&Guest::new("spin").body("describe", spinning).build());
    assert!(
        text.ends_with("describe ran out of fuel (limit 100,000)"),
        "{text}"
    );
    let start = "(func $spin (loop $on (br $on))) (start $spin)";
    let text = refusal(&Guest::new("start").extra(start).build());
    assert!(
        text.ends_with("instantiate ran out of fuel (limit 100,000)"),
        "{text}"
    );
    let text = refusal(&Guest::new("wide").memory("100").build());
    assert!(
        text.ends_with("instantiate wanted too much memory (limit 4,194,304 bytes)"),
        "{text}"
    );
    let table = "(table 1001 funcref)";
    let text = refusal(&Guest::new("tables").extra(table).build());
    assert!(
        text.ends_with("instantiate wanted too large tables (limit 1,000 elements)"),
        "{text}"
    );
}

#[test]
fn what_does_not_fit_at_all_is_refused_too() {
    let large = |guest: Guest| refusal(&guest.build());
    // More than the place for a memory, a table or a core instance has.
    let text = large(Guest::new("wide").memory("65536"));
    assert!(
        text.contains("a memory of 4,294,967,296 bytes (limit"),
        "{text}"
    );
    let text = large(Guest::new("tables").extra("(table 100000 funcref)"));
    assert!(text.contains("table"), "{text}");
    let text = large(Guest::new("tables").extra(&"(table 1 funcref)".repeat(5)));
    assert!(text.contains("table"), "{text}");
    // Data that lies outside of the memory, and more of it than there is fuel.
    let data = |length| format!("(data (i32.const 131000) \"{}\")", "x".repeat(length));
    let text = large(Guest::new("data").extra(&data(1 << 20)));
    assert!(text.contains("instantiate ran out of fuel"), "{text}");
    let text = large(Guest::new("data").extra(&data(100)));
    assert!(
        text.contains("instantiate trapped: out of bounds memory"),
        "{text}"
    );
}

#[test]
fn nesting_that_would_keep_the_compiler_busy_is_refused() {
    let body = format!("{}{}", "block ".repeat(50_000), "end ".repeat(50_000));
    let guest = Guest::new("deep").extra(&format!("(func {body})"));
    assert_eq!(
        refusal(&guest.build()),
        "the component declares 50,000 nested blocks (limit 2,000)"
    );
}

#[test]
fn wide_functions_do_not_take_the_compiler_down() {
    let nested = format!("{}{}", "block ".repeat(2_000), "end ".repeat(2_000));
    let long = "(drop (i32.const 1))".repeat(100_000);
    let targets = "0 ".repeat(50_000);
    let table = format!("(block (br_table {targets} (i32.const 0)))");
    for body in [nested, long, table] {
        let guest = Guest::new("large").extra(&format!("(func {body})"));
        runtime().load(&guest.build(), limits()).unwrap();
    }
}

/// The interface as one text, to be changed.
pub(crate) fn full_wit() -> String {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/replicant-crdt-0.1.0");
    let header = "package replicant:crdt@0.1.0;";
    let files = ["types", "log", "op-based", "delta-based", "world"].map(|name| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.wit"))).unwrap();
        text.replace(header, "")
    });
    format!("{header}\n{}", files.concat())
}
