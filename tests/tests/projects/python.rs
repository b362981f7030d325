//! A new project in Python, and the example. Components are large here: few are made.

use crate::place::{
    build_and_check, change, example, is_caught_with, load_and_use, place, scaffold,
    unread_ops_are_told,
};
use crate::tools::Tools;

#[test]
fn a_new_project_in_python_builds_and_converges() {
    if Tools::Python.are_there() {
        let folder = place("python").join("marble-run");
        scaffold(&folder, "python");
        build_and_check(&folder, "marble-run", "8");
    }
}

#[test]
fn the_example_in_python_builds_converges_and_runs_in_a_node() {
    if Tools::Python.are_there() {
        let folder = example("two-phase-set");
        build_and_check(&folder, "two-phase-set", "8");
        load_and_use(&folder, "two-phase-set", "{\"add\": \"x\"}", "[\"x\"]");
    }
}

#[test]
fn ops_that_a_type_in_python_cannot_decode_or_does_not_know_are_told() {
    if Tools::Python.are_there() {
        let folder = place("python-unread").join("marble-run");
        scaffold(&folder, "python");
        let damaged = "ops.append(encoded if at.counter > 1 else b\"\\xff\")";
        change(
            &folder.join("sdk/op_based.py"),
            "ops.append(encoded)",
            damaged,
        );
        let unknown = "return {\"newer\": score} if score";
        change(
            &folder.join("app.py"),
            "return [player, score] if score",
            unknown,
        );
        unread_ops_are_told(&folder, "{\"player\": \"ann\", \"score\": 3}", "{}", true);
    }
}

/// There is no clock that replicas could agree on, and no chance.
#[test]
fn a_type_in_python_that_asks_for_the_time_or_for_chance_is_caught_with_the_call() {
    if !Tools::Python.are_there() {
        return;
    }
    let folder = place("python-clock").join("marble-run");
    scaffold(&folder, "python");
    let prepare = "        match command:\n";
    let asking = format!("        import time; time.time()\n{prepare}");
    change(&folder.join("app.py"), prepare, &asking);
    is_caught_with(&folder, &["never-faults is BROKEN", "time_time"]);
    let chance = format!("        from random import choice; choice([1, 2])\n{prepare}");
    change(&folder.join("app.py"), &asking, &chance);
    is_caught_with(&folder, &["never-faults is BROKEN", "a type has no chance"]);
}
