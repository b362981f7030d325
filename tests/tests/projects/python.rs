//! A new project in Python, and the example. Components are large here: few are made.

use crate::place::{build_and_check, example, load_and_use, place, scaffold};
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
