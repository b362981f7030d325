//! How reliable a member was, as far as this node saw.

use std::time::Duration;

/// Steps in a half-life.
const STEPS: u32 = 64;
/// 2^(-1/64) in units of 2^-32: what remains after one step.
const STEP_FACTOR: u64 = 4_248_701_965;
/// After so many steps (32 half-lives) nothing remains of a 32-bit value.
const STEPS_MAX: u128 = 32 * STEPS as u128;
/// 2^(-1/16) in units of 2^-32: what remains of the probes before after one more.
const PROBE_FACTOR: u64 = 4_112_874_773;

/// All of a share that is calculated with.
const WHOLE: u64 = 1 << 32;

/// A share, in units of 2^-32; all of it is `u32::MAX`.
type Share = u32;

/// How reliable a member was, as this node measured it. What others say does not enter, but that
/// they may convince this node that a member is dead.
///
/// Old observations lose half their weight each half-life of time
/// ([`Config::reliability_half_life`](super::Config::reliability_half_life)), those of probes each
/// 16 probes. Integers only, so that every machine computes the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reliability {
    up: Share,
    observed: Share,
    probes: Share,
    probed: Share,
}

impl Reliability {
    /// The share of the observed time in which the member was there (alive or suspect), in parts
    /// per million. A million for who was just met.
    pub fn up_ppm(&self) -> u32 {
        ppm_of(self.up, self.observed)
    }

    /// The share of this node's probes that were answered, directly or through others, in parts
    /// per million. A million before the first.
    pub fn probe_success_ppm(&self) -> u32 {
        ppm_of(self.probes, self.probed)
    }

    /// What speaks for the member in parts per million: as [`up_ppm`](Self::up_ppm), but time
    /// before it was met counts as time away, and failed probes count against it. Who was just met
    /// starts at 0, who was there for one half-life has half a million: newcomers do not outrank
    /// those that are known.
    pub fn score_ppm(&self) -> u32 {
        let up = u64::from(ppm_of(self.up, Share::MAX));
        let score = up * u64::from(self.probe_success_ppm()) / 1_000_000;
        score as u32
    }
}

fn ppm_of(part: Share, whole: Share) -> u32 {
    if whole == 0 {
        return 1_000_000;
    }
    (u64::from(part.min(whole)) * 1_000_000 / u64::from(whole)) as u32
}

/// Keeps a [`Reliability`] up to date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    /// What whole steps and probes came to.
    whole: Reliability,
    /// The same with the step that is under way.
    shown: Reliability,
    /// Up to when time was looked at.
    until: Duration,
    /// How much of it is of the step that is under way, and how much of that the member was there.
    waiting: Duration,
    waiting_up: Duration,
}

impl Observed {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            whole: Reliability::default(),
            shown: Reliability::default(),
            until: now,
            waiting: Duration::ZERO,
            waiting_up: Duration::ZERO,
        }
    }

    /// Counts the time up to `now`, in which the member was there or not.
    pub(super) fn pass(&mut self, now: Duration, half_life: Duration, is_up: bool) {
        let step = (half_life / STEPS).max(Duration::from_nanos(1));
        let mut passed = now.saturating_sub(self.until);
        self.until += passed;
        // The step under way is filled first.
        let first = passed.min(step.saturating_sub(self.waiting));
        self.wait(first, is_up);
        passed -= first;
        if self.waiting >= step {
            let part = part_of(self.waiting_up, self.waiting);
            self.count(STEP_FACTOR, part);
            (self.waiting, self.waiting_up) = (Duration::ZERO, Duration::ZERO);
            let steps = passed.as_nanos() / step.as_nanos();
            let kept = power(STEP_FACTOR, steps.min(STEPS_MAX) as u32);
            self.count(kept, if is_up { WHOLE } else { 0 });
            let rest = (passed.as_nanos() % step.as_nanos()) as u64;
            self.wait(Duration::from_nanos(rest), is_up);
        }
        let away = ((WHOLE - STEP_FACTOR) * part_of(self.waiting, step)) >> 32;
        self.shown = counted(
            self.whole,
            WHOLE - away,
            part_of(self.waiting_up, self.waiting),
        );
    }

    fn wait(&mut self, span: Duration, is_up: bool) {
        self.waiting += span;
        if is_up {
            self.waiting_up += span;
        }
    }

    /// Counts time of which `kept` remains of what was before, and in which the member was there
    /// for `part` of it.
    fn count(&mut self, kept: u64, part: u64) {
        self.whole = counted(self.whole, kept, part);
    }

    /// Counts a probe.
    pub(super) fn probe(&mut self, is_answered: bool) {
        let part = if is_answered { WHOLE } else { 0 };
        for of in [&mut self.whole, &mut self.shown] {
            of.probed = decayed(of.probed, PROBE_FACTOR, WHOLE);
            of.probes = decayed(of.probes, PROBE_FACTOR, part);
        }
    }

    pub(super) fn reliability(&self) -> Reliability {
        self.shown
    }
}

