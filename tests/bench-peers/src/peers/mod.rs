//! The other libraries, each as its own documentation says to use it.

pub mod automerge;
pub mod diamond;
pub mod loro;
pub mod yrs;

use crate::clock::Clock;

use crate::ours::BATCH;
use crate::result::Figures;
use crate::trace::Patch;

/// What is asked of a library. Positions are in characters; the traces are ASCII, so bytes and
/// characters are the same.
pub trait Peer: Sized {
    /// Makes an empty text for an author.
    fn new() -> Self;
    /// Makes an empty text that only receives updates.
    fn receiver() -> Self {
        Self::new()
    }
    /// Makes edits as one batch.
    fn edit(&mut self, patches: &[Patch]);
    /// Makes one edit and returns it as an update for others.
    fn update(&mut self, patch: &Patch) -> Vec<u8>;
    /// Applies such an update.
    fn apply(&mut self, update: &[u8]);
    /// Returns the whole state.
    fn save(&mut self) -> Vec<u8>;
    /// Makes a text from that.
    fn load(saved: &[u8]) -> Self;
    /// Returns the text.
    fn text(&self) -> String;
}

/// Measures everything once: all edits in batches, and the first `update_edits` as updates.
pub fn measure<P: Peer>(patches: &[Patch], end: &str, update_edits: usize) -> Figures {
    let mut figures = Figures {
        edits: patches.len(),
        update_edits: update_edits.min(patches.len()),
        ..Figures::default()
    };
    let mut peer = P::new();
    let start = Clock::start();
    patches.chunks(BATCH).for_each(|patches| peer.edit(patches));
    figures.local = Some(start.elapsed());
    assert_eq!(peer.text(), end);

    let start = Clock::start();
    let saved = peer.save();
    figures.save = Some(start.elapsed());
    figures.saved_bytes = Some(saved.len());
    let start = Clock::start();
    let text = P::load(&saved).text();
    figures.load = Some(start.elapsed());
    assert_eq!(text, end);

    let mut author = P::new();
    let mut receiver = P::receiver();
    let first = &patches[..figures.update_edits];
    let start = Clock::start();
    let updates: Vec<Vec<u8>> = first.iter().map(|patch| author.update(patch)).collect();
    figures.made = Some(start.elapsed());
    figures.op_bytes = Some(updates.iter().map(Vec::len).sum());
    let start = Clock::start();
    updates.iter().for_each(|update| receiver.apply(update));
    figures.applied = Some(start.elapsed());
    assert_eq!(receiver.text(), author.text());
    figures
}
