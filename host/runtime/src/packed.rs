//! Many byte strings in one allocation, the shape in which ops and commands cross into a guest.
//!
//! A [`Packed`] always holds what `types.wit` promises of `packed`: `ends` never decreases and its
//! last element is the length of `bytes`. What a guest returns becomes a `Packed` only through
//! [`Packed::from_parts`], which checks it.

/// A sequence of byte strings, stored one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// Why bytes and ends do not make a [`Packed`]. Whoever made them is at fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// The items together would be longer than a 32-bit offset can say.
    #[error("the items together are longer than {} bytes", u32::MAX)]
    TooLong,
    /// An item ends before the one in front of it.
    #[error("item {index} ends at {end}, before item {} at {previous}", index - 1)]
    Decreasing {
        /// Index of the item.
        index: usize,
        /// Where it ends.
        end: u32,
        /// Where the item in front of it ends.
        previous: u32,
    },
    /// The last item does not end where the bytes end.
    #[error("the last item ends at {end}, the bytes at {length}")]
    Uncovered {
        /// Where the last item ends; 0 without items.
        end: u32,
        /// How many bytes there are.
        length: usize,
    },
}

impl Packed {
    /// Makes an empty sequence.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty sequence with room for `items` items of `bytes` bytes in total.
    #[must_use]
    pub fn with_capacity(items: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(items),
        }
    }

    /// Makes a sequence of one item.
    ///
    /// # Errors
    ///
    /// [`PackedError::TooLong`] if the item is longer than 4 GiB.
    pub fn single(item: &[u8]) -> Result<Self, PackedError> {
        Self::from_items([item])
    }

    /// Makes a sequence of all `items`, in their order.
    ///
    /// # Errors
    ///
    /// [`PackedError::TooLong`] if they are longer than 4 GiB together.
    pub fn from_items<I>(items: I) -> Result<Self, PackedError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut packed = Self::new();
        for item in items {
            packed.push(item.as_ref())?;
        }
        Ok(packed)
    }

    /// Checks that `ends` cuts `bytes` into items without a rest and takes both over. Costs one
    /// pass over `ends`.
    ///
    /// # Errors
    ///
    /// Says what does not fit.
    pub fn from_parts(bytes: Vec<u8>, ends: Vec<u32>) -> Result<Self, PackedError> {
        let mut previous = 0;
        for (index, &end) in ends.iter().enumerate() {
            if end < previous {
                return Err(PackedError::Decreasing {
                    index,
                    end,
                    previous,
                });
            }
            previous = end;
        }
        if previous as usize != bytes.len() {
            return Err(PackedError::Uncovered {
                end: previous,
                length: bytes.len(),
            });
        }
        Ok(Self { bytes, ends })
    }

    /// Appends one item.
    ///
    /// # Errors
    ///
    /// [`PackedError::TooLong`] if the items would be longer than 4 GiB together; nothing was
    /// appended.
    pub fn push(&mut self, item: &[u8]) -> Result<(), PackedError> {
        let end = u32::try_from(self.bytes.len() + item.len()).map_err(|_| PackedError::TooLong)?;
        self.bytes.extend_from_slice(item);
        self.ends.push(end);
        Ok(())
    }

    /// The number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Item `index`, if there is one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(previous) => self.ends[previous] as usize,
            None => 0,
        };
        Some(&self.bytes[start..end])
    }

    /// The items, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let item = &self.bytes[start..end as usize];
            start = end as usize;
            item
        })
    }

    /// All items, one after the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each item ends in [`Packed::bytes`].
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Gives up the bytes and the ends.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<u32>) {
        (self.bytes, self.ends)
    }

    /// The room that this takes inside a guest: the bytes and four more for each item.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64 + 4 * self.ends.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_as_they_went_in() {
        let packed = Packed::from_items(["a", "", "bcd"]).unwrap();
        assert_eq!(packed.len(), 3);
        assert_eq!(packed.ends(), [1, 1, 4]);
        let items: Vec<&[u8]> = packed.iter().collect();
        assert_eq!(items, [&b"a"[..], b"", b"bcd"]);
        assert_eq!(packed.get(2), Some(&b"bcd"[..]));
        assert_eq!(packed.get(3), None);
        let (bytes, ends) = packed.clone().into_parts();
        assert_eq!(Packed::from_parts(bytes, ends), Ok(packed));
    }

    #[test]
    fn no_items_are_empty_lists() {
        assert_eq!(Packed::from_parts(vec![], vec![]), Ok(Packed::new()));
        assert_eq!(
            Packed::from_parts(vec![1], vec![]),
            Err(PackedError::Uncovered { end: 0, length: 1 })
        );
    }

    #[test]
    fn ends_that_decrease_or_leave_the_bytes_are_refused() {
        assert_eq!(
            Packed::from_parts(vec![0; 4], vec![3, 2, 4]),
            Err(PackedError::Decreasing {
                index: 1,
                end: 2,
                previous: 3
            })
        );
        for end in [3, 5, u32::MAX] {
            assert_eq!(
                Packed::from_parts(vec![0; 4], vec![end]),
                Err(PackedError::Uncovered { end, length: 4 })
            );
        }
    }
}
