//! Partial views and a broadcast tree, for scenario files.

use std::sync::Arc;

use rand::RngExt;

use super::{Disk, Subject, Views};
use crate::checkers::Heard;
use crate::worlds::{KEEP_ALIVE, OverlayConfig, OverlayInput, OverlayNode};
use crate::{Engine, Index};

fn config(nodes: Index) -> OverlayConfig {
    OverlayConfig {
        keep_alive_interval: Some(KEEP_ALIVE),
        ..OverlayConfig::of(nodes)
    }
}

fn add_contact(node: Index, contacts: Index, engine: &mut Engine<OverlayNode>) {
    let contact = engine.rng.random_range(0..contacts.max(1));
    engine.input(node, OverlayInput::Contact(contact));
}

impl Subject for OverlayNode {
    const VIEWS: Views = Views::Partial;

    /// Each joins through one that was there before it.
    fn start(nodes: Index, engine: &mut Engine<Self>) {
        let config = config(nodes);
        for node in 0..nodes {
            let now = engine.now;
            let process = Self::new(&config, node, now, &mut engine.rng);
            engine.add(process);
            if node > 0 {
                add_contact(node, node, engine);
            }
        }
    }

    /// The disk holds addresses of its last neighbours. A configuration names a node.
    fn again(node: Index, before: Self, disk: Disk, engine: &mut Engine<Self>) {
        let nodes = engine.len() as Index;
        let now = engine.now;
        let process = Self::new(&config(nodes), node, now, &mut engine.rng);
        engine.restart(node, process);
        let contacts = match disk {
            Disk::Kept => before.neighbours(),
            Disk::Lost => Vec::new(),
        };
        for contact in contacts {
            engine.input(node, OverlayInput::Contact(contact));
        }
        add_contact(node, nodes, engine);
    }

    fn say(payload: Arc<[u8]>) -> Option<Self::Input> {
        Some(OverlayInput::Say(payload))
    }

    fn heard(&self) -> Option<&Heard> {
        Some(&self.heard)
    }

    fn view(&self) -> Option<Vec<Index>> {
        Some(self.neighbours())
    }
}
