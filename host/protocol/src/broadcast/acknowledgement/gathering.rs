//! What a node on the way back has heard.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{GATHERED_MAX, NAMES_MAX, ShortId};

/// What a node on the way was told of one message and has to pass on.
///
/// Invariants: every name is passed on once, or where messages are lost twice, in two batches that
/// follow each other, and again if it is to be repeated; at most [`GATHERED_MAX`] names are held,
/// at most [`NAMES_MAX`] go into a batch; no two batches are closer than the interval.
#[derive(Debug)]
pub struct Gathering {
    interval: Duration,
    is_lossy: bool,
    known: BTreeSet<ShortId>,
    /// Not passed on yet.
    fresh: BTreeSet<ShortId>,
    /// Passed on once.
    once: Vec<ShortId>,
    /// When the next batch may go.
    next: Duration,
}

impl Gathering {
    /// Begins to gather; the first batch goes after one interval. Where messages may be lost
    /// everything is passed on twice.
    pub fn new(now: Duration, interval: Duration, is_lossy: bool) -> Self {
        Self {
            interval,
            is_lossy,
            known: BTreeSet::new(),
            fresh: BTreeSet::new(),
            once: Vec::new(),
            next: now + interval,
        }
    }

    /// Notes who has the message, as a peer says or this node saw.
    pub fn add(&mut self, names: impl IntoIterator<Item = ShortId>) {
        for name in names {
            if self.known.len() < GATHERED_MAX && self.known.insert(name) {
                self.fresh.insert(name);
            }
        }
    }

    /// Passes these on once more: they did not arrive.
    pub fn repeat(&mut self, names: &[ShortId]) {
        let known = names.iter().filter(|name| self.known.contains(name));
        self.fresh.extend(known);
    }

    /// Passes everything on once more: whoever it was told to is gone.
    pub fn repeat_all(&mut self) {
        self.fresh.clone_from(&self.known);
    }

    /// How many names were gathered so far.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// When there is something to pass on.
    pub fn next_timeout(&self) -> Option<Duration> {
        let is_idle = self.fresh.is_empty() && self.once.is_empty();
        (!is_idle).then_some(self.next)
    }

    /// What is to be passed on now.
    pub fn poll_batch(&mut self, now: Duration) -> Option<Vec<ShortId>> {
        if self.next_timeout().is_none_or(|next| next > now) {
            return None;
        }
        let room = NAMES_MAX / 2;
        let mut batch = std::mem::take(&mut self.once);
        for _ in 0..room {
            let Some(name) = self.fresh.pop_first() else {
                break;
            };
            batch.push(name);
            if self.is_lossy {
                self.once.push(name);
            }
        }
        self.next = now + self.interval;
        Some(batch)
    }
}
