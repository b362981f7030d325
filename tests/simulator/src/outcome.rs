//! What a scenario found: figures, and whether each is within its bound.

use super::Plot;

/// Which side of a bound is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The figure has to be at most this.
    AtMost(f64),
    /// The figure has to be at least this.
    AtLeast(f64),
}

/// One measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What was measured, in words: `last node`.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what: `ms`, `%`, `hops`. Empty for ratios.
    pub unit: &'static str,
    /// What it has to keep to; `None` for what is only told.
    pub bound: Option<Bound>,
}

impl Figure {
    /// A figure that is only told.
    pub fn told(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let (name, bound) = (name.into(), None);
        Self {
            name,
            value,
            unit,
            bound,
        }
    }

    /// A figure that has to be at most `most`.
    pub fn at_most(name: impl Into<String>, value: f64, unit: &'static str, most: f64) -> Self {
        let bound = Some(Bound::AtMost(most));
        Self {
            bound,
            ..Self::told(name, value, unit)
        }
    }

    /// A figure that has to be at least `least`.
    pub fn at_least(name: impl Into<String>, value: f64, unit: &'static str, least: f64) -> Self {
        let bound = Some(Bound::AtLeast(least));
        Self {
            bound,
            ..Self::told(name, value, unit)
        }
    }

    /// Whether it keeps to its bound. A value that is no number keeps to none.
    pub fn holds(&self) -> bool {
        match self.bound {
            None => true,
            Some(Bound::AtMost(most)) => self.value <= most,
            Some(Bound::AtLeast(least)) => self.value >= least,
        }
    }
}

/// What a scenario found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was measured, in the order of telling.
    pub figures: Vec<Figure>,
    /// What can be drawn of it.
    pub plots: Vec<Plot>,
    /// All that happened, as a hash.
    pub log_hash: blake3::Hash,
}

impl Outcome {
    /// Whether every figure keeps to its bound.
    pub fn holds(&self) -> bool {
        self.figures.iter().all(Figure::holds)
    }
}

/// Told while a scenario runs: what it does now, and how much of it is done, 0 to 1.
pub type Progress<'a> = dyn FnMut(&str, f64) + 'a;
