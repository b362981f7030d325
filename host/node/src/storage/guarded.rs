//! Calls into the database that survive its panics.
//!
//! redb verifies its pages only when it opens a file after a crash. On a page that was damaged
//! where it lay it may panic at any later time; that must cost no more than the request that met
//! it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::{Result, StorageError};

thread_local! {
    /// Whether a panic in this thread becomes an error.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Has panics of the database, which become errors that are told, print nothing besides, from now
/// on and in the whole process: a panic hook in front of the one that is there. They are logged for
/// whoever debugs. For a program to call at its start, before it runs threads; once is enough.
pub fn silence_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match IS_GUARDED.get() {
            true => tracing::debug!("becomes an error: {panic}"),
            false => hook(panic),
        }));
    });
}

/// Does `work`; a panic in it becomes [`StorageError::Damaged`]. The caller sees to it that nothing
/// is used afterwards that the panic may have left half-done.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outer = IS_GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(outer);
    match outcome {
        Ok(result) => result,
        Err(panic) => Err(StorageError::Damaged {
            reason: message(panic.as_ref()),
        }),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it cannot be read").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_what_it_said() {
        let number = "7".to_owned();
        let damaged = guarded::<()>(|| panic!("page {number}")).unwrap_err();
        let reason = "page 7".to_owned();
        assert_eq!(damaged, StorageError::Damaged { reason });
        assert_eq!(guarded(|| Ok(1)), Ok(1));
    }
}
