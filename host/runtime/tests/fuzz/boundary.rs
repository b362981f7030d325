//! The two ways in: a component's bytes, and what a guest's calls return.

use std::sync::OnceLock;

use replicant_runtime::{
    CallError, Context, Fault, Handle, Instance, Limits, Module, Packed, Run, Runtime,
    RuntimeConfig,
};

use crate::guest::Guest;

/// Where the guest's allocator puts what it is given first.
const FIRST: u32 = 65_536;
const COMMANDS: [&str; 2] = ["one", "two"];

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(RuntimeConfig::small()).unwrap())
}

fn limits() -> Limits {
    Limits {
        memory_bytes_max: 4 << 20,
        fuel_per_call: 1_000_000,
        fuel_instantiate: 1_000_000,
        fuel_describe: 1_000_000,
        ..Limits::default()
    }
}

/// Components that are valid.
pub(crate) fn components() -> Vec<Vec<u8>> {
    vec![
        Guest::new("plain").build(),
        Guest::new("state").delta_based().build(),
    ]
}

/// Bytes are a component, or are refused; what is a component can be called in every way, and
/// does the same when it is called again.
pub(crate) fn component(bytes: &[u8]) {
    let Ok(module) = runtime().load(bytes, limits()) else {
        return;
    };
    let life = || {
        let mut instance = module.instantiate()?;
        let handle = instance.create()?;
        (0..CALLS.len())
            .map(|kind| call(&mut instance, handle, kind))
            .collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(life(), life());
}

/// A guest that answers every call with the bytes that its object was loaded from, wherever the
/// record that they are taken for points to.
fn liar() -> &'static Module {
    static LIAR: OnceLock<Module> = OnceLock::new();
    LIAR.get_or_init(|| {
        let load = "(global.set $answer (local.get $saved))
            (i32.store (i32.const 800) (i32.const 0))
            (i32.store (i32.const 804) (call $new (i32.const 7)))
            (i32.const 800)";
        let mut guest = Guest::new("liar")
            .extra("(global $answer (mut i32) (i32.const 600))")
            .body("load", load);
        for (call, _) in CALLS {
            guest = guest.body(call, "(global.get $answer)");
        }
        runtime().load(&guest.build(), limits()).unwrap()
    })
}

/// The calls that answer, and how many words their record has.
const CALLS: [(&str, usize); 6] = [
    ("update", 12),
    ("apply", 4),
    ("query", 3),
    ("save", 2),
    ("sample", 2),
    ("compact", 0),
];

/// Answers that keep to the interface: the first byte says to which call.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let answer = |kind: u8, words: &[u32], rest: &[u8]| {
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        [kind, 0, 0, 0]
            .into_iter()
            .chain(words)
            .chain(rest.iter().copied())
            .collect()
    };
    // What a record points to stands behind it.
    let behind = |words: u32| FIRST + 4 + 4 * words;
    let ends = [2, 0, 0, 0, 4, 0, 0, 0];
    let of_update = [&ends[..], &[0, 0, 0, 0, 1, 0, 0, 0], b"opop"].concat();
    let at = behind(12);
    let update = [at + 16, 4, at, 2, at + 8, 2, 0, 0, 0, 0, 0, 0];
    let refusals = [
        &[1u32, at + 12, 3].map(u32::to_le_bytes).concat()[..],
        b"why",
    ]
    .concat();
    let refused = [0, 0, 0, 0, 0, 0, at, 1, 0, 0, 0, 0];
    vec![
        answer(0, &update, &of_update),
        answer(0, &refused, &refusals),
        answer(1, &[0, 0, 0, 0], &[]),
        answer(
            1,
            &[behind(4) + 8, 4, behind(4), 2],
            &[&ends[..], b"evnt"].concat(),
        ),
        answer(2, &[0, behind(3), 1], b"\x01"),
        answer(2, &[1, behind(3), 2], b"no"),
        answer(3, &[behind(2), 5], b"state"),
        answer(4, &[behind(2), 1], b"\x01"),
        answer(5, &[], b""),
    ]
}

/// What a call returns is what the interface promises, or a fault of the guest that ends the
/// instance; and it is the same again.
pub(crate) fn answer(bytes: &[u8]) {
    let Some(&kind) = bytes.first() else { return };
    let kind = usize::from(kind) % CALLS.len();
    let once = || {
        let mut instance = liar().instantiate().unwrap();
        let handle = instance.restore(bytes, "0.1.0").unwrap();
        let outcome = call(&mut instance, handle, kind);
        match &outcome {
            Err(fault) => assert!(fault.is_guests() && instance.is_dead(), "{fault}"),
            Ok(_) => assert!(!instance.is_dead()),
        }
        (outcome, instance.fuel_used())
    };
    assert_eq!(once(), once());
}

/// Makes a call, checks what is promised of its result, and tells it.
fn call(instance: &mut Instance, handle: Handle, kind: usize) -> Result<String, Fault> {
    let told = |error: CallError| match error {
        CallError::Fault(fault) => Err(fault),
        CallError::Refused(message) => {
            assert!(message.len() <= replicant_runtime::MESSAGE_BYTES_MAX);
            Ok(message)
        }
    };
    match CALLS[kind].0 {
        "update" => {
            let context = Context {
                replica: 1,
                counter: 1,
                timestamp: 1 << 16,
            };
            let commands = Packed::from_items(COMMANDS).unwrap();
            let updated = instance.update(handle, context, &commands, true)?;
            assert_eq!(updated.ops.len(), updated.commands.len());
            assert!(updated.ops.len() + updated.refusals.len() <= COMMANDS.len());
            assert!(
                updated
                    .commands
                    .iter()
                    .all(|at| (*at as usize) < COMMANDS.len())
            );
            Ok(format!("{updated:?}"))
        }
        "apply" => {
            let run = Run {
                replica: 2,
                timestamp: 1 << 16,
                schema: 1,
                counters: vec![1, 2],
                ops: Packed::from_items(COMMANDS).unwrap(),
            };
            Ok(format!("{:?}", instance.apply(handle, &run, true)?))
        }
        "query" => match instance.query(handle, None) {
            Ok(answer) => Ok(format!("{answer:?}")),
            Err(error) => told(error),
        },
        "save" => Ok(format!("{:?}", instance.save(handle)?)),
        "sample" => Ok(format!("{:?}", instance.sample(handle, 1)?)),
        _ => Ok(format!("{:?}", instance.compact(handle, &[], 0, 1)?)),
    }
}
