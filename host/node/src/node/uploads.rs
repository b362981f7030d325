//! Components that wait to be loaded, in bytes: each has to be compiled, which takes a while.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::NodeError;

/// Bytes of components that may wait; two of the largest.
pub(super) const WAITING_BYTES_MAX: usize = 64 << 20;

/// Bytes that a permit stands for.
const BLOCK_BYTES: usize = 1 << 10;

/// The room that is left.
#[derive(Debug)]
pub(super) struct Uploads(Arc<Semaphore>);

impl Default for Uploads {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WAITING_BYTES_MAX / BLOCK_BYTES)))
    }
}

impl Uploads {
    /// Takes room for a component until it is loaded or refused. One that is larger than all of it
    /// waits alone.
    ///
    /// # Errors
    /// [`NodeError::Busy`].
    pub(super) fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, NodeError> {
        let blocks = bytes.min(WAITING_BYTES_MAX).div_ceil(BLOCK_BYTES);
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.0).try_acquire_many_owned(blocks);
        held.map_err(|_| NodeError::Busy {
            queue: "the room for components that wait to be loaded",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_beyond_the_bound_are_refused_until_others_are_loaded() {
        let uploads = Uploads::default();
        let half = WAITING_BYTES_MAX / 2;
        let (first, second) = (uploads.hold(half).unwrap(), uploads.hold(half).unwrap());
        let busy = uploads.hold(1);
        assert!(matches!(busy, Err(NodeError::Busy { .. })), "{busy:?}");
        drop(first);
        assert!(uploads.hold(1).is_ok());
        drop(second);
        let alone = uploads.hold(10 * WAITING_BYTES_MAX).unwrap();
        assert!(uploads.hold(1).is_err());
        drop(alone);
    }
}
