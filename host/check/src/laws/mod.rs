//! The laws, each a function of a world that lived through a script. Each looks at fresh objects
//! that are given the world's ops; none depends on what another one did.

mod commands;
mod compaction;
mod order;
mod states;
mod walk;

use crate::law::{Law, Outcome};
use crate::object::Subject;
use crate::script::Script;
use crate::world::World;

/// Checks one law on what happened in a script. The law of cost is not about scripts.
///
/// Whatever goes wrong on the way, a trap for example, breaks this law: so the same law, checked
/// on a smaller script, can be seen to break in the same way.
pub(crate) fn check(law: Law, subject: &Subject, script: &Script, world: &mut World) -> Outcome {
    subject.begin_anew();
    let outcome = match law {
        // Looked at by whatever calls the component.
        Law::NeverFaults | Law::CostIsBounded => Ok(()),
        Law::QueriesChangeNothing => states::queries_change_nothing(world),
        Law::NoHiddenState => states::no_hidden_state(world),
        Law::SavedStatesComeBack => states::saved_states_come_back(world),
        Law::SamplesAreValid => commands::samples_are_valid(world),
        Law::RunBoundariesDoNotMatter => order::run_boundaries_do_not_matter(world),
        Law::RefusalsChangeNothing => commands::refusals_change_nothing(world),
        Law::UpdateIsApply => commands::update_is_apply(world),
        Law::ConcurrentOpsCommute => order::concurrent_ops_commute(world),
        Law::ReplicasConverge => world.check_equal(law, "two replicas have applied the same ops"),
        Law::VoidOpsDoNotPart => order::void_ops_do_not_part(world),
        Law::DamagedOpsDoNoHarm => states::damaged_ops_do_no_harm(world),
        Law::CompactionIsInvisible => compaction::is_invisible(subject, script),
    };
    outcome.map_err(|stop| stop.of(law))
}
