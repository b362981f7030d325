//! What must be true at the end of a run, apart from how the protocols got there.

mod delivery;

pub use delivery::{Heard, Reach, Receipt, Said, reach};
