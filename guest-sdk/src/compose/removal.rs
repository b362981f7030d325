//! What both flavours of removal have in common.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use super::part::PartOp;
use crate::{Context, Crdt, Events, Malformed, Stable};

/// What becomes of updates that are concurrent to a removal: [`UpdateWins`](super::UpdateWins) or
/// [`ResetWins`](super::ResetWins).
pub trait Removal: 'static {
    /// The place of a part that can be removed.
    type Cell<T: Crdt>: Cell<T>;
    /// In words, for summaries.
    const SUMMARY: &'static str;
}

/// A place for a part that is there or not.
pub trait Cell<T: Crdt>: Default + Serialize + DeserializeOwned + 'static {
    /// What an update says of what its author had seen.
    type Seen: Clone + Debug + PartialEq + Serialize + DeserializeOwned;
    /// What a removal says of what its author had seen.
    type Observed: Clone + Debug + PartialEq + Serialize + DeserializeOwned;

    /// Returns the part, if it is there.
    fn part(&self) -> Option<&T>;

    /// What an update that is made now says.
    fn seen(&self) -> Self::Seen;

    /// What a removal that is made now says.
    fn observed(&self) -> Self::Observed;

    /// Applies an update. The part is there afterwards, unless the update counts for nothing.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the part cannot read the op; nothing was changed.
    fn update(
        &mut self,
        context: &Context,
        seen: &Self::Seen,
        op: &PartOp,
        events: &mut Events<T::Event>,
    ) -> Result<(), Malformed>;

    /// Applies a removal.
    fn remove(&mut self, context: &Context, observed: &Self::Observed);

    /// Forgets what no future op can need; see [`Crdt::compact`].
    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool;

    /// Says whether there is nothing left to keep: it is as it was at first.
    fn is_empty(&self) -> bool;
}
