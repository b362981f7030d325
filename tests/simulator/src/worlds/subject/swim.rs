//! SWIM with a full view, for scenario files.

use std::sync::Arc;

use rand::RngExt;
use replicant_protocol::membership::{Membership as _, Status};

use super::{Disk, Subject, Views};
use crate::checkers::Heard;
use crate::worlds::{Keys, SwimInput, SwimNode, swim_config};
use crate::{Engine, Index};

/// Joins through some node, as its configuration says.
fn join(node: Index, nodes: Index, engine: &mut Engine<SwimNode>) {
    let seed = engine.rng.random_range(0..nodes.max(1));
    engine.input(node, SwimInput::Join(seed));
}

impl Subject for SwimNode {
    const VIEWS: Views = Views::Full;

    /// All know all, as after an earlier run.
    fn start(nodes: Index, engine: &mut Engine<Self>) {
        let (config, keys) = (swim_config(nodes), Keys::new(nodes));
        for node in 0..nodes {
            let now = engine.now;
            let process = Self::new(node, 0, &config, &keys, now, &mut engine.rng);
            engine.add(process);
        }
        let records = engine.nodes().flat_map(|(_, node)| node.swim().records());
        let records = Vec::from_iter(records);
        for node in 0..nodes {
            engine.input(node, SwimInput::Known(records.clone()));
        }
    }

    /// The disk holds how often it started, and what it knew of others.
    fn again(node: Index, before: Self, disk: Disk, engine: &mut Engine<Self>) {
        let nodes = engine.len() as Index;
        let starts = match disk {
            Disk::Kept => before.generation + 1,
            Disk::Lost => 0,
        };
        let (now, config) = (engine.now, swim_config(nodes));
        let process = Self::new(node, starts, &config, &before.keys, now, &mut engine.rng);
        engine.restart(node, process);
        if disk == Disk::Kept {
            engine.input(node, SwimInput::Known(before.swim().records()));
        }
        join(node, nodes, engine);
    }

    fn say(_: Arc<[u8]>) -> Option<Self::Input> {
        None
    }

    fn heard(&self) -> Option<&Heard> {
        None
    }

    fn view(&self) -> Option<Vec<Index>> {
        let members = self.swim().members().into_iter();
        let here = |status| matches!(status, Status::Alive | Status::Suspect);
        let others = members.filter(|member| member.node != self.id() && here(member.status));
        let others = others.filter_map(|member| self.keys.index_of(&member.node));
        Some(others.collect())
    }
}
