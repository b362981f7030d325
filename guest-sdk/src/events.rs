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

    /// Lets `work` emit events of a part, and emits what `wrap` makes of each.
    pub(crate) fn within<P, R>(
        &mut self,
        wrap: impl Fn(P) -> E,
        work: impl FnOnce(&mut Events<P>) -> R,
    ) -> R {
        let mut events = Events {
            wanted: self.wanted,
            list: Vec::new(),
        };
        let done = work(&mut events);
        self.list.extend(events.list.into_iter().map(wrap));
        done
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
