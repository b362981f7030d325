//! Rapid broadcast among nodes that were told of all, for scenario files.

use std::sync::Arc;

use replicant_protocol::broadcast::rapid::Config;
use replicant_protocol::ids::NodeId;

use super::{Disk, Subject, Views};
use crate::checkers::Heard;
use crate::worlds::{RapidNode, Say};
use crate::{Engine, Index, node_id};

fn everyone(nodes: Index) -> Arc<[NodeId]> {
    let mut everyone = Vec::from_iter((0..nodes).map(node_id));
    everyone.sort_unstable();
    everyone.into()
}

impl Subject for RapidNode {
    const VIEWS: Views = Views::Told;

    fn start(nodes: Index, engine: &mut Engine<Self>) {
        let everyone = everyone(nodes);
        for node in 0..nodes {
            engine.add(Self::new(node, Config::default(), everyone.clone()));
        }
    }

    fn again(node: Index, before: Self, disk: Disk, engine: &mut Engine<Self>) {
        let again = match disk {
            Disk::Kept => before,
            Disk::Lost => Self::new(node, Config::default(), everyone(engine.len() as Index)),
        };
        engine.restart(node, again);
    }

    fn say(payload: Arc<[u8]>) -> Option<Self::Input> {
        Some(Say { payload, ask: None })
    }

    fn heard(&self) -> Option<&Heard> {
        Some(&self.heard)
    }

    fn view(&self) -> Option<Vec<Index>> {
        None
    }
}
