//! What a node of a simulation is: the protocols under test, put together as the driver of a real
//! node does.

mod circles;
mod facts;
mod flood;
mod graph;
mod overlay;
mod random_push;
mod rapid;
mod subject;
mod swim;

pub use circles::{CircleConfig, CircleInput, CircleMessage, CircleNode, publication};
pub use facts::{FactInput, FactMessage, FactNode, WALL_START_MS};
pub use flood::FloodNode;
pub use graph::random_graph;
pub use overlay::{KEEP_ALIVE, OverlayConfig, OverlayInput, OverlayMessage, OverlayNode};
pub use random_push::RandomPushNode;
pub use rapid::{RapidNode, Received, Say};
pub use subject::{Disk, Subject, Views};
pub use swim::{Keys, Notice, SwimInput, SwimNode, swim_config};
