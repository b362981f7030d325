//! Guests that return what they must not.

use replicant_runtime::{CallError, Fault, FaultKind, MESSAGE_BYTES_MAX, Packed};

use crate::guest::{Guest, escaped, words};
use crate::{call, context, load, run, start};

/// A guest whose `name` returns the record `record`, at 600.
fn returning(name: &'static str, record: &[u32]) -> Guest {
    let data = format!("(data (i32.const 4096) \"{}\")", words(record));
    Guest::new("liar")
        .body(name, "(i32.const 4096)")
        .extra(&data)
}

fn fault_of(guest: &Guest, name: &'static str) -> Fault {
    let (mut instance, handle) = start(guest);
    let fault = call(&mut instance, handle, name).unwrap_err();
    assert!(instance.is_dead() && fault.is_guests(), "{fault}");
    fault
}

#[test]
fn lists_outside_of_memory_are_refused_without_allocating() {
    const GIB: u32 = 1 << 30;
    for (at, length) in [
        (0, GIB),
        (131_072, 1),
        (131_071, 2),
        (u32::MAX, 1),
        (1, u32::MAX),
    ] {
        let fault = fault_of(&returning("save", &[at, length]), "save");
        assert!(matches!(fault.kind, FaultKind::Malformed { .. }), "{fault}");
        assert!(fault.to_string().contains("out of bounds"), "{fault}");
    }
    let fault = fault_of(
        &returning("update", &[0, 0, 0, GIB, 0, 0, 0, 0, 0, 0, 0, 0]),
        "update",
    );
    assert!(fault.to_string().contains("out of bounds"), "{fault}");
}

#[test]
fn a_result_over_the_limit_is_refused_by_its_size() {
    let save = |length: u32| returning("save", &[0, length]).memory("20");
    let (mut instance, handle) = start(&save(1 << 20));
    assert_eq!(instance.save(handle).unwrap().len(), 1 << 20);
    let fault = fault_of(&save((1 << 20) + 1), "save");
    assert_eq!(
        fault.to_string(),
        "liar@0.1.0: save returned 1,048,577 bytes (limit 1,048,576 bytes)"
    );
}

/// 1,000 refusals that all point to the same 1 MB: a gigabyte, if it were copied.
#[test]
fn many_strings_in_the_same_place_are_refused_before_they_are_copied() {
    let refusals: Vec<u32> = (0..1000)
        .flat_map(|index| [index, 65536, 1_000_000])
        .collect();
    let data = format!("(data (i32.const 8192) \"{}\")", words(&refusals));
    let guest = returning("update", &[0, 0, 0, 0, 0, 0, 8192, 1000, 0, 0, 0, 0])
        .memory("20")
        .extra(&data);
    let fault = fault_of(&guest, "update");
    assert_eq!(
        fault.to_string(),
        "liar@0.1.0: update returned too much (limit 1,048,576 bytes)"
    );
}

#[test]
fn broken_promises_of_an_update_are_named() {
    // ops (bytes, ends), commands, refusals, events (bytes, ends).
    for (record, what) in [
        (
            [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "ops: the last item ends at 0",
        ),
        (
            [0, 0, 0, 0, 8192, 1, 0, 0, 0, 0, 0, 0],
            "0 ops of 1 commands",
        ),
        (
            [0, 9, 8196, 2, 8204, 2, 0, 0, 0, 0, 0, 0],
            "do not increase",
        ),
        (
            [0, 0, 0, 0, 0, 0, 8200, 1, 0, 0, 0, 0],
            "index 9 in a batch of 2",
        ),
        (
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 8196, 1],
            "events that were not asked for",
        ),
        ([1, 2, 8197, 1, 0, 0, 0, 0, 0, 0, 0, 0], "not aligned"),
    ] {
        // At 8192: 0; then the ends 1, 9; from 8200 on the refusal 9 with an empty message.
        let data = format!("(data (i32.const 8192) \"{}\")", words(&[0, 1, 9, 0, 0]));
        let fault = fault_of(&returning("update", &record).extra(&data), "update");
        assert!(fault.to_string().contains(what), "{what}: {fault}");
    }
}

#[test]
fn events_of_apply_are_checked_too() {
    let fault = fault_of(&returning("apply", &[0, 5, 0, 0]), "apply");
    assert!(
        fault
            .to_string()
            .contains("apply broke the interface: events"),
        "{fault}"
    );
}

#[test]
fn an_op_over_the_limit_is_refused() {
    let data = format!("(data (i32.const 8192) \"{}\")", words(&[0, 1025]));
    let record = [0, 1025, 8196, 1, 8192, 1, 0, 0, 0, 0, 0, 0];
    let fault = fault_of(&returning("update", &record).extra(&data), "update");
    let text = "liar@0.1.0: update made an op of 1,025 bytes (limit 1,024)";
    assert_eq!(fault.to_string(), text);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let data = format!("(data (i32.const 8192) \"{}\")", escaped(&[0xff, 0xfe]));
    // result<…, string>: 1 is the error case.
    let fault = fault_of(&returning("query", &[1, 8192, 2]).extra(&data), "query");
    assert!(matches!(fault.kind, FaultKind::Malformed { .. }), "{fault}");
    assert!(
        fault.to_string().to_lowercase().contains("utf-8"),
        "{fault}"
    );
    let fault = fault_of(&returning("query", &[7, 0, 0]), "query");
    assert!(matches!(fault.kind, FaultKind::Malformed { .. }), "{fault}");
}

