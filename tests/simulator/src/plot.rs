//! What can be drawn of a run.

use std::collections::BTreeMap;

use super::checkers::Reach;

/// A picture of a run: lines over one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What is on the horizontal axis, with its unit.
    pub x: &'static str,
    /// What is on the vertical axis, with its unit.
    pub y: &'static str,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it stands for.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

impl Plot {
    /// How much of the nodes has heard, over time.
    pub fn reach(name: &str, reach: &Reach) -> Self {
        let mut count = 0;
        let points = reach.by_time.iter().map(|(step, more)| {
            count += more;
            let share = 100.0 * count as f64 / reach.expected_count as f64;
            (10.0 * (*step + 1) as f64, share)
        });
        Self {
            title: format!("reach of {name}"),
            x: "ms",
            y: "% of nodes",
            lines: vec![Line {
                name: name.to_owned(),
                points: points.collect(),
            }],
        }
    }

    /// Of how many of some events something was noticed by when: seconds after each event, by what
    /// was noticed. What never was is no number, and left out.
    pub fn noticed(title: &str, seconds: &[(&str, &[f64])]) -> Self {
        let line = |(name, seconds): &(&str, &[f64])| {
            let mut sorted: Vec<f64> = seconds.iter().copied().filter(|it| !it.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            let share = |place: usize| 100.0 * (place + 1) as f64 / seconds.len() as f64;
            let points = sorted.into_iter().enumerate();
            Line {
                name: (*name).to_owned(),
                points: points.map(|(place, at)| (at, share(place))).collect(),
            }
        };
        Self {
            title: title.to_owned(),
            x: "s",
            y: "%",
            lines: seconds.iter().map(line).collect(),
        }
    }

    /// How many deliveries took how many hops.
    pub fn hops(by_hops: &BTreeMap<u32, u64>) -> Self {
        let points = by_hops
            .iter()
            .map(|(hops, count)| (f64::from(*hops), *count as f64));
        Self {
            title: "hops to a delivery".to_owned(),
            x: "hops",
            y: "deliveries",
            lines: vec![Line {
                name: "deliveries".to_owned(),
                points: points.collect(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noticed_is_counted_up_and_what_was_not_is_left_out() {
        let plot = Plot::noticed("crashes", &[("seen", &[2.0, f64::NAN, 0.5, 1.0])]);
        let expected = [(0.5, 25.0), (1.0, 50.0), (2.0, 75.0)];
        assert_eq!(plot.lines[0].points, expected);
    }
}
