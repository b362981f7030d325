//! Whose calls are taken: not too many of one, nor of all, and none twice.

use std::time::Duration;

use crate::allowance::Allowance;
use crate::ids::NodeId;
use crate::recent::Recent;

use super::Call;

/// How many callers are remembered; who called longest ago is forgotten.
pub(super) const CALLERS_MAX: usize = 4_096;

/// How many calls of one caller are taken at once, and in a second after: twice what a correct one
/// makes.
pub(super) const OF_ONE: (u32, u32) = (32, 2);

/// How many calls are taken in all at once, and in a second after.
pub(super) const OF_ALL: (u32, u32) = (1_000, 100);

/// So many numbers below a caller's highest are told apart.
const NUMBERS: u64 = 64;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heed {
    Taken,
    /// It came before.
    Again,
    /// There were too many.
    TooMany,
}

#[derive(Debug)]
struct Caller {
    start: u64,
    highest: u64,
    /// Bit *n* stands for the number *n* below the highest.
    heard: u64,
    allowance: Allowance,
}

impl Caller {
    fn hear(&mut self, start: u64, number: u64) -> bool {
        if start != self.start {
            let is_later = start > self.start;
            if is_later {
                (self.start, self.highest, self.heard) = (start, number, 1);
            }
            return is_later;
        }
        if number > self.highest {
            let by = number - self.highest;
            self.heard = match by < NUMBERS {
                true => self.heard << by | 1,
                false => 1,
            };
            self.highest = number;
            return true;
        }
        let below = self.highest - number;
        let is_new = below < NUMBERS && self.heard & (1 << below) == 0;
        if is_new {
            self.heard |= 1 << below;
        }
        is_new
    }
}

/// Callers, at most [`CALLERS_MAX`].
#[derive(Debug)]
pub(super) struct Callers {
    callers: Recent<NodeId, Caller>,
    all: Allowance,
}

impl Default for Callers {
    fn default() -> Self {
        Self {
            callers: Recent::new(CALLERS_MAX),
            all: Allowance::default(),
        }
    }
}

impl Callers {
    pub(super) fn heed(&mut self, now: Duration, call: &Call) -> Heed {
        let (caller, _) = self.callers.touch(call.caller.node, || Caller {
            start: call.start,
            highest: call.number,
            heard: 0,
            allowance: Allowance::default(),
        });
        if !caller.hear(call.start, call.number) {
            Heed::Again
        } else if caller.allowance.take(now, OF_ONE.1, OF_ONE.0)
            && self.all.take(now, OF_ALL.1, OF_ALL.0)
        {
            Heed::Taken
        } else {
            Heed::TooMany
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.callers.len()
    }
}
