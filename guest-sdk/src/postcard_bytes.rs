//! Postcard, the encoding of ops and saved states: compact, fast, and only one encoding of
//! everything.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::Malformed;

/// Appends to a buffer that is kept across items.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends `item` to `out`.
///
/// # Panics
///
/// If the `Serialize` implementation of the item reports an error, which derived ones never do.
#[inline]
pub fn append<T: Serialize + ?Sized>(item: &T, out: &mut Vec<u8>) {
    if let Err(error) = postcard::serialize_with_flavor(item, Append(out)) {
        unwritable(&error);
    }
}

#[cold]
#[allow(clippy::panic)]
fn unwritable(error: &postcard::Error) -> ! {
    panic!("a Serialize implementation failed: {error}");
}

/// Reads one item that takes up all of `bytes`. Strings and byte strings may be borrowed.
///
/// # Errors
///
/// [`Malformed`] if the bytes are no `T`, or have something after it.
#[inline]
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let (item, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(item)
    } else {
        Err(Malformed::new("bytes are left after its end"))
    }
}
