//! automerge: RGA over a columnar store of all ops.

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjId, ObjType, ROOT, ReadDoc, TextEncoding};

use super::Peer;
use crate::trace::Patch;

/// A document with one text. None until its making has arrived.
pub struct Automerge {
    document: AutoCommit,
    text: Option<ObjId>,
}

impl Automerge {
    fn empty() -> AutoCommit {
        AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint)
    }

    fn patch(&mut self, patch: &Patch) {
        let text = self.text.as_ref().expect("an author has a text");
        self.document
            .splice_text(text, patch.at, patch.delete as isize, &patch.insert)
            .expect("in range");
    }

    fn found(&self) -> Option<ObjId> {
        let found = self.document.get(ROOT, "text").expect("the root is a map");
        found.map(|(_, id)| id)
    }
}

impl Peer for Automerge {
    fn new() -> Self {
        let mut document = Self::empty();
        let text = document
            .put_object(ROOT, "text", ObjType::Text)
            .expect("a text");
        Self {
            document,
            text: Some(text),
        }
    }

    fn receiver() -> Self {
        Self {
            document: Self::empty(),
            text: None,
        }
    }

    fn edit(&mut self, patches: &[Patch]) {
        patches.iter().for_each(|patch| self.patch(patch));
        self.document.commit();
    }

    fn update(&mut self, patch: &Patch) -> Vec<u8> {
        self.patch(patch);
        self.document.commit();
        self.document.save_incremental()
    }

    fn apply(&mut self, update: &[u8]) {
        self.document.load_incremental(update).expect("an update");
    }

    fn save(&mut self) -> Vec<u8> {
        self.document.save()
    }

    fn load(saved: &[u8]) -> Self {
        Self {
            document: AutoCommit::load(saved).expect("saved bytes"),
            text: None,
        }
    }

    fn text(&self) -> String {
        let text = self.found().expect("the text has arrived");
        self.document.text(text).expect("a text")
    }
}
