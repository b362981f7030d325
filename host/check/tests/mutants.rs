//! Types that are wrong in one way each (`tests/mutants`) are caught within the default budget, by
//! the law that says most; and what they were made of keeps to every law.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use replicant_check::{Config, Failure, History, Law, check, replay};
use replicant_guest_build::{Options, build};
use replicant_runtime::{Runtime, RuntimeConfig};

/// Steps of the scripts that are left when all is taken out that is not needed.
const STEPS_MAX: usize = 10;

fn mutants() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mutants")
}

fn component(package: &str) -> Vec<u8> {
    let built = build(&mutants(), &[package], &Options::detect().unwrap()).unwrap();
    std::fs::read(&built[0].path).unwrap()
}

fn runtime() -> Runtime {
    Runtime::new(RuntimeConfig::small()).unwrap()
}

fn failure(runtime: &Runtime, component: &[u8], config: &Config) -> Option<Failure> {
    check(runtime, component, config, &|_| {}).unwrap().failure
}

fn is_caught(package: &str, law: Law) {
    let (runtime, component, config) = (runtime(), component(package), Config::default());
    let Some(found) = failure(&runtime, &component, &config) else {
        panic!("{package} is not caught");
    };
    assert_eq!(found.violation.law, law, "{:#?}", found.violation);
    let again = failure(&runtime, &component, &config).unwrap();
    assert_eq!(again.violation, found.violation);
    assert_eq!(again.script, found.script);
    let Some(script) = found.script else {
        assert_eq!(law, Law::CostIsBounded);
        return;
    };
    assert!(found.comes_again);
    assert!(script.steps.len() <= STEPS_MAX, "{script:#?}");
    assert!(script.steps.len() <= found.steps_before);
    let history = History {
        module: format!("{package}@0.1.0"),
        law,
        script,
    };
    let text = serde_json::to_string(&history).unwrap();
    let read: History = serde_json::from_str(&text).unwrap();
    assert_eq!(read, history);
    let seen = replay(&runtime, &component, &read, &config).unwrap();
    assert_eq!(seen, Some(found.violation));
}

fn holds(package: &str) {
    let config = Config {
        runs: 60,
        ..Config::default()
    };
    let found = failure(&runtime(), &component(package), &config);
    assert!(found.is_none(), "{found:#?}");
}

macro_rules! mutants {
    ($($test:ident: $package:literal breaks $law:ident;)*) => {
        const MUTANTS: &[&str] = &[$($package),*];

        $(
            #[test]
            fn $test() {
                is_caught($package, Law::$law);
            }
        )*
    };
}

mutants! {
    a_tie_that_arrival_decides_is_caught: "later-arrival-wins" breaks ConcurrentOpsCommute;
    a_clock_in_the_value_is_caught: "shows-last-arrival" breaks ConcurrentOpsCommute;
    an_effect_that_depends_on_arrival_is_caught: "appends-on-arrival" breaks ConcurrentOpsCommute;
    a_sum_that_stops_at_zero_is_caught: "one-sum" breaks ConcurrentOpsCommute;
    a_removal_of_what_was_not_seen_is_caught: "lossy-removal" breaks ConcurrentOpsCommute;
    bytes_in_the_order_of_arrival_are_caught: "saves-by-arrival" breaks ConcurrentOpsCommute;
    bytes_in_the_order_of_a_hash_map_are_caught: "hash-map-order" breaks NoHiddenState;
    state_shared_by_objects_is_caught: "shared-sum" breaks NoHiddenState;
    state_that_watching_changes_is_caught: "counts-if-watched" breaks NoHiddenState;
    a_query_that_answers_see_is_caught: "counts-queries" breaks QueriesChangeNothing;
    a_query_that_only_bytes_tell_is_caught: "query-leaves-trace" breaks QueriesChangeNothing;
    a_lookup_that_leaves_a_trace_is_caught: "lookup-leaves-trace" breaks QueriesChangeNothing;
    a_value_that_is_refused_is_caught: "value-is-refused" breaks NeverFaults;
    a_refusal_that_leaves_a_trace_is_caught: "refusal-leaves-trace" breaks RefusalsChangeNothing;
    a_state_that_counts_runs_is_caught: "counts-runs" breaks RunBoundariesDoNotMatter;
    loading_that_loses_something_is_caught: "forgets-when-loaded" breaks SavedStatesComeBack;
    a_loss_that_saved_bytes_hide_is_caught: "saves-no-stamp" breaks SavedStatesComeBack;
    a_state_that_is_not_loaded_is_caught: "cannot-load" breaks SavedStatesComeBack;
    an_update_that_skips_its_effect_is_caught: "update-skips-effect" breaks UpdateIsApply;
    an_update_that_tells_of_nothing_is_caught: "update-is-silent" breaks UpdateIsApply;
    an_op_that_traps_is_caught: "traps-beyond-limit" breaks NeverFaults;
    a_release_that_traps_is_caught: "drop-traps" breaks NeverFaults;
    a_sampled_command_that_traps_is_caught: "traps-when-late" breaks NeverFaults;
    a_sample_without_an_end_is_caught: "endless-sample" breaks NeverFaults;
    a_trap_after_a_void_op_is_caught: "traps-on-void" breaks VoidOpsDoNotPart;
    a_guess_after_a_void_op_is_caught: "void-goes-last" breaks VoidOpsDoNotPart;
    a_trap_on_a_damaged_op_is_caught: "traps-on-damage" breaks DamagedOpsDoNoHarm;
    a_damaged_op_that_spoils_the_state_is_caught: "damage-cannot-load" breaks DamagedOpsDoNoHarm;
    a_sample_that_is_refused_is_caught: "sample-is-refused" breaks SamplesAreValid;
    a_sample_that_no_node_takes_is_caught: "sample-is-huge" breaks SamplesAreValid;
    a_cost_that_grows_with_history_is_caught: "cost-of-history" breaks CostIsBounded;
    a_lookup_that_sees_compaction_is_caught: "lookup-sees-compaction" breaks CompactionIsInvisible;
    a_purge_before_the_floor_is_caught: "purges-too-early" breaks CompactionIsInvisible;
    a_name_for_what_is_marked_is_caught: "names-what-is-marked" breaks CompactionIsInvisible;
    the_loss_of_live_entries_is_caught: "compacts-live-entries" breaks CompactionIsInvisible;
    the_loss_of_what_hangs_on_the_deleted_is_caught: "forgets-parents" breaks CompactionIsInvisible;
    hiding_what_is_left_to_forget_is_caught: "says-nothing-is-left" breaks CompactionIsInvisible;
    a_trap_in_compaction_is_caught: "compact-traps" breaks CompactionIsInvisible;
    a_merge_that_counts_twice_is_caught: "adds-when-merged" breaks MergingIsIdempotent;
    a_tie_that_merging_decides_is_caught: "later-merge-wins" breaks MergingCommutes;
    times_that_are_nearly_equal_are_caught: "near-times-are-equal" breaks MergingIsAssociative;
    a_removal_without_tombstone_is_caught: "removal-leaves-nothing" breaks DeltasMakeTheState;
    a_delta_that_needs_its_predecessor_is_caught: "needs-causal-order" breaks OldDeltasDoNoHarm;
    a_tombstone_lost_too_early_is_caught: "forgets-tombstones-early" breaks CompactionIsInvisible;
}

