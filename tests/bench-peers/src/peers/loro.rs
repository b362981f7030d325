//! loro: Fugue on an event graph, with containers and history.

use loro::{ExportMode, LoroDoc, LoroText};

use super::Peer;
use crate::trace::Patch;

/// A document with one text.
pub struct Loro {
    document: LoroDoc,
    text: LoroText,
}

impl Loro {
    fn patch(&self, patch: &Patch) {
        let Patch { at, delete, insert } = patch;
        if *delete > 0 {
            self.text.delete(*at, *delete).expect("in range");
        }
        if !insert.is_empty() {
            self.text.insert(*at, insert).expect("in range");
        }
    }

    fn of(document: LoroDoc) -> Self {
        let text = document.get_text("text");
        Self { document, text }
    }
}

impl Peer for Loro {
    fn new() -> Self {
        Self::of(LoroDoc::new())
    }

    fn edit(&mut self, patches: &[Patch]) {
        patches.iter().for_each(|patch| self.patch(patch));
        self.document.commit();
    }

    fn update(&mut self, patch: &Patch) -> Vec<u8> {
        let before = self.document.oplog_vv();
        self.patch(patch);
        self.document.commit();
        let update = self.document.export(ExportMode::updates(&before));
        update.expect("an update")
    }

    fn apply(&mut self, update: &[u8]) {
        self.document.import(update).expect("an update");
    }

    fn save(&mut self) -> Vec<u8> {
        let saved = self.document.export(ExportMode::Snapshot);
        saved.expect("a snapshot")
    }

    fn load(saved: &[u8]) -> Self {
        let document = LoroDoc::new();
        document.import(saved).expect("saved bytes");
        Self::of(document)
    }

    fn text(&self) -> String {
        self.text.to_string()
    }
}
