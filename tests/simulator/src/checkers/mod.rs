//! What must be true at the end of a run, apart from how the protocols got there.

mod acknowledgement;
mod delivery;
mod membership;
mod views;

pub use acknowledgement::{Wrong, wrong};
pub use delivery::{Heard, Reach, Receipt, Said, reach};
pub use membership::{Detection, detection, disagreements, false_suspicions, given_up};
pub use views::Views;
