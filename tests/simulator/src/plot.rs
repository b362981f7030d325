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
