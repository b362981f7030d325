//! What every type must keep to, as tests that any type can run with one line.
//!
//! ```
//! # use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
//! # #[derive(Default, serde::Serialize, serde::Deserialize)]
//! # struct Sum(u64);
//! # impl Crdt for Sum {
//! #     const NAME: &'static str = "sum";
//! #     const VERSION: &'static str = "0.1.0";
//! #     const SUMMARY: &'static str = "";
//! #     type Command = u64;
//! #     type Op = u64;
//! #     type Query = ();
//! #     type Answer = ();
//! #     type Value = u64;
//! #     type Event = ();
//! #     fn prepare(&self, _: &Context, by: u64) -> Result<Option<u64>, Refusal> {
//! #         Ok(Some(by))
//! #     }
//! #     fn effect(&mut self, _: &Context, by: u64, _: &mut Events<()>) {
//! #         self.0 += by;
//! #     }
//! #     fn value(&self) -> u64 {
//! #         self.0
//! #     }
//! #     fn sample(&self, random: &mut Random) -> u64 {
//! #         random.below(10)
//! #     }
//! # }
//! #[cfg(test)]
//! mod tests {
//!     replicant_sdk::laws!(super::Sum);
//! }
//! # replicant_sdk::laws::replicas_converge::<Sum>();
//! # replicant_sdk::laws::compaction_is_invisible::<Sum>();
//! ```
//!
//! Each law runs many random histories: a few replicas give themselves commands of the type's own
//! [`sample`](crate::Crdt::sample), and exchange the ops in random causal orders, in pieces of
//! random length. Every case follows from its seed. A failure prints the history, the seed and
//! the command that replays it; `REPLICANT_LAWS_SEED` runs one seed only, `REPLICANT_LAWS_CASES`
//! how many seeds there are.
//!
//! The laws can fail: the tests of this module break each of them on purpose.

mod cluster;
mod compaction;
mod diagnostic;
mod faithful;
mod lattice;

use std::env;

use crate::{Crdt, Delta, DeltaCrdt, Random};
use cluster::Cluster;
use lattice::History;

/// How many seeds are tried unless `REPLICANT_LAWS_CASES` says otherwise: enough that each of the
/// faults in this module's tests is found, few enough that nobody waits.
const CASES: u64 = 64;

/// Why a case fails, in words, with the history that led there.
type Case = Result<(), String>;

/// Replicas that have applied the same ops have the same value and the same saved bytes, in
/// whatever causal order the ops came and wherever the runs were cut; also when some of them were
/// saved and loaded in between.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn replicas_converge<T: Crdt>() {
    for_every_seed::<T>("replicas_converge", |random| {
        let mut cluster = Cluster::<T>::new(random);
        cluster.live(random, 50)?;
        cluster.settle(random)?;
        cluster.check_equal()?;
        cluster.check_replays(random)
    });
}

/// If an op is void, because its author's command was a trap, the ops that build on it have no
/// effect or another one, but the same everywhere.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn void_ops_do_not_part_replicas<T: Crdt>() {
    for_every_seed::<T>("void_ops_do_not_part_replicas", |random| {
        let mut cluster = Cluster::<T>::new(random);
        cluster.live(random, 30)?;
        cluster.make_one_void(random);
        cluster.check_replays(random)
    });
}

/// Saving what was loaded gives the same bytes, and the loaded state has the same value.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn saved_states_come_back<T: Crdt>() {
    each_state::<T>("saved_states_come_back", |state, _| {
        state.check_comes_back()
    });
}

/// A command that is refused, or that has nothing to change, leaves the state as it was and makes
/// no op. The commands are valid ones of other states, and damaged ones.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn refused_commands_change_nothing<T: Crdt>() {
    each_state::<T>("refused_commands_change_nothing", |state, random| {
        state.check_refusals(random)
    });
}

/// Reading the value and asking queries, sensible or not, changes nothing and gives the same
/// answer again.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn queries_change_nothing<T: Crdt>() {
    each_state::<T>("queries_change_nothing", |state, random| {
        state.check_queries(random)
    });
}

/// `update` is `prepare` followed by `effect`: the same op, the same state and the same events, at
/// its source and where it is applied.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn updating_is_preparing_and_applying<T: Crdt>() {
    each_state::<T>("updating_is_preparing_and_applying", |state, random| {
        state.check_update(random)
    });
}

/// An op that is damaged is refused without a trace, or is another op; it never panics.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn damaged_ops_do_no_harm<T: Crdt>() {
    each_state::<T>("damaged_ops_do_no_harm", |state, random| {
        state.check_damaged_ops(random)
    });
}

