//! What scenario files need of a world.

mod rapid;
mod swim;
mod tree;

use std::sync::Arc;

use crate::checkers::Heard;
use crate::{Engine, Index, Process};

/// What a node keeps when it goes and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// All that it had written.
    Kept,
    /// Nothing but its name and its configuration.
    Lost,
}

/// Which nodes a node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// All of them: it was told, and learns nothing.
    Told,
    /// Its neighbours: it was told, and learns nothing.
    Fixed,
    /// Some, its neighbours.
    Partial,
    /// All of them, and whether they are alive.
    Full,
}

/// A world that scenario files can drive.
pub trait Subject: Process + Sized {
    /// Which nodes its nodes know.
    const VIEWS: Views;

    /// Adds so many nodes, and has them join each other.
    fn start(nodes: Index, engine: &mut Engine<Self>);

    /// Starts a node again. `before` is what it was when it went.
    fn again(node: Index, before: Self, disk: Disk, engine: &mut Engine<Self>);

    /// What makes a node say something to all; `None` where nodes say nothing.
    fn say(payload: Arc<[u8]>) -> Option<Self::Input>;

    /// What it delivered.
    fn heard(&self) -> Option<&Heard>;

    /// Whom it takes for a neighbour or, with a full view, for alive; without itself. `None` where
    /// it was told.
    fn view(&self) -> Option<Vec<Index>>;
}
