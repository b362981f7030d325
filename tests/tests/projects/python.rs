//! A new project in Python, and the example. Components are large here: few are made.

use crate::place::{build_and_check, example, place, scaffold};
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
fn the_example_in_python_builds_and_converges() {
    if Tools::Python.are_there() {
        build_and_check(&example("two-phase-set"), "two-phase-set", "8");
    }
}
