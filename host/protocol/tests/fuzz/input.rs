//! Decisions out of bytes, for targets that play a part instead of decoding.

/// Gives numbers until the bytes are used up, then zeros.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// Any number, small ones and the largest more often than others.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..200 => u64::from(small),
            200..220 => u64::MAX - u64::from(self.byte()),
            _ => (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte())),
        }
    }

    /// Up to `max` bytes from the front.
    pub(crate) fn take(&mut self, max: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(max.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// One of these, with up to two bytes changed.
    pub(crate) fn changed(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = pool[self.below(pool.len())].clone();
        for _ in 0..self.below(3) {
            let at = (self.number() % bytes.len().max(1) as u64) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= self.byte();
            }
        }
        bytes
    }
}
