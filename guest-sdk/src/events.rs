//! Change events, for those who watch an object.

/// Collects what changed, if anyone asked.
#[derive(Debug)]
pub struct Events<E> {
    wanted: bool,
    list: Vec<E>,
}

impl<E> Events<E> {
    /// Makes a collector that keeps what is emitted.
    pub fn collected() -> Self {
        Self {
            wanted: true,
            list: Vec::new(),
        }
    }

    /// Makes a collector that nobody reads: events are not even made.
    pub fn ignored() -> Self {
        Self {
            wanted: false,
            list: Vec::new(),
        }
    }

    /// Adds the event that `make` returns; `make` is only called if somebody watches.
    #[inline]
    pub fn emit(&mut self, make: impl FnOnce() -> E) {
        if self.wanted {
            self.list.push(make());
        }
    }

    /// Says whether somebody watches.
    #[inline]
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// Returns what was emitted, oldest first.
    pub fn into_vec(self) -> Vec<E> {
        self.list
    }
}
