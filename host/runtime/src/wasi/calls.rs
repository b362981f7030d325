//! What calls of WASI answer where there is no system.

use wasmtime::StoreContextMut;
use wasmtime::component::{ResourceAny, ResourceDynamic, Val};

use super::{Asked, FUEL_PER_BYTE, resource_kind, spend};
use crate::guest_log;
use crate::sandbox::GuestState;

type Store<'a> = StoreContextMut<'a, GuestState>;
type Answer = wasmtime::Result<Option<Val>>;
/// Answers one call; none if it has no result.
pub(super) type Call = fn(&mut Store<'_>, &Asked<'_>) -> Answer;

/// What is written to standard output and to standard error, at most, in one call; as much as one
/// message of the log.
const WRITE_BYTES_MAX: u64 = guest_log::LOG_MESSAGE_BYTES_MAX as u64;
/// Random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Which stream: the number behind a resource.
const INPUT: u32 = 0;
const OUTPUT: u32 = 1;
const ERRORS: u32 = 2;
/// Levels of the log: what a program prints is information, what it complains of a warning.
const INFORMATION: u8 = 2;
const WARNING: u8 = 1;

/// The call of this name; none if there is none that can be answered.
pub(super) fn find(interface: &str, function: &str) -> Option<Call> {
    let (package, interface) = interface.split_once('/')?;
    match package {
        "wasi:cli" => program(interface, function),
        "wasi:clocks" => time(interface, function),
        "wasi:io" => stream(interface, function),
        "wasi:random" => chance(interface, function),
        "wasi:filesystem" => file(function),
        "wasi:sockets" => socket(function),
        _ => None,
    }
}

fn program(interface: &str, function: &str) -> Option<Call> {
    Some(match (interface, function) {
        ("environment", "get-environment" | "get-arguments") => nothing_listed,
        ("environment", "initial-cwd") => none,
        ("stdin", _) => |store, _| held(store, "input-stream", INPUT),
        ("stdout", _) => |store, _| held(store, "output-stream", OUTPUT),
        ("stderr", _) => |store, _| held(store, "output-stream", ERRORS),
        ("terminal-stdin" | "terminal-stdout" | "terminal-stderr", _) => none,
        _ => return None,
    })
}

fn time(interface: &str, function: &str) -> Option<Call> {
    Some(match (interface, function) {
        ("monotonic-clock", "now") => |_, _| Ok(Some(Val::U64(0))),
        ("monotonic-clock", "resolution") => |_, _| Ok(Some(Val::U64(1))),
        // Whoever waits need not: time does not pass.
        ("monotonic-clock", "subscribe-instant" | "subscribe-duration") => pollable,
        ("wall-clock", "now") => |_, _| Ok(Some(datetime(0))),
        ("wall-clock", "resolution") => |_, _| Ok(Some(datetime(1))),
        _ => return None,
    })
}

fn stream(interface: &str, function: &str) -> Option<Call> {
    Some(match (interface, function) {
        ("poll", "[method]pollable.ready") => |_, _| Ok(Some(Val::Bool(true))),
        ("poll", "[method]pollable.block") => |_, _| Ok(None),
        ("poll", "poll") => all_ready,
        ("streams", "[method]output-stream.check-write") => {
            |_, _| Ok(Some(done(Some(Val::U64(WRITE_BYTES_MAX)))))
        }
        (
            "streams",
            "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush",
        ) => write,
        ("streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            |_, _| Ok(Some(done(None)))
        }
        ("streams", "[method]output-stream.subscribe" | "[method]input-stream.subscribe") => {
            pollable
        }
        (
            "streams",
            "[method]input-stream.read"
            | "[method]input-stream.blocking-read"
            | "[method]input-stream.skip"
            | "[method]input-stream.blocking-skip",
        ) => |_, _| Ok(Some(failed(Val::Variant("closed".to_owned(), None)))),
        _ => return None,
    })
}

