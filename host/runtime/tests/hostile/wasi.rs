//! Guests that import a system, which is not there: they get the same answers everywhere.

use replicant_runtime::FaultKind;

use crate::guest::Guest;
use crate::load::full_wit;
use crate::start;

/// As much of WASI as these guests import.
const WASI: &str = "
    package wasi:random@0.2.3 {
        interface random {
            get-random-bytes: func(len: u64) -> list<u8>;
            get-random-u64: func() -> u64;
        }
    }
    package wasi:clocks@0.2.3 {
        interface monotonic-clock { now: func() -> u64; }
    }
    package wasi:io@0.2.3 {
        interface poll {
            resource pollable;
            poll: func(in: list<borrow<pollable>>) -> list<u32>;
        }
        interface streams {
            use poll.{pollable};
            resource output-stream {
                write: func(contents: list<u8>) -> result<_, stream-error>;
                splice: func(len: u64) -> result<u64, stream-error>;
                subscribe: func() -> pollable;
            }
            variant stream-error { closed }
        }
    }
    package wasi:cli@0.2.3 {
        interface stdout {
            use wasi:io/streams@0.2.3.{output-stream};
            get-stdout: func() -> output-stream;
        }
        interface exit { exit: func(status: result); }
    }
";

/// A guest with these imports that runs `body` to save what is at 700, `length` bytes.
fn saving(imports: &str, body: &str, length: u32) -> Guest {
    let more = "import log;
        import wasi:random/random@0.2.3;
        import wasi:clocks/monotonic-clock@0.2.3;
        import wasi:cli/stdout@0.2.3;
        import wasi:cli/exit@0.2.3;";
    let wit = full_wit().replace("import log;", more) + WASI;
    let record = format!(
        "(i32.store (i32.const 600) (i32.const 700))
         (i32.store (i32.const 604) (i32.const {length})) (i32.const 600)"
    );
    let guest = Guest::new("plain").wit(&wit).imports(imports);
    guest.body("save", &format!("{body} {record}"))
}

/// What saving ends in.
fn fault(guest: &Guest) -> FaultKind {
    let (mut instance, handle) = start(guest);
    instance.save(handle).unwrap_err().kind
}

const STDOUT: &str = r#"
    (import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.write"
        (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.splice"
        (func $splice (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.subscribe"
        (func $subscribe (param i32) (result i32)))
    (import "wasi:io/poll@0.2.3" "poll" (func $poll (param i32 i32 i32)))"#;

#[test]
fn time_stands_still_and_chance_is_always_the_same() {
    let imports = r#"
        (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
        (import "wasi:random/random@0.2.3" "get-random-bytes" (func $bytes (param i64 i32)))
        (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))"#;
    let body = "(i64.store (i32.const 700) (call $random))
        (i64.store (i32.const 708) (call $now))
        (call $bytes (i64.const 3) (i32.const 640))
        (memory.copy (i32.const 716) (i32.load (i32.const 640)) (i32.const 3))";
    let guest = saving(imports, body, 19);
    let (mut instance, handle) = start(&guest);
    let first = instance.save(handle).unwrap();
    // The first number of a generator that starts at zero, and zero.
    assert_eq!(first[..8], 0xe220_a839_7b1d_cdaf_u64.to_le_bytes());
    assert_eq!(first[8..16], [0; 8]);
    assert_eq!(instance.save(handle).unwrap(), first);
    let (mut other, handle) = start(&guest);
    assert_eq!(other.save(handle).unwrap(), first);
}

#[test]
fn to_exit_is_a_trap_that_is_named() {
    let imports = r#"(import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))"#;
    let kind = fault(&saving(imports, "(call $exit (i32.const 0))", 0));
    let FaultKind::Trap { reason } = kind else {
        panic!("{kind:?}")
    };
    assert!(reason.contains("wasi:cli/exit#exit"), "{reason}");
}

#[test]
fn what_needs_a_system_is_a_trap_that_is_named() {
    let kind = fault(&saving(
        STDOUT,
        "(call $splice (call $stdout) (i64.const 1) (i32.const 640))",
        0,
    ));
    let FaultKind::Trap { reason } = kind else {
        panic!("{kind:?}")
    };
    assert!(reason.contains("output-stream.splice"), "{reason}");
}

#[test]
fn printing_costs_fuel_and_has_a_bound() {
    let write = |bytes: u32| {
        format!("(call $write (local.get $out) (i32.const 0) (i32.const {bytes}) (i32.const 640))")
    };
    let begin = "(local $out i32) (local.set $out (call $stdout))";
    let once = saving(STDOUT, &format!("{begin} {}", write(4096)), 0);
    let (mut instance, handle) = start(&once);
    assert_eq!(instance.save(handle).unwrap(), b"");
    let for_ever = format!("{begin} (loop $again {} (br $again))", write(4096));
    let kind = fault(&saving(STDOUT, &for_ever, 0));
    assert!(matches!(kind, FaultKind::OutOfFuel { .. }), "{kind:?}");
    let kind = fault(&saving(STDOUT, &format!("{begin} {}", write(4097)), 0));
    assert!(
        matches!(&kind, FaultKind::Malformed { reason } if reason.contains("room")),
        "{kind:?}"
    );
}

#[test]
fn whoever_waits_need_not_wait() {
    let body = "(local $out i32) (local.set $out (call $stdout))
        (i32.store (i32.const 644) (call $subscribe (local.get $out)))
        (call $poll (i32.const 644) (i32.const 1) (i32.const 648))
        (i32.store (i32.const 700) (i32.load (i32.const 652)))
        (i32.store (i32.const 704) (i32.load (i32.load (i32.const 648))))";
    let (mut instance, handle) = start(&saving(STDOUT, body, 8));
    // One is ready, and it is the first.
    assert_eq!(instance.save(handle).unwrap(), [1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn things_to_hold_are_bounded_with_all_handles() {
    let body = "(loop $again (drop (call $stdout)) (br $again))";
    let kind = fault(&saving(STDOUT, body, 0));
    let is_bound = matches!(
        kind,
        FaultKind::Handles { .. } | FaultKind::OutOfFuel { .. }
    );
    assert!(is_bound, "{kind:?}");
}
