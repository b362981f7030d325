//! Hybrid logical time: timestamps close to the wall clock that also respect causality.
//!
//! Guarantee: every timestamp that [`HybridClock::tick`] gives is larger than every one it gave or
//! observed before, whatever the wall clock does.
//!
//! Source: Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks" (OPODIS 2014).
//! Deviations, with reasons: the logical counter has a fixed width of 16 bits and carries into the
//! milliseconds when it is full, so that a timestamp is one `u64` that is compared as a number;
//! and a remote timestamp too far ahead of the wall clock is not taken over but has to wait, so
//! that one wrong or hostile clock cannot drag everyone's time into the future.
//!
//! The wall clock is an argument, in milliseconds since the Unix epoch.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use crate::ids::IdError;

/// The largest number of milliseconds that a timestamp can hold: the year 10889.
pub const MILLISECONDS_MAX: u64 = (1 << 48) - 1;

/// A hybrid logical timestamp: the upper 48 bits are milliseconds since the Unix epoch, the lower
/// 16 a logical counter. Ordered as a number.
///
/// Text form: a decimal number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc(u64);

impl Hlc {
    /// Before every timestamp that a clock gives.
    pub const ZERO: Self = Self(0);

    /// Takes a timestamp as it stands in a bundle.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The timestamp as it stands in a bundle.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The first timestamp of a millisecond. Beyond [`MILLISECONDS_MAX`], that of the last one.
    pub const fn at_millisecond(milliseconds: u64) -> Self {
        let in_range = if milliseconds > MILLISECONDS_MAX {
            MILLISECONDS_MAX
        } else {
            milliseconds
        };
        Self(in_range << 16)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn milliseconds(self) -> u64 {
        self.0 >> 16
    }

    /// The logical part.
    pub const fn logical(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hlc({} ms + {})", self.milliseconds(), self.logical())
    }
}

impl FromStr for Hlc {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self).map_err(|_| IdError::Number {
            what: "a timestamp",
            accepted: "a decimal number below 2^64 is accepted",
        })
    }
}

impl<C> Encode<C> for Hlc {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Hlc {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.u64().map(Self)
    }
}

/// Why a clock gave or took no timestamp. The clock is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// A remote timestamp is further ahead of the wall clock than the bound: one of the two clocks
    /// is wrong. It becomes acceptable after `wait`, if the wall clock advances by that.
    #[error("the timestamp {hlc:?} is {wait:?} too far ahead of this node's clock")]
    TooFarAhead {
        /// The timestamp.
        hlc: Hlc,
        /// How long until it is acceptable.
        wait: Duration,
    },
    /// There is no larger timestamp: this node's own clock stands at the end of time.
    #[error("no timestamp is left after {latest:?}: set this node's clock right")]
    Exhausted {
        /// The last timestamp.
        latest: Hlc,
    },
}

/// Gives timestamps. One per topic, or one shared by many; sharing only makes them larger.
#[derive(Debug, Clone)]
pub struct HybridClock {
    latest: Hlc,
    ahead_max: Duration,
}

impl HybridClock {
    /// How far a remote timestamp may be ahead of the wall clock unless set otherwise. Clocks that
    /// are synchronised at all agree to far better than this.
    pub const AHEAD_MAX_DEFAULT: Duration = Duration::from_secs(60);

    /// Makes a clock that has observed nothing.
    pub fn new(ahead_max: Duration) -> Self {
        Self::restore(Hlc::ZERO, ahead_max)
    }

    /// Makes a clock that goes on after `latest`, the largest timestamp known from before a
    /// restart. It is not compared with the wall clock: it was accepted already.
    pub fn restore(latest: Hlc, ahead_max: Duration) -> Self {
        Self { latest, ahead_max }
    }

    /// The largest timestamp given or observed.
    pub fn latest(&self) -> Hlc {
        self.latest
    }

    /// Gives a timestamp larger than all before: that of the wall clock, or the next one after the
    /// latest if the wall clock is behind. A full logical counter carries into the milliseconds.
    ///
    /// # Errors
    /// [`ClockError::Exhausted`] after the last timestamp of all.
    pub fn tick(&mut self, wall_ms: u64) -> Result<Hlc, ClockError> {
        let Some(next) = self.latest.0.checked_add(1) else {
            return Err(ClockError::Exhausted {
                latest: self.latest,
            });
        };
        self.latest = Hlc(next).max(Hlc::at_millisecond(wall_ms));
        Ok(self.latest)
    }

