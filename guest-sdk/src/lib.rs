//! Write a CRDT for Replicant: one trait, one macro.
//!
//! A type is a struct that implements [`Crdt`]: its fields are the state, [`Crdt::prepare`] turns
//! a command into an op where it is given, and [`Crdt::effect`] applies the op on every replica.
//! [`export!`] makes the crate a component that a Replicant node can load. Compiled for any other
//! target, the same crate is plain Rust, so its logic is tested and measured without WebAssembly;
//! one line, [`laws!`], checks that replicas converge.
//!
//! ```
//! use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
//! use serde::{Deserialize, Serialize};
//!
//! /// Remembers the largest number that anyone has reported.
//! #[derive(Default, Serialize, Deserialize)]
//! struct HighScore {
//!     best: u64,
//! }
//!
//! impl Crdt for HighScore {
//!     const NAME: &'static str = "high-score";
//!     const VERSION: &'static str = "0.1.0";
//!     const SUMMARY: &'static str = "The largest number reported by anyone.";
//!     type Command = u64;
//!     type Op = u64;
//!     type Query = ();
//!     type Answer = ();
//!     type Value = u64;
//!     type Event = u64;
//!
//!     fn prepare(&self, _: &Context, score: u64) -> Result<Option<u64>, Refusal> {
//!         Ok((score > self.best).then_some(score))
//!     }
//!
//!     fn effect(&mut self, _: &Context, score: u64, events: &mut Events<u64>) {
//!         if score > self.best {
//!             self.best = score;
//!             events.emit(|| score);
//!         }
//!     }
//!
//!     fn value(&self) -> u64 {
//!         self.best
//!     }
//!
//!     fn sample(&self, random: &mut Random) -> u64 {
//!         random.below(1_000)
//!     }
//! }
//!
//! replicant_sdk::export!(HighScore);
//! ```
//!
//! Types are put together from others with what is in [`compose`]: a map of counters needs no code.
//! A type that is rather a state with a merge than a set of ops implements [`DeltaCrdt`], and is
//! exported with [`export_delta!`].

mod context;
mod crdt;
mod delta;
mod events;
mod object;
mod random;
mod refusal;
mod version;

pub mod cbor;
pub mod compose;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
pub mod json;
#[cfg(not(target_arch = "wasm32"))]
pub mod laws;
pub mod log;
pub mod postcard_bytes;

pub use context::{Context, Dot, Stable, Stamp};
pub use crdt::Crdt;
pub use delta::{Delta, DeltaCrdt};
pub use events::Events;
pub use object::{Items, Object, Packed, Run, Updated};
pub use random::Random;
pub use refusal::{LoadError, Malformed, Refusal};

/// Makes the crate a component that implements `$type`, which must implement [`Crdt`].
///
/// Only the WebAssembly build is affected; for any other target it checks that `$type` is one.
#[cfg(not(target_arch = "wasm32"))]
#[macro_export]
macro_rules! export {
    ($type:ty) => {
        const _: () = {
            const fn is_a_type<T: $crate::Crdt>() {}
            is_a_type::<$type>()
        };
    };
}

/// Makes the crate a component that implements `$type`, which must implement [`Crdt`].
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! export {
    ($type:ty) => {
        const _: () = {
            type Component = $crate::guest::Component<$type>;
            $crate::guest::bindings::export_component!(
                Component with_types_in $crate::guest::bindings
            );
        };
    };
}

/// Makes the crate a component that implements the state-based `$type`, which must implement
/// [`DeltaCrdt`].
///
/// Only the WebAssembly build is affected; for any other target it checks that `$type` is one.
#[cfg(not(target_arch = "wasm32"))]
#[macro_export]
macro_rules! export_delta {
    ($type:ty) => {
        const _: () = {
            const fn is_a_type<T: $crate::DeltaCrdt>() {}
            is_a_type::<$type>()
        };
    };
}

/// Makes the crate a component that implements the state-based `$type`, which must implement
/// [`DeltaCrdt`].
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! export_delta {
    ($type:ty) => {
        const _: () = {
            type Component = $crate::guest::DeltaComponent<$type>;
            $crate::guest::delta_bindings::export_delta_component!(
                Component with_types_in $crate::guest::delta_bindings
            );
        };
    };
}
