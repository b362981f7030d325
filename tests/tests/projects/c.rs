//! A new project in C, and the example.

use std::fs;

use crate::place::{build_and_check, example, place, replicant, scaffold, text};
use crate::tools::Tools;

#[test]
fn a_new_project_in_c_builds_and_converges() {
    if Tools::C.are_there() {
        let folder = place("c").join("marble-run");
        scaffold(&folder, "c");
        build_and_check(&folder, "marble-run", "400");
    }
}

#[test]
fn the_example_in_c_builds_and_converges() {
    if Tools::C.are_there() {
        build_and_check(&example("bit-set"), "bit-set", "400");
    }
}

#[test]
fn what_the_compiler_says_is_told_and_the_last_component_stays() {
    if Tools::C.are_there() {
        let folder = place("c-broken").join("marble-run");
        scaffold(&folder, "c");
        let last = folder.join("marble-run.wasm");
        fs::write(&last, "the last one").unwrap();
        let source = folder.join("type.c");
        let code = fs::read_to_string(&source).unwrap();
        fs::write(
            &source,
            code.replace("score->best = reported", "score->worst = reported"),
        )
        .unwrap();
        let built = replicant().run(["build", text(&folder)]);
        built.fails(1, &["type.c", "worst"]);
        assert_eq!(fs::read_to_string(&last).unwrap(), "the last one");
    }
}