    /// Takes note of a remote timestamp, so that every later [`tick`](Self::tick) is larger.
    ///
    /// # Errors
    /// [`ClockError::TooFarAhead`] if it has to wait.
    pub fn observe(&mut self, hlc: Hlc, wall_ms: u64) -> Result<(), ClockError> {
        match self.wait(hlc, wall_ms) {
            None => {
                self.latest = self.latest.max(hlc);
                Ok(())
            }
            Some(wait) => Err(ClockError::TooFarAhead { hlc, wait }),
        }
    }

    /// Takes note of a timestamp that was accepted before, whatever the wall clock says now.
    pub fn witness(&mut self, hlc: Hlc) {
        self.latest = self.latest.max(hlc);
    }

    /// How long a remote timestamp has to wait until it is no longer too far in the future; none
    /// if it is acceptable now.
    pub fn wait(&self, hlc: Hlc, wall_ms: u64) -> Option<Duration> {
        let ahead_max_ms = u64::try_from(self.ahead_max.as_millis()).unwrap_or(u64::MAX);
        let limit_ms = wall_ms.saturating_add(ahead_max_ms);
        let wait_ms = hlc.milliseconds().saturating_sub(limit_ms);
        (wait_ms > 0).then(|| Duration::from_millis(wait_ms))
    }
}

impl Default for HybridClock {
    fn default() -> Self {
        Self::new(Self::AHEAD_MAX_DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_follows_the_wall_clock_and_never_goes_back() {
        let mut clock = HybridClock::default();
        let first = clock.tick(1_000).unwrap();
        assert_eq!((first.milliseconds(), first.logical()), (1_000, 0));
        let second = clock.tick(1_000).unwrap();
        assert_eq!((second.milliseconds(), second.logical()), (1_000, 1));
        let third = clock.tick(10).unwrap();
        assert_eq!((third.milliseconds(), third.logical()), (1_000, 2));
        assert_eq!(clock.tick(2_000).unwrap(), Hlc::at_millisecond(2_000));
    }

    #[test]
    fn a_full_logical_counter_carries_into_the_milliseconds() {
        let full = Hlc::from_u64((1_000 << 16) | 0xffff);
        let mut clock = HybridClock::restore(full, HybridClock::AHEAD_MAX_DEFAULT);
        let next = clock.tick(1_000).unwrap();
        assert_eq!((next.milliseconds(), next.logical()), (1_001, 0));
    }

    #[test]
    fn a_tick_is_larger_than_what_was_observed() {
        let mut clock = HybridClock::default();
        let remote = Hlc::from_u64((5_000 << 16) | 7);
        clock.observe(remote, 1_000).unwrap();
        assert_eq!(clock.tick(1_000).unwrap(), Hlc::from_u64((5_000 << 16) | 8));
        clock.observe(Hlc::at_millisecond(1), 1_000).unwrap();
        assert!(clock.tick(1_000).unwrap() > remote);
    }

    #[test]
    fn a_remote_timestamp_waits_exactly_until_it_is_within_the_bound() {
        let mut clock = HybridClock::new(Duration::from_secs(60));
        let remote = Hlc::from_u64((61_000 << 16) | 0xffff);
        assert_eq!(clock.observe(remote, 1_000), Ok(()));
        let mut clock = HybridClock::new(Duration::from_secs(60));
        let wait = Duration::from_millis(1);
        assert_eq!(
            clock.observe(remote, 999),
            Err(ClockError::TooFarAhead { hlc: remote, wait })
        );
        assert_eq!(clock.latest(), Hlc::ZERO);
    }

    #[test]
    fn the_end_of_time_is_an_error_and_not_a_wrap() {
        let mut clock = HybridClock::default();
        assert_eq!(
            clock.tick(u64::MAX).unwrap().milliseconds(),
            MILLISECONDS_MAX
        );
        let last = Hlc::from_u64(u64::MAX);
        clock.observe(last, u64::MAX).unwrap();
        assert_eq!(clock.tick(0), Err(ClockError::Exhausted { latest: last }));
        assert_eq!(
            clock.tick(u64::MAX),
            Err(ClockError::Exhausted { latest: last })
        );
    }

    #[test]
    fn the_largest_timestamp_of_a_peer_has_to_wait() {
        let mut clock = HybridClock::default();
        assert!(
            clock
                .observe(Hlc::from_u64(u64::MAX), 1_700_000_000_000)
                .is_err()
        );
        assert_eq!(clock.latest(), Hlc::ZERO);
    }
}