#[test]
fn a_refusal_comes_verbatim_and_cut_and_leaves_the_instance_alive() {
    let text = "no such thing: ä\n";
    let data = format!("(data (i32.const 8192) \"{}\")", escaped(text.as_bytes()));
    let guest = |length| returning("query", &[1, 8192, length]).extra(&data);
    let (mut instance, handle) = start(&guest(text.len() as u32));
    let error = instance.query(handle, Some(b"q")).unwrap_err();
    assert_eq!(error, CallError::Refused(text.to_owned()));
    assert!(!instance.is_dead());
    let (mut instance, handle) = start(&guest(100_000));
    match instance.query(handle, None).unwrap_err() {
        CallError::Refused(message) => assert_eq!(message.len(), MESSAGE_BYTES_MAX),
        CallError::Fault(fault) => panic!("{fault}"),
    }
}

#[test]
fn a_refused_load_makes_no_object() {
    let guest = returning("load", &[1, 2048, 4]);
    let mut instance = load(&guest).instantiate().unwrap();
    let error = instance.restore(b"old", "0.0.1").unwrap_err();
    assert_eq!(error, CallError::Refused("liar".to_owned()));
    assert_eq!(instance.objects_count(), 0);
}

#[test]
fn what_is_returned_arrives_as_it_is() {
    // Of three commands the first is refused ("li"), the second made the op "ar", the third
    // changed nothing; one event, "l".
    let data = words(&[1, 2, 1, 0, 2048, 2]);
    let record = [2050, 2, 8196, 1, 8192, 1, 8204, 1, 2048, 1, 8200, 1];
    let guest = returning("update", &record).extra(&format!("(data (i32.const 8192) \"{data}\")"));
    let (mut instance, handle) = start(&guest);
    let commands = Packed::from_items(["a", "b", "c"]).unwrap();
    let updated = instance.update(handle, context(), &commands, true).unwrap();
    assert_eq!(updated.ops.iter().collect::<Vec<_>>(), [b"ar"]);
    assert_eq!(updated.commands, [1]);
    assert_eq!(updated.refusals.len(), 1);
    assert_eq!(updated.refusals[0].message, "li");
    assert_eq!(updated.events.iter().collect::<Vec<_>>(), [b"l"]);
    assert!(
        instance
            .apply(handle, &run(&["x"]), true)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn more_ops_than_commands_are_refused() {
    // A thousand empty ops of the commands 0, 1, 2… in a batch of two.
    let commands: Vec<u32> = (0..1000).collect();
    let data = format!("(data (i32.const 8192) \"{}\")", words(&commands));
    let record = [0, 0, 16384, 1000, 8192, 1000, 0, 0, 0, 0, 0, 0];
    let fault = fault_of(&returning("update", &record).extra(&data), "update");
    let text = "update broke the interface: commands: index 999 in a batch of 2";
    assert!(fault.to_string().ends_with(text), "{fault}");
}

/// What a guest exports to be told that the result of a call was read.
fn after(call: &str, body: &str) -> String {
    let interface = "replicant:crdt/op-based@0.1.0";
    format!("(func (export \"cabi_post_{interface}#[method]object.{call}\") (param i32) {body})")
}

#[test]
fn what_runs_after_the_result_was_read_is_part_of_the_call() {
    for (body, what) in [
        (
            "(loop $on (br $on))",
            "save ran out of fuel (limit 1,000,000)",
        ),
        (
            "(unreachable)",
            "save trapped: wasm `unreachable` instruction executed",
        ),
        (
            "(call $log (i32.const 2) (i32.const 2048) (i32.const 3))",
            "cannot leave component instance",
        ),
        (
            "(drop (memory.grow (i32.const 100)))",
            "save wanted too much memory",
        ),
    ] {
        let fault = fault_of(&Guest::new("after").extra(&after("save", body)), "save");
        assert!(fault.to_string().contains(what), "{what}: {fault}");
    }
    let guest = Guest::new("after").extra(&after("save", "(nop)"));
    let (mut instance, handle) = start(&guest);
    instance.save(handle).unwrap();
}

#[test]
fn an_object_is_handed_over_once_and_is_there_then() {
    let once = "(if (i32.eqz (global.get $h)) (then (global.set $h (call $new (i32.const 7)))))
        (global.get $h)";
    let dropped = "(global.set $h (call $new (i32.const 7))) (call $drop (global.get $h))
        (i32.store (i32.const 804) (global.get $h)) (i32.const 800)";
    let dropped_twice = dropped.replace("(i32.store", "(call $drop (global.get $h)) (i32.store");
    let not_its_own = "(call $drop (i32.const 1)) (i32.const 600)";
    for (call, body) in [
        ("new", once),
        ("load", dropped),
        ("load", &dropped_twice),
        ("save", not_its_own),
    ] {
        let handle = "(global $h (mut i32) (i32.const 0))";
        let fault = fault_of(&Guest::new("gone").body(call, body).extra(handle), call);
        assert!(fault.to_string().contains("handle"), "{body}: {fault}");
    }
}
