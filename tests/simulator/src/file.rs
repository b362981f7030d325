//! Scenario files: a world, a network, faults and broadcasts over time, and what is expected.
//!
//! The format is described in `docs/simulator.md`. Reading is bounded and total; an error names
//! the line. Times of a file count from when the world has settled.

mod agenda;
mod figures;
mod format;
mod nodes;
mod run;
mod tables;
mod values;

#[cfg(test)]
mod tests;

use crate::worlds::{FloodNode, OverlayNode, RapidNode, SwimNode};
use crate::{Index, Outcome, Progress};

use tables::World;

pub use format::{FILE_BYTES_MAX, FileError, ScenarioFile};
pub use values::NODES;

impl ScenarioFile {
    /// Whether something of it can be drawn: how broadcasts spread.
    pub fn is_drawn(&self) -> bool {
        !self.broadcast.is_empty()
    }

    /// Runs it; `nodes` takes the place of what the file says.
    pub fn run(&self, nodes: Option<Index>, seed: u64, progress: &mut Progress<'_>) -> Outcome {
        let nodes = nodes.unwrap_or(self.nodes());
        match self.world {
            World::Flood => run::run::<FloodNode>(self, nodes, seed, progress),
            World::Rapid => run::run::<RapidNode>(self, nodes, seed, progress),
            World::Tree => run::run::<OverlayNode>(self, nodes, seed, progress),
            World::Swim => run::run::<SwimNode>(self, nodes, seed, progress),
        }
    }
}
