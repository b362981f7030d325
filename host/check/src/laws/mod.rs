//! The laws, each a function of a world that lived through a script. Each looks at fresh objects
//! that are given the world's ops; none depends on what another one did.

mod commands;
mod compaction;
mod lattice;
mod order;
mod states;
mod versions;
mod walk;

use crate::law::{Law, Outcome};
use crate::object::Subject;
use crate::script::Script;
use crate::world::World;

/// Checks one law on what happened in a script. The law of cost is not about scripts.
///
/// Whatever goes wrong on the way, a trap for example, breaks this law: so the same law, checked
/// on a smaller script, can be seen to break in the same way. Samples are the exception: those that
/// fault are tried for both laws in the same way, and one that faults or is too large while another
/// law is looked at is no matter of that law.
pub(crate) fn check(law: Law, subject: &Subject, script: &Script, world: &mut World) -> Outcome {
    subject.begin_anew();
    let outcome = match law {
        // Looked at by whatever calls the component, besides.
        Law::NeverFaults => commands::samples_never_fault(world),
        // Not about scripts.
        Law::CostIsBounded => Ok(()),
        Law::QueriesChangeNothing => states::queries_change_nothing(world),
        Law::NoHiddenState => states::no_hidden_state(world),
        Law::SavedStatesComeBack => states::saved_states_come_back(world),
        Law::SamplesAreValid => commands::samples_are_valid(world),
        Law::RunBoundariesDoNotMatter => order::run_boundaries_do_not_matter(world),
        Law::RefusalsChangeNothing => commands::refusals_change_nothing(world),
        Law::UpdateIsApply => commands::update_is_apply(world),
        Law::MergingIsIdempotent => lattice::merging_is_idempotent(world),
        Law::MergingCommutes => lattice::merging_commutes(world),
        Law::MergingIsAssociative => lattice::merging_is_associative(world),
        Law::DeltasMakeTheState => lattice::deltas_make_the_state(world),
        Law::OldDeltasDoNoHarm => lattice::old_deltas_do_no_harm(world),
        Law::ConcurrentOpsCommute => order::concurrent_ops_commute(world),
        Law::ReplicasConverge => world.check_equal(law, "two replicas have applied the same ops"),
        Law::VoidOpsDoNotPart => order::void_ops_do_not_part(world),
        Law::DamagedOpsDoNoHarm => states::damaged_ops_do_no_harm(world),
        Law::OlderStatesLoad => versions::older_states_load(world),
        Law::CompactionIsInvisible => compaction::is_invisible(subject, script),
    };
    let outcome = outcome.and_then(|()| subject.check_released());
    match (law, outcome) {
        (Law::SamplesAreValid, Err(stop)) if stop.is_of(Law::NeverFaults) => Err(stop),
        (_, Err(stop)) if stop.is_of_sample() => Err(stop),
        (_, Err(stop)) if stop.is_of(Law::SamplesAreValid) => Err(stop),
        (_, outcome) => outcome.map_err(|stop| stop.of(law)),
    }
}
