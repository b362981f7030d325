//! A new project in JavaScript, and the example.

use std::fs;
use std::process::Command;

use crate::place::{
    build_and_check, change, example, is_caught_with, load_and_use, place, replicant, scaffold,
    text, unread_ops_are_told,
};
use crate::tools::Tools;

#[test]
fn a_new_project_in_javascript_builds_and_converges() {
    if Tools::JavaScript.are_there() {
        let folder = place("js").join("marble-run");
        scaffold(&folder, "js");
        build_and_check(&folder, "marble-run", "20");
    }
}

#[test]
fn the_example_in_javascript_builds_converges_and_runs_in_a_node() {
    if Tools::JavaScript.are_there() {
        let folder = example("flag");
        build_and_check(&folder, "flag", "20");
        load_and_use(&folder, "flag", "\"raise\"", "true");
    }
}

#[test]
fn ops_that_a_type_in_javascript_cannot_decode_or_does_not_know_are_told() {
    if Tools::JavaScript.are_there() {
        let folder = place("js-unread").join("marble-run");
        scaffold(&folder, "js");
        let damaged = "made.ops.push(counter > 1n ? encoded : Uint8Array.of(0xff));";
        let sdk = "sdk/replicant.js";
        change(&folder.join(sdk), "made.ops.push(encoded);", damaged);
        let unknown = "? { newer: score } : null;";
        change(
            &folder.join("type.js"),
            "? [player, score] : null;",
            unknown,
        );
        unread_ops_are_told(&folder, "{\"player\": \"ann\", \"score\": 3}", "{}", false);
    }
}

#[test]
fn a_component_that_imports_a_system_gets_one_that_answers_always_alike() {
    if !Tools::JavaScript.are_there() {
        return;
    }
    let folder = place("js-wasi").join("marble-run");
    scaffold(&folder, "js");
    let source = folder.join("type.js");
    change(
        &source,
        "return Object.fromEntries(this.best);",
        // The SDK's own `Date` has no clock; the one below it asks the system.
        "return { ...Object.fromEntries(this.best), now: Object.getPrototypeOf(Date).now() };",
    );
    // As the tool makes it by itself, without `--stub-wasi`.
    let component = folder.join("plain.wasm");
    let wit = folder.join("sdk/wit");
    let mut command = Command::new(place(".").join("node_modules/.bin/componentize-qjs"));
    command.args(["--wit", text(&wit), "--world", "op-type", "--sync"]);
    command.args(["--js", text(&source), "--module-root", text(&folder)]);
    command.args(["--output", text(&component)]);
    assert!(command.output().unwrap().status.success());
    let bytes = fs::read(&component).unwrap();
    let clock = b"wasi:clocks/wall-clock@0.2";
    assert!(bytes.windows(clock.len()).any(|window| window == clock));
    let checked = replicant().run(["check", text(&component), "--runs", "10"]);
    checked.mentions(&["holds in every history"]);
}

/// It was taken for the type's answer that there is none, and held against nobody.
#[test]
fn a_mistake_in_javascript_that_shows_when_it_is_read_is_caught() {
    if !Tools::JavaScript.are_there() {
        return;
    }
    let folder = place("js-reading").join("marble-run");
    scaffold(&folder, "js");
    let (right, wrong) = (
        "return this.best.get(player) ?? null;",
        "return this.nope.nope;",
    );
    change(&folder.join("type.js"), right, wrong);
    is_caught_with(&folder, &["query trapped", "'nope' of undefined"]);
    change(&folder.join("type.js"), wrong, right);
    change(
        &folder.join("type.js"),
        "return Object.fromEntries(this.best);",
        "throw new Refusal(\"not now\");",
    );
    is_caught_with(&folder, &["query trapped", "value: not now"]);
}

/// It was a trap without words, or a number that other replicas do not have.
#[test]
fn a_type_that_asks_for_the_time_or_for_chance_is_told_what_it_asked_for() {
    if !Tools::JavaScript.are_there() {
        return;
    }
    let folder = place("js-clock").join("marble-run");
    scaffold(&folder, "js");
    let source = folder.join("type.js");
    let mut prepare = "prepare(_context, command) {".to_owned();
    for asked in ["Date.now()", "new Date()", "Math.random()"] {
        let asking = format!("prepare(_context, command) {{\n    globalThis.asked = {asked};");
        change(&source, &prepare, &asking);
        prepare = asking;
        is_caught_with(&folder, &[asked, "no clock and no chance"]);
    }
}
