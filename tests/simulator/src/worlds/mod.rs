//! What a node of a simulation is: the protocols under test, put together as the driver of a real
//! node does.

mod flood;
mod graph;
mod subject;

pub use flood::FloodNode;
pub use graph::random_graph;
pub use subject::{Disk, Subject, Views};
