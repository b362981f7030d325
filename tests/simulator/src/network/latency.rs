//! How long messages take.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::Index;

/// How long a message is on its way, one way.
#[derive(Debug, Clone, PartialEq)]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Each message anew, with equal chance anywhere between the two.
    Uniform(Duration, Duration),
    /// Each pair of nodes has its own, the same in both directions, anywhere between the two: what
    /// distance does.
    PerLink(Duration, Duration),
    /// Half of all messages take less than `median`; a few take very much longer. Log-normal.
    LongTailed {
        /// What half of them keep below.
        median: Duration,
        /// The standard deviation of the logarithm; at 1, one in a hundred takes ten times as
        /// long.
        spread: f64,
        /// None takes longer than this.
        most: Duration,
    },
}

impl Latency {
    pub(super) fn draw(&self, from: Index, to: Index, rng: &mut impl Rng) -> Duration {
        match self {
            Self::Constant(delay) => *delay,
            Self::Uniform(least, most) => {
                let nanos = rng.random_range(least.as_nanos() as u64..=most.as_nanos() as u64);
                Duration::from_nanos(nanos)
            }
            Self::PerLink(least, most) => {
                let place = f64::from(of_link(from, to)) / f64::from(u32::MAX);
                *least + most.saturating_sub(*least).mul_f64(place)
            }
            Self::LongTailed {
                median,
                spread,
                most,
            } => {
                let factor = (spread * normal(rng)).exp().min(1e6);
                median.mul_f64(factor).min(*most)
            }
        }
    }
}

/// A number of its own for each pair of nodes.
fn of_link(a: Index, b: Index) -> u32 {
    let pair = (u64::from(a.min(b)) << 32) | u64::from(a.max(b));
    // Multiplying and folding scatters neighbouring pairs; no secret depends on it.
    let mixed = (pair ^ (pair >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 32) as u32
}

/// A number of the standard normal distribution, by the method of Box and Muller.
fn normal(rng: &mut impl Rng) -> f64 {
    let radius: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
    let angle: f64 = rng.random_range(0.0..std::f64::consts::TAU);
    (-2.0 * radius.ln()).sqrt() * angle.cos()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const LEAST: Duration = Duration::from_millis(10);
    const MOST: Duration = Duration::from_millis(50);

    fn draws(latency: &Latency) -> Vec<Duration> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut draws = Vec::from_iter((0..1_000).map(|to| latency.draw(5_000, to, &mut rng)));
        draws.sort_unstable();
        draws
    }

    #[test]
    fn a_link_keeps_its_latency_in_both_directions_and_links_differ_evenly() {
        let latency = Latency::PerLink(LEAST, MOST);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let there = latency.draw(3, 4, &mut rng);
        assert_eq!(there, latency.draw(4, 3, &mut rng));
        let draws = draws(&latency);
        let millis = |index: usize| draws[index].as_millis();
        assert!((10..12).contains(&millis(0)) && (48..=50).contains(&millis(999)));
        assert!((27..33).contains(&millis(500)));
    }

    #[test]
    fn a_long_tail_has_its_median_and_its_end() {
        let draws = draws(&Latency::LongTailed {
            median: LEAST,
            spread: 1.0,
            most: 20 * LEAST,
        });
        let millis = |index: usize| draws[index].as_millis();
        assert!((9..12).contains(&millis(500)));
        assert!((70..140).contains(&millis(990)));
        assert_eq!(draws[999].max(20 * LEAST), 20 * LEAST);
    }

    #[test]
    fn a_constant_is_one() {
        assert!(draws(&Latency::Constant(MOST)).iter().all(|it| *it == MOST));
    }
}
