//! The honest types that mutants are made of, each a small relative of one that ships, and
//! [`Mutant`], which does all that its type does but for what its [`Twist`] says. The state-based
//! ones, [`Fields`] and [`Visits`], take a twist of their own.
//!
//! That the types by themselves keep to every law is tested with the packages in `honest`.

mod balance;
mod counter;
mod fields;
mod list;
mod mutant;
mod register;
mod set;
mod tally;
mod visits;

pub use balance::{Balance, Payment};
pub use counter::Counter;
pub use fields::{Fields, FieldsTwist, HonestFields, Setting, Write};
pub use list::{Edit, Item, Key, List};
pub use mutant::{Mutant, Twist};
pub use register::{Register, Stamp};
pub use set::{Change, Lookup, Set, SetOp};
pub use tally::{Addition, Entry, Tally, TallyOp};
pub use visits::{HonestVisits, Share, Visits, VisitsTwist};
