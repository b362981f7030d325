//! Which nodes something happens to.

use rand::seq::SliceRandom;

use super::values::Share;
use crate::worlds::Subject;
use crate::{Engine, Index};

/// So many of the nodes that are up, drawn by the simulation's generator.
pub(super) fn drawn<S: Subject>(engine: &mut Engine<S>, share: Share) -> Vec<Index> {
    let mut nodes = Vec::from_iter(engine.nodes().map(|(node, _)| node));
    nodes.shuffle(&mut engine.rng);
    nodes.truncate((nodes.len() as f64 * share.0).round() as usize);
    nodes
}