fn counted(of: Reliability, kept: u64, part: u64) -> Reliability {
    Reliability {
        observed: decayed(of.observed, kept, WHOLE),
        up: decayed(of.up, kept, part),
        ..of
    }
}

/// A part of a whole, of 2^32; of nothing it is none.
fn part_of(part: Duration, whole: Duration) -> u64 {
    let share = (part.as_nanos() << 32).checked_div(whole.as_nanos());
    share.map_or(0, |share| share.min(u128::from(WHOLE)) as u64)
}

/// `factor`, of 2^32, to the power of `exponent`, by squaring.
fn power(factor: u64, mut exponent: u32) -> u64 {
    let (mut result, mut square) = (1 << 32, factor);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = (result * square) >> 32;
        }
        square = (square * square) >> 32;
        exponent >>= 1;
    }
    result
}

/// What becomes of a share of which `kept`, of 2^32, remains, if of the rest it was `part`.
fn decayed(share: Share, kept: u64, part: u64) -> Share {
    let remains = (u64::from(share) * kept) >> 32;
    // Neither is more than 2^32, and one of them is less.
    let added = ((u128::from(WHOLE - kept) * u128::from(part)) >> 32) as u64;
    Share::try_from(remains + added).unwrap_or(Share::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF_LIFE: Duration = Duration::from_secs(3_600);

    fn observed(spans: &[(u64, bool)]) -> Reliability {
        let mut now = Duration::from_secs(100);
        let mut observed = Observed::new(now);
        for (seconds, is_up) in spans {
            now += Duration::from_secs(*seconds);
            observed.pass(now, HALF_LIFE, *is_up);
        }
        observed.reliability()
    }

    #[test]
    fn after_one_half_life_a_newcomer_has_half_and_after_many_all() {
        let just_met = observed(&[]);
        assert_eq!((just_met.up_ppm(), just_met.score_ppm()), (1_000_000, 0));
        let score = observed(&[(3_600, true)]).score_ppm();
        assert!((499_990..=500_010).contains(&score), "{score}");
        let score = observed(&[(3_600 * 200, true)]).score_ppm();
        assert!(score > 999_990, "{score}");
    }

    #[test]
    fn time_away_counts_less_the_longer_it_is_past() {
        let away = observed(&[(36_000, true), (3_600, false)]);
        assert!(
            (499_000..501_000).contains(&away.up_ppm()),
            "{}",
            away.up_ppm()
        );
        let back = observed(&[(36_000, true), (3_600, false), (3_600, true)]);
        assert!(
            (749_000..751_000).contains(&back.up_ppm()),
            "{}",
            back.up_ppm()
        );
    }

    #[test]
    fn who_flaps_has_the_share_that_it_was_there() {
        let flapping: Vec<(u64, bool)> = (0..1_000).map(|n| (60, n % 4 != 0)).collect();
        let up = observed(&flapping).up_ppm();
        assert!((740_000..760_000).contains(&up), "{up}");
    }

    /// Spans shorter than a step were all counted as what came last.
    #[test]
    fn short_absences_count_for_as_long_as_they_last() {
        let short: Vec<(u64, bool)> = (0..2_000).map(|n| (7, n % 4 != 0)).collect();
        let up = observed(&short).up_ppm();
        assert!((740_000..760_000).contains(&up), "{up}");
        // Twenty seconds there and forty away: a third, and no less known before the first step
        // is over.
        for away in [10, 20, 40] {
            let up = observed(&[(20, true), (away, false)]).up_ppm();
            let expected = (20_000_000 / (20 + away)) as u32;
            assert!(up.abs_diff(expected) < 1_000, "{up}, {expected}");
        }
        let up = observed(&[(225, true), (7, false)]).up_ppm();
        assert!((960_000..980_000).contains(&up), "{up}");
    }

    #[test]
    fn one_probe_of_four_that_fails_shows() {
        let mut observed = Observed::new(Duration::ZERO);
        assert_eq!(observed.reliability().probe_success_ppm(), 1_000_000);
        for probe in 0..400 {
            observed.probe(probe % 4 != 0);
        }
        let success = observed.reliability().probe_success_ppm();
        assert!((700_000..800_000).contains(&success), "{success}");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_often_one_looks(seconds in 1u64..100_000, part in 1u64..1_000) {
            let once = observed(&[(seconds, true)]);
            let parts = (0..seconds / part).map(|_| (part, true));
            let often: Vec<(u64, bool)> = parts.chain([(seconds % part, true)]).collect();
            // Rounding goes down, once a look.
            let apart = once.score_ppm().abs_diff(observed(&often).score_ppm());
            prop_assert!(apart < 10, "{}", apart);
            prop_assert!(once.score_ppm() <= 1_000_000);
        }
    }
}