/// It comes late in the order of laws, so that others say first why replicas part.
#[test]
fn replicas_that_part_are_caught_if_nothing_else_is_looked_at() {
    let config = Config {
        laws: vec![Law::ReplicasConverge],
        ..Config::default()
    };
    for package in ["lossy-removal", "update-skips-effect"] {
        let found = failure(&runtime(), &component(package), &config).unwrap();
        assert_eq!(found.violation.law, Law::ReplicasConverge, "{package}");
        assert!(found.script.unwrap().steps.len() <= STEPS_MAX, "{package}");
    }
}

/// What ran out has a name, and so has the call.
#[test]
fn a_sample_that_uses_up_its_fuel_is_told_as_that() {
    let (runtime, component) = (runtime(), component("endless-sample"));
    let found = failure(&runtime, &component, &Config::default()).unwrap();
    let told = found
        .violation
        .lines(&|data| format!("{data:?}"))
        .join("\n");
    for part in ["sample", "fuel"] {
        assert!(told.contains(part), "{told}");
    }
}

/// Two objects that both refuse to tell read the same, and yet nothing is known of them.
#[test]
fn a_value_that_is_refused_is_told_with_the_words_whatever_law_is_looked_at() {
    let (runtime, component) = (runtime(), component("value-is-refused"));
    for law in [Law::ReplicasConverge, Law::RunBoundariesDoNotMatter] {
        let config = Config {
            laws: vec![law],
            ..Config::default()
        };
        let found = failure(&runtime, &component, &config).unwrap().violation;
        let words = ["the value cannot be read", "not told"];
        let has_words = words.iter().all(|words| found.what.contains(words));
        assert!(has_words, "{found:#?}");
    }
}

/// What a sample does is no matter of the law for which it was made.
#[test]
fn a_sample_that_traps_inside_of_another_law_is_told_as_that() {
    let (runtime, component) = (runtime(), component(SEEN_BY_SEED));
    let config = Config {
        laws: vec![Law::RefusalsChangeNothing],
        ..Config::default()
    };
    let found = failure(&runtime, &component, &config).unwrap().violation;
    assert_eq!(found.law, Law::NeverFaults, "{found:#?}");
    let told = found.lines(&|_| String::new()).join("\n");
    assert!(told.contains("`sample` with seed "), "{told}");
}

/// No history by itself shows it again, which told of none that it did.
#[test]
fn what_ends_the_making_up_of_commands_comes_again_with_its_seed() {
    let (runtime, component) = (runtime(), component(SEEN_BY_SEED));
    // From here on a sample traps while a history is made up, before one traps in a law.
    let config = Config {
        seed: 13,
        ..Config::default()
    };
    let found = failure(&runtime, &component, &config).unwrap();
    assert_eq!(found.violation.law, Law::NeverFaults, "{found:#?}");
    assert!(!found.comes_again, "{found:#?}");
    let told = found.violation.lines(&|_| String::new()).join("\n");
    assert!(told.contains("`sample` with seed "), "{told}");
    let config = Config {
        seed: found.seed,
        runs: 1,
        ..Config::default()
    };
    let again = failure(&runtime, &component, &config).unwrap();
    assert_eq!(again.violation, found.violation);
}

/// The mutant that only the seed of a run shows again.
const SEEN_BY_SEED: &str = "few-samples-trap";

#[test]
fn every_mutant_is_tested() {
    let folders = std::fs::read_dir(mutants().join("wrong")).unwrap();
    let there: BTreeSet<String> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    let tested = MUTANTS.iter().chain([&SEEN_BY_SEED]);
    let tested: BTreeSet<String> = tested.map(ToString::to_string).collect();
    assert_eq!(there, tested);
}

#[test]
fn what_mutants_are_made_of_keeps_to_the_laws() {
    for origin in [
        "balance", "counter", "fields", "list", "register", "set", "tally", "visits",
    ] {
        holds(&format!("honest-{origin}"));
    }
}
