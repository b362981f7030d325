//! How many bytes a queue may hold, beside how many messages.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes that is shared by whatever waits in a queue.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    max: u32,
}

/// A part of a budget; goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Share(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// What a peer's message holds while it waits for the driver: a place among those of its peer, and
/// its bytes among those of all.
#[derive(Debug)]
pub(super) struct Held {
    #[allow(dead_code, reason = "held for its drop")]
    place: Option<Share>,
    #[allow(dead_code, reason = "held for its drop")]
    bytes: Option<Share>,
}

impl Held {
    /// Waits for both.
    pub(super) async fn take(places: &Budget, bytes: &Budget, size_bytes: usize) -> Self {
        let place = places.take(1).await;
        let bytes = bytes.take(size_bytes).await;
        Self { place, bytes }
    }
}

impl Budget {
    /// Starts with everything to give.
    pub(super) fn new(bytes_max: usize) -> Self {
        let max = u32::try_from(bytes_max).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(max).unwrap_or(usize::MAX);
        Self {
            bytes: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            max,
        }
    }

    /// Takes a share, and waits for it in turn. Whatever is larger than the budget takes all.
    pub(super) async fn take(&self, bytes: usize) -> Option<Share> {
        let taking = self.bytes.clone().acquire_many_owned(self.permits(bytes));
        // None would mean a closed semaphore, and this one is never closed.
        taking.await.ok().map(Share)
    }

    /// Takes a share if it is there.
    pub(super) fn try_take(&self, bytes: usize) -> Option<Share> {
        let permits = self.permits(bytes);
        let taken = self.bytes.clone().try_acquire_many_owned(permits);
        taken.ok().map(Share)
    }

    /// How much is left.
    pub(super) fn free(&self) -> usize {
        self.bytes.available_permits()
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_missing_until_it_is_given_back() {
        let budget = Budget::new(100);
        let share = budget.try_take(60).unwrap();
        assert!(budget.try_take(41).is_none());
        let rest = budget.try_take(40);
        assert!(rest.is_some());
        drop(share);
        assert!(budget.try_take(60).is_some());
    }

    #[tokio::test]
    async fn more_than_the_budget_waits_for_all_of_it() {
        let budget = Budget::new(100);
        let share = budget.take(1_000_000).await;
        assert!(budget.try_take(1).is_none());
        drop(share);
        assert!(budget.try_take(100).is_some());
    }
}
