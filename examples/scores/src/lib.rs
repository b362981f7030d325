//! Every player's points: a map of counters, without new code.

use replicant_pn_counter::PnCounter;
use replicant_sdk::compose::{Compose, Composed, Map};

/// The name of the type, and what it is made of.
pub struct Scores;

impl Compose for Scores {
    const NAME: &'static str = "scores";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Every player's points.";
    type Of = Map<String, PnCounter>;
}

replicant_sdk::export!(Composed<Scores>);

#[cfg(test)]
mod tests {
    replicant_sdk::laws!(super::Composed<super::Scores>);
}
