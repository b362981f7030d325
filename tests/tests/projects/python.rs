//! A new project in Python, and the example. Components are large here: few are made.

use std::fs;

use crate::place::{
    build_and_check, example, load_and_use, place, replicant, scaffold, text, unread_ops_are_told,
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
fn ops_that_a_type_in_python_cannot_decode_are_told() {
    if Tools::Python.are_there() {
        let folder = place("python-unread").join("marble-run");
        scaffold(&folder, "python");
        let sends = ["ops.append(encoded)", "ops.append(b\"\\xff\")"];
        unread_ops_are_told(&folder, "sdk/op_based.py", sends, true);
    }
}

/// There is no clock that replicas could agree on.
#[test]
fn a_type_in_python_that_asks_for_the_time_is_caught_with_the_call() {
    if !Tools::Python.are_there() {
        return;
    }
    let folder = place("python-clock").join("marble-run");
    scaffold(&folder, "python");
    let source = folder.join("app.py");
    let code = fs::read_to_string(&source).unwrap();
    let prepare = "        match command:\n";
    let asking = format!("        import time; time.time()\n{prepare}");
    assert_eq!(code.matches(prepare).count(), 1);
    fs::write(&source, code.replace(prepare, &asking)).unwrap();
    replicant().run(["build", text(&folder)]).succeeds();
    let component = folder.join("marble-run.wasm");
    let script = folder.join("broken.json");
    let check = [
        "check",
        text(&component),
        "--runs",
        "1",
        "--save",
        text(&script),
    ];
    let checked = replicant().run(check);
    assert_eq!(checked.code, Some(1), "{checked:#?}");
    for part in ["never-faults is BROKEN", "time_time"] {
        assert!(checked.stdout.contains(part), "{checked:#?}");
    }
}