/// No value and no later command can tell compacted replicas from others, whenever snapshots are
/// made and adopted; and the compacted states are the same everywhere.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn compaction_is_invisible<T: Crdt>() {
    for_every_seed::<T>("compaction_is_invisible", |random| {
        compaction::check::<T>(random)
    });
}

/// Merging the same state or delta again changes nothing.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn merging_is_idempotent<T: DeltaCrdt>() {
    each_history::<T>("merging_is_idempotent", |history, random| {
        history.check_idempotent(random)
    });
}

/// Of two states, each can be merged into the other with the same outcome.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn merging_commutes<T: DeltaCrdt>() {
    each_history::<T>("merging_commutes", |history, random| {
        history.check_commutative(random)
    });
}

/// Of three states, it does not matter which two are merged first.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn merging_is_associative<T: DeltaCrdt>() {
    each_history::<T>("merging_is_associative", |history, random| {
        history.check_associative(random)
    });
}

/// Merging deltas leads to the state that merging whole states leads to.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn deltas_make_the_state<T: DeltaCrdt>() {
    each_history::<T>("deltas_make_the_state", |history, _| {
        history.check_deltas_make_the_state()
    });
}

/// Deltas that come late, twice, or before those that they followed do no harm.
///
/// # Panics
///
/// If a case fails, with its seed.
pub fn old_deltas_do_no_harm<T: DeltaCrdt>() {
    each_history::<T>("old_deltas_do_no_harm", |history, random| {
        history.check_old_deltas(random)
    });
}

/// Runs a law on what a random history of a state-based type leads to.
fn each_history<T: DeltaCrdt>(law: &'static str, check: impl Fn(&History<T>, &mut Random) -> Case) {
    for_every_seed::<Delta<T>>(law, |random| {
        let history = History::<T>::new(random)?;
        (0..4).try_for_each(|_| check(&history, random))
    });
}

/// Runs a law on one replica's state in the middle of a random history.
fn each_state<T: Crdt>(
    law: &'static str,
    check: impl Fn(&faithful::Probe<'_, T>, &mut Random) -> Case,
) {
    for_every_seed::<T>(law, |random| {
        let mut cluster = Cluster::<T>::new(random);
        let steps = random.below(40);
        cluster.live(random, steps)?;
        cluster.probe(random, |probe, random| check(probe, random))
    });
}

/// Runs a law for every seed.
fn for_every_seed<T: Crdt>(law: &'static str, case: impl Fn(&mut Random) -> Case) {
    let number = |name: &str| {
        env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    let seeds = match number("REPLICANT_LAWS_SEED") {
        Some(seed) => seed..=seed,
        None => {
            0..=number("REPLICANT_LAWS_CASES")
                .unwrap_or(CASES)
                .saturating_sub(1)
        }
    };
    for seed in seeds {
        let _announced = Announced {
            law,
            name: T::NAME,
            seed,
        };
        if let Err(reason) = case(&mut Random::new(seed)) {
            broken(&reason);
        }
    }
}

#[allow(clippy::panic)]
fn broken(reason: &str) -> ! {
    panic!("{reason}");
}

/// Tells the seed if the case panics, be it in the type itself.
struct Announced {
    law: &'static str,
    name: &'static str,
    seed: u64,
}

impl Drop for Announced {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { law, name, seed } = self;
            eprintln!("\n{name} breaks the law {law} with seed {seed}. To replay it:");
            eprintln!("    REPLICANT_LAWS_SEED={seed} cargo test {law}\n");
        }
    }
}

/// Makes a test of every law for a type: `replicant_sdk::laws!(GCounter);` in a test module.
#[macro_export]
macro_rules! laws {
    ($type:ty) => {
        $crate::laws! {
            @tests $type:
            replicas_converge
            void_ops_do_not_part_replicas
            saved_states_come_back
            refused_commands_change_nothing
            queries_change_nothing
            updating_is_preparing_and_applying
            damaged_ops_do_no_harm
            compaction_is_invisible
        }
    };
    (@tests $type:ty: $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                $crate::laws::$law::<$type>();
            }
        )*
    };
}

/// Makes a test of every law for a state-based type, those of all types included:
/// `replicant_sdk::delta_laws!(LwwMap);` in a test module.
#[macro_export]
macro_rules! delta_laws {
    ($type:ty) => {
        $crate::laws!($crate::Delta<$type>);
        $crate::laws! {
            @tests $type:
            merging_is_idempotent
            merging_commutes
            merging_is_associative
            deltas_make_the_state
            old_deltas_do_no_harm
        }
    };
}

#[cfg(test)]
mod lattice_tests;
#[cfg(test)]
mod tests;
