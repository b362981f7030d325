//! Types made of others, without new code.
//!
//! | combinator | is |
//! | --- | --- |
//! | [`Map<K, V>`] | a part for each key; updates that are concurrent to its removal stay |
//! | [`Map<K, V, ResetWins>`] | the same, but its removal takes concurrent updates away too |
//! | [`Optional<T>`] | a part that is there or not, in either flavour |
//! | [`Pair<A, B>`] | two parts |
//!
//! Each is a [`Crdt`](crate::Crdt) whose parts are any that are, combinators included; [`Composed`]
//! gives one a name, so that it can be exported:
//!
//! ```
//! use replicant_sdk::compose::{Compose, Composed, Map};
//! # use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
//! # #[derive(Default, serde::Serialize, serde::Deserialize)]
//! # struct Counter(u64);
//! # impl Crdt for Counter {
//! #     const NAME: &'static str = "counter";
//! #     const VERSION: &'static str = "0.1.0";
//! #     const SUMMARY: &'static str = "A counter.";
//! #     type Command = u64;
//! #     type Op = u64;
//! #     type Query = ();
//! #     type Answer = ();
//! #     type Value = u64;
//! #     type Event = u64;
//! #     fn prepare(&self, _: &Context, by: u64) -> Result<Option<u64>, Refusal> {
//! #         Ok((by > 0).then_some(by))
//! #     }
//! #     fn effect(&mut self, _: &Context, by: u64, events: &mut Events<u64>) {
//! #         self.0 = self.0.wrapping_add(by);
//! #         events.emit(|| by);
//! #     }
//! #     fn value(&self) -> u64 {
//! #         self.0
//! #     }
//! #     fn sample(&self, random: &mut Random) -> u64 {
//! #         random.below(10)
//! #     }
//! # }
//!
//! /// Every player's points.
//! struct Scores;
//!
//! impl Compose for Scores {
//!     const NAME: &'static str = "scores";
//!     const VERSION: &'static str = "0.1.0";
//!     const SUMMARY: &'static str = "Every player's points.";
//!     type Of = Map<String, Counter>;
//! }
//!
//! replicant_sdk::export!(Composed<Scores>);
//! # replicant_sdk::laws::replicas_converge::<Composed<Scores>>();
//! ```
//!
//! # What holds by construction
//!
//! - A part sees its own ops, each once, in causal order, with the dot and the timestamp of the
//!   whole op. So what it promises for itself it keeps here. A part whose ops name things by
//!   numbers that its state gives out, as `text` does, would give them again after a removal that
//!   leaves some ops: it can only be removed as [`ResetWins`] does; see
//!   [`NAMES_BY_DOT`](crate::Crdt::NAMES_BY_DOT).
//! - Removing makes no tombstone that stays: what a removal leaves is forgotten when it is stable.
//! - Commands, queries, values, events and their schemas are those of the parts, with the path to
//!   them around. Each part can be asked for its `"value"`, as every object can.
//! - An op carries the schema version of its part's op, and a saved state the version of its part,
//!   so a new version of a part reads what an older one wrote. Give the composed type a new version
//!   when one of its parts gets one.
//! - What one command can add is bounded: [`KEY_BYTES_MAX`], [`KEYS_MAX`].
//!
//! Source of the flavours of removal: Carlos Baquero, Paulo Sérgio Almeida and Ali Shoker, "Pure
//! operation-based replicated data types" (2017), whose log of ops that are not yet stable
//! [`UpdateWins`] keeps; Paulo Sérgio Almeida, Ali Shoker and Carlos Baquero, "Delta state
//! replicated data types" (2018), section 7.3 (map of causal CRDTs, whose removal resets what its
//! author had seen); for the words reset and remove wins, Marc Shapiro, Nuno Preguiça, Carlos
//! Baquero and Marek Zawirski, "A comprehensive study of Convergent and Commutative Replicated Data
//! Types" (2011), section 3.3.

mod ask;
mod causes;
mod composed;
mod key;
mod map;
mod optional;
mod pair;
mod part;
mod removal;
mod reset_wins;
mod schema;
mod update_wins;

pub use ask::{PartAnswer, PartQuery};
pub use composed::{Compose, Composed};
pub use key::{KEY_BYTES_MAX, Key};
pub use map::{KEYS_MAX, Map, MapAnswer, MapCommand, MapEvent, MapOp, MapQuery};
pub use optional::{Optional, OptionalCommand, OptionalEvent, OptionalOp};
pub use pair::{Pair, PairAnswer, PairCommand, PairEvent, PairOp, PairQuery};
pub use part::PartOp;
pub use removal::{Cell, Removal};
pub use reset_wins::{ResetWins, ResetWinsCell};
pub use update_wins::{UpdateWins, UpdateWinsCell};

#[cfg(test)]
mod tests;
