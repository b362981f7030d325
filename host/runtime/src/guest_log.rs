//! The import `replicant:crdt/log`: what a guest writes goes to the node's log, cut, escaped and
//! no faster than a person could want. It has no effect on anything replicated but the fuel that
//! it costs.

use std::time::{Duration, Instant};

use wasmtime::component::{Linker, WasmStr};
use wasmtime::{StoreContextMut, Trap};

use crate::LOG_INTERFACE;
use crate::sandbox::GuestState;

/// Bytes of one message; what is longer is cut.
pub(crate) const LOG_MESSAGE_BYTES_MAX: usize = 4096;
/// The level of errors.
const ERROR: u8 = 0;
/// Bytes that are kept of the last error of a call, in case that it ends in a trap.
const LAST_ERROR_BYTES_MAX: usize = 512;
/// Messages of one instance in a row.
const BURST_MAX: u32 = 100;
/// After a burst, one more message each such time.
const REFILL: Duration = Duration::from_millis(100);
/// Fuel of one message, so that guests cannot spend the host's time for nothing.
const FUEL_PER_MESSAGE: u64 = 2_000;
/// Fuel of each byte of a message: all of it is checked to be UTF-8.
const FUEL_PER_BYTE: u64 = 1;

/// Lets messages of one instance through, up to a rate.
#[derive(Debug)]
pub(crate) struct LogGate {
    left: u32,
    refilled: Option<Instant>,
    dropped: u64,
}

impl LogGate {
    pub(crate) fn new() -> Self {
        Self {
            left: BURST_MAX,
            refilled: None,
            dropped: 0,
        }
    }

    /// Whether a message may pass at `now`; if so, how many were dropped since the last one.
    fn pass(&mut self, now: Instant) -> Option<u64> {
        let refilled = *self.refilled.get_or_insert(now);
        let periods = now.saturating_duration_since(refilled).as_millis() / REFILL.as_millis();
        if periods > 0 {
            let more = u32::try_from(periods).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(more).min(BURST_MAX);
            self.refilled = Some(now);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.dropped))
            }
            None => {
                self.dropped += 1;
                None
            }
        }
    }
}

/// Offers the log to components that import it.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut log = linker.instance(LOG_INTERFACE)?;
    log.func_wrap("write", |store, (level, message): (u8, WasmStr)| {
        write(store, level, &message)
    })?;
    log.func_wrap("unread", |store, (ops,): (u32,)| unread(store, ops))
}

/// Takes note of ops that the guest could not read.
fn unread(mut store: StoreContextMut<'_, GuestState>, ops: u32) -> wasmtime::Result<()> {
    charge(&mut store, 0)?;
    let state = store.data_mut();
    state.ops_unread = state.ops_unread.saturating_add(ops.into());
    Ok(())
}

fn write(
    mut store: StoreContextMut<'_, GuestState>,
    level: u8,
    message: &WasmStr,
) -> wasmtime::Result<()> {
    let length = message.to_str(&store)?.len();
    charge(&mut store, length)?;
    if level == ERROR {
        let text = message.to_str(&store)?;
        let last = cut(&text, LAST_ERROR_BYTES_MAX).to_owned();
        store.data_mut().last_error = Some(last);
    }
    if let Some(dropped) = store.data_mut().log.pass(Instant::now()) {
        // Only now, since it takes much longer than a message that is dropped has paid for.
        let text = printable(&message.to_str(&store)?, LOG_MESSAGE_BYTES_MAX);
        emit(&store.data().module, level, &text, dropped);
    }
    Ok(())
}

/// Writes a message to the log for a component that does so in another way.
pub(crate) fn tell(
    store: &mut StoreContextMut<'_, GuestState>,
    level: u8,
    message: &str,
) -> wasmtime::Result<()> {
    charge(store, message.len())?;
    if let Some(dropped) = store.data_mut().log.pass(Instant::now()) {
        let text = printable(message, LOG_MESSAGE_BYTES_MAX);
        emit(&store.data().module, level, &text, dropped);
    }
    Ok(())
}

/// Takes the fuel of a message, and ends the call if there is not enough.
fn charge(store: &mut StoreContextMut<'_, GuestState>, bytes: usize) -> wasmtime::Result<()> {
    let cost = FUEL_PER_MESSAGE.saturating_add(FUEL_PER_BYTE * bytes as u64);
    let Some(left) = store.get_fuel()?.checked_sub(cost) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(left)
}

fn emit(module: &str, level: u8, text: &str, dropped: u64) {
    match level {
        ERROR => tracing::error!(target: "replicant::guest", module, dropped, "{text}"),
        1 => tracing::warn!(target: "replicant::guest", module, dropped, "{text}"),
        2 => tracing::info!(target: "replicant::guest", module, dropped, "{text}"),
        _ => tracing::debug!(target: "replicant::guest", module, dropped, "{text}"),
    }
}

/// The start of `text` in at most `bytes_max` bytes of its own, with characters escaped that would
/// move the cursor, break the line or turn the direction of writing.
pub(crate) fn printable(text: &str, bytes_max: usize) -> String {
    let shown = cut(text, bytes_max);
    let mut printable = String::with_capacity(shown.len());
    for character in shown.chars() {
        let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || turns {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    if shown.len() < text.len() {
        printable.push('…');
    }
    printable
}

/// The start of `text`, at most `bytes_max` bytes, ending between two characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_between_characters_and_cannot_forge_lines() {
        assert_eq!(printable("a\nb\u{1b}[2J", 100), "a\\nb\\u{1b}[2J");
        assert_eq!(printable("a\u{202e}b", 100), "a\\u{202e}b");
        assert_eq!(printable("äää", 3), "ä…");
        assert_eq!(printable("äää", 6), "äää");
        assert_eq!(cut("äää", 5), "ää");
        assert_eq!(cut("äää", 0), "");
    }

    #[test]
    fn a_flood_is_counted_and_the_count_is_told_later() {
        let mut gate = LogGate::new();
        let start = Instant::now();
        for _ in 0..BURST_MAX {
            assert_eq!(gate.pass(start), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(gate.pass(start), None);
        }
        assert_eq!(gate.pass(start + REFILL), Some(7));
        assert_eq!(gate.pass(start + REFILL), None);
    }
}
