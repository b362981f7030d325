//! Modules that have come from peers and wait to be taken in, in bytes.
//!
//! Taking one in means to compile it, which may take longer than fetching the next. What is too
//! much is not kept but fetched again when there is room, one after the other.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use replicant_protocol::ids::ModuleHash;

/// Bytes of modules that may wait; a single one always may. Two of the largest.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Fetched(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    /// Came when there was no room.
    missed: BTreeSet<ModuleHash>,
}

impl Fetched {
    /// Whether there is room for a module that has come. If not it is to be fetched again.
    pub(super) fn begin(&self, module: ModuleHash, bytes: usize) -> bool {
        let mut state = self.lock();
        if state.bytes > 0 && state.bytes.saturating_add(bytes) > WAITING_BYTES_MAX {
            state.missed.insert(module);
            return false;
        }
        state.bytes += bytes;
        true
    }

    /// A module no longer waits.
    pub(super) fn end(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// A module could not be queued for another reason, and is to be fetched again.
    pub(super) fn miss(&self, module: ModuleHash, bytes: usize) {
        self.end(bytes);
        self.lock().missed.insert(module);
    }

    /// A module to fetch again now, if there is room for one.
    pub(super) fn next_missed(&self) -> Option<ModuleHash> {
        let mut state = self.lock();
        let has_room = state.bytes <= WAITING_BYTES_MAX / 2;
        has_room.then(|| state.missed.pop_first()).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(number: u8) -> ModuleHash {
        ModuleHash::from_bytes([number; 32])
    }

    #[test]
    fn what_is_too_much_is_fetched_again_when_there_is_room() {
        let fetched = Fetched::default();
        let half = WAITING_BYTES_MAX / 2;
        assert!(fetched.begin(module(1), half) && fetched.begin(module(2), half));
        assert!(!fetched.begin(module(3), 1));
        assert_eq!(fetched.next_missed(), None);
        fetched.end(half);
        assert_eq!(fetched.next_missed(), Some(module(3)));
        assert_eq!(fetched.next_missed(), None);
        assert!(fetched.begin(module(3), 1));
        fetched.miss(module(3), 1);
        assert_eq!(fetched.next_missed(), Some(module(3)));
        fetched.end(half);
        // The largest is taken when nothing else waits.
        assert!(fetched.begin(module(5), WAITING_BYTES_MAX * 2));
    }
}
