//! Calls into the database that survive its panics.
//!
//! redb verifies its pages only when it opens a file after a crash. On a page that was damaged
//! where it lay it may panic at any later time; that must cost no more than the request that met
//! it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Result, StorageError};

/// Does `work`; a panic in it becomes [`StorageError::Damaged`]. The caller sees to it that nothing
/// is used afterwards that the panic may have left half-done.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
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
