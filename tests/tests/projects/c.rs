//! A new project in C, and the example.

use std::fs;

use crate::place::{
    build_and_check, change, example, load_and_use, place, replicant, scaffold, text,
    unread_ops_are_told,
};
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
fn the_example_in_c_builds_converges_and_runs_in_a_node() {
    if Tools::C.are_there() {
        let folder = example("bit-set");
        build_and_check(&folder, "bit-set", "400");
        load_and_use(&folder, "bit-set", "{\"set\": 7}", "[7]");
    }
}

#[test]
fn ops_that_a_type_in_c_cannot_read_are_told() {
    if Tools::C.are_there() {
        let folder = place("c-unread").join("marble-run");
        scaffold(&folder, "c");
        let nonsense = "rep_write_text(out, \"newer\");\n  return REP_OP;";
        let op = "rep_write_uint(out, reported);\n  return REP_OP;";
        change(&folder.join("type.c"), op, nonsense);
        unread_ops_are_told(&folder, "3", "0", false);
    }
}

#[test]
fn what_the_compiler_says_is_told_and_the_last_component_stays() {
    if Tools::C.are_there() {
        let folder = place("c-broken").join("marble-run");
        scaffold(&folder, "c");
        let last = folder.join("marble-run.wasm");
        fs::write(&last, "the last one").unwrap();
        change(
            &folder.join("type.c"),
            "score->best = reported",
            "score->worst = reported",
        );
        let built = replicant().run(["build", text(&folder)]);
        built.fails(1, &["type.c", "worst"]);
        assert_eq!(fs::read_to_string(&last).unwrap(), "the last one");
    }
}

#[test]
fn the_checker_finds_what_is_wrong_in_c() {
    if Tools::C.are_there() {
        let folder = place("c-wrong").join("marble-run");
        scaffold(&folder, "c");
        // The score that came last, instead of the best.
        let best = "if (reported <= score->best) return false;";
        change(&folder.join("type.c"), best, "");
        replicant().run(["build", text(&folder)]).succeeds();
        let component = folder.join("marble-run.wasm");
        let saved = folder.join("history.json");
        let checked = replicant().run(["check", text(&component), "--save", text(&saved)]);
        assert_eq!(checked.code, Some(1), "{checked:#?}");
        let told = "concurrent-ops-commute is BROKEN";
        assert!(checked.stdout.contains(told), "{checked:#?}");
    }
}
