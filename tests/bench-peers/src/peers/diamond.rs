//! diamond-types: an event graph, with a rope beside it.

use diamond_types::AgentId;
use diamond_types::list::ListCRDT;
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};

use super::Peer;
use crate::trace::Patch;

/// A text and who types it.
pub struct Diamond {
    list: ListCRDT,
    agent: AgentId,
}

impl Diamond {
    fn patch(&mut self, patch: &Patch) {
        let Patch { at, delete, insert } = patch;
        if *delete > 0 {
            self.list
                .delete_without_content(self.agent, *at..*at + *delete);
        }
        if !insert.is_empty() {
            self.list.insert(self.agent, *at, insert);
        }
    }
}

impl Peer for Diamond {
    fn new() -> Self {
        let mut list = ListCRDT::new();
        let agent = list.get_or_create_agent_id("author");
        Self { list, agent }
    }

    fn edit(&mut self, patches: &[Patch]) {
        patches.iter().for_each(|patch| self.patch(patch));
    }

    fn update(&mut self, patch: &Patch) -> Vec<u8> {
        let before = self.list.oplog.local_version();
        self.patch(patch);
        self.list.oplog.encode_from(ENCODE_PATCH, &before)
    }

    fn apply(&mut self, update: &[u8]) {
        self.list.merge_data_and_ff(update).expect("an update");
    }

    fn save(&mut self) -> Vec<u8> {
        self.list.oplog.encode(ENCODE_FULL)
    }

    fn load(saved: &[u8]) -> Self {
        let mut list = ListCRDT::load_from(saved).expect("saved bytes");
        let agent = list.get_or_create_agent_id("author");
        Self { list, agent }
    }

    fn text(&self) -> String {
        self.list.branch.content().to_string()
    }
}
