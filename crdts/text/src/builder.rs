//! Builds a sequence from all its runs at once, as loading does.

use crate::leaf::{LEAF_RUNS_MAX, Leaf};
use crate::run::Run;
use crate::sequence::{PIECE_BYTES_MAX, Sequence};

/// Cuts runs with their text into leaves that are not full, so that edits find room.
#[derive(Default)]
pub(crate) struct LeafBuilder {
    done: Vec<Leaf>,
    leaf: Option<Leaf>,
}

impl LeafBuilder {
    const RUNS: usize = LEAF_RUNS_MAX * 3 / 4;

    /// Appends a run with its text (empty if it is deleted).
    pub(crate) fn push(&mut self, mut run: Run, mut text: &str) {
        while run.visible && text.len() > PIECE_BYTES_MAX {
            let mut bytes = PIECE_BYTES_MAX;
            while !text.is_char_boundary(bytes) {
                bytes -= 1;
            }
            let (piece, rest) = text.split_at(bytes);
            let behind = run.split_off(piece.chars().count() as u32);
            self.push_piece(run, piece);
            (run, text) = (behind, rest);
        }
        self.push_piece(run, text);
    }

    fn push_piece(&mut self, run: Run, text: &str) {
        let full = self.leaf.as_ref().is_some_and(|leaf| {
            leaf.runs.len() >= Self::RUNS || leaf.text.bytes() + text.len() > PIECE_BYTES_MAX
        });
        if full {
            self.done.extend(self.leaf.take());
        }
        let leaf = self.leaf.get_or_insert_with(Leaf::new);
        let end = leaf.text.chars();
        leaf.text.insert(end, text, run.visible_len());
        leaf.runs.push(run);
    }

    /// Returns the sequence; none if two runs overlap.
    pub(crate) fn finish(mut self) -> Option<Sequence> {
        self.done.extend(self.leaf);
        Sequence::from_leaves(self.done)
    }
}
