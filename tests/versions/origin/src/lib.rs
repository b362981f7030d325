//! A sum that grows, in versions that differ in ops, saved state, commands and value.

mod named;
mod plain;

pub use named::{Forgetful, Named, Wrong};
pub use plain::Plain;

/// The encoding of ops of 1.x: a number.
pub const PLAIN: u32 = 1;

/// The encoding of ops of 2.x: a number, and who added it.
pub const NAMED: u32 = 2;