fn chance(interface: &str, function: &str) -> Option<Call> {
    Some(match (interface, function) {
        ("insecure-seed", _) => |_, _| {
            let mut numbers = Numbers::default();
            let pair = vec![Val::U64(numbers.next()), Val::U64(numbers.next())];
            Ok(Some(Val::Tuple(pair)))
        },
        (_, "get-random-u64" | "get-insecure-random-u64") => {
            |_, _| Ok(Some(Val::U64(Numbers::default().next())))
        }
        (_, "get-random-bytes" | "get-insecure-random-bytes") => random_bytes,
        _ => return None,
    })
}

fn file(function: &str) -> Option<Call> {
    match function {
        "get-directories" => Some(nothing_listed),
        "filesystem-error-code" => Some(none),
        _ => None,
    }
}

fn socket(function: &str) -> Option<Call> {
    match function {
        "instance-network" => Some(|store, _| held(store, "network", 0)),
        "create-tcp-socket" | "create-udp-socket" | "resolve-addresses" => {
            Some(|_, _| Ok(Some(failed(Val::Enum("not-supported".to_owned())))))
        }
        _ => None,
    }
}

fn nothing_listed(_: &mut Store<'_>, _: &Asked<'_>) -> Answer {
    Ok(Some(Val::List(Vec::new())))
}

fn none(_: &mut Store<'_>, _: &Asked<'_>) -> Answer {
    Ok(Some(Val::Option(None)))
}

fn pollable(store: &mut Store<'_>, _: &Asked<'_>) -> Answer {
    held(store, "pollable", 0)
}

fn datetime(nanoseconds: u32) -> Val {
    Val::Record(vec![
        ("seconds".to_owned(), Val::U64(0)),
        ("nanoseconds".to_owned(), Val::U32(nanoseconds)),
    ])
}

fn done(value: Option<Val>) -> Val {
    Val::Result(Ok(value.map(Box::new)))
}

fn failed(error: Val) -> Val {
    Val::Result(Err(Some(Box::new(error))))
}

/// Gives the component something to hold. How much it can hold is bounded with all handles.
fn held(store: &mut Store<'_>, resource: &str, number: u32) -> Answer {
    let made = ResourceDynamic::new_own(number, resource_kind(resource));
    let any: ResourceAny = made.try_into_resource_any(&mut *store)?;
    Ok(Some(Val::Resource(any)))
}

/// Everything that is waited for is there.
fn all_ready(_: &mut Store<'_>, asked: &Asked<'_>) -> Answer {
    let indexes = (0..asked.lent.len() as u32).map(Val::U32);
    Ok(Some(Val::List(indexes.collect())))
}

fn write(store: &mut Store<'_>, asked: &Asked<'_>) -> Answer {
    let ([stream], [_, Val::List(bytes)]) = (&asked.lent[..], asked.parameters) else {
        return Ok(None);
    };
    if bytes.len() as u64 > WRITE_BYTES_MAX {
        // More than `check-write` said.
        return Err(wasmtime::Error::msg(
            "more was written than there is room for",
        ));
    }
    let text: Vec<u8> = bytes
        .iter()
        .map(|byte| if let Val::U8(byte) = byte { *byte } else { 0 })
        .collect();
    let level = if *stream == ERRORS {
        WARNING
    } else {
        INFORMATION
    };
    let text = String::from_utf8_lossy(&text);
    let text = text.trim_end();
    if !text.is_empty() {
        guest_log::tell(store, level, text)?;
    }
    Ok(Some(done(None)))
}

fn random_bytes(store: &mut Store<'_>, asked: &Asked<'_>) -> Answer {
    let Some(Val::U64(count)) = asked.parameters.first() else {
        return Ok(None);
    };
    if *count > RANDOM_BYTES_MAX {
        let text =
            format!("{count} random bytes were asked for at once (limit {RANDOM_BYTES_MAX})");
        return Err(wasmtime::Error::msg(text));
    }
    spend(store, FUEL_PER_BYTE * count)?;
    let mut numbers = Numbers::default();
    let bytes = (0..*count).map(|_| Val::U8(numbers.next() as u8));
    Ok(Some(Val::List(bytes.collect())))
}

/// The same numbers from the beginning, for every call: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Default)]
struct Numbers {
    state: u64,
}

impl Numbers {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
