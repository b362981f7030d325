//! How everything that runs is told to end.

use tokio_util::sync::CancellationToken;

/// Two steps: *begin* (say goodbye, flush, end) and *kill* (end now).
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    begun: CancellationToken,
    killed: CancellationToken,
}

impl Stop {
    /// Asks everything to end in good order.
    pub(super) fn begin(&self) {
        self.begun.cancel();
    }

    /// Ends everything now, without a goodbye to the members.
    pub(super) fn kill(&self) {
        // In this order: whoever sees the first step can tell whether the second was taken.
        self.killed.cancel();
        self.begun.cancel();
    }

    /// Whether [`kill`](Self::kill) was called.
    pub(super) fn is_killed(&self) -> bool {
        self.killed.is_cancelled()
    }

    /// Waits for [`begin`](Self::begin).
    pub(super) async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Waits for [`kill`](Self::kill).
    pub(super) async fn killed(&self) {
        self.killed.cancelled().await;
    }
}
