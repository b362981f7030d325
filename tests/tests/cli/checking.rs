//! `replicant check`: what it finds, saves and runs again.

use std::path::Path;

use replicant_guest_build::{Options, build};
use replicant_tests::process::Replicant;
use serde_json::json;

/// A file with the component of a built-in type.
fn built_in(folder: &Path, name: &str) -> String {
    let file = folder.join(format!("{name}.wasm"));
    std::fs::write(&file, replicant_crdts::find(name).unwrap().bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The component of a type that is wrong on purpose.
fn mutant(name: &str) -> String {
    let mutants = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants");
    let built = build(&mutants, &[name], &Options::detect().unwrap()).unwrap();
    built[0].path.to_str().unwrap().to_owned()
}

#[test]
fn a_type_that_keeps_to_the_laws_passes() {
    let folder = tempfile::tempdir().unwrap();
    let component = built_in(folder.path(), "or-set");
    let few = ["check", &component, "--runs", "20"];
    Replicant::new().run(few).succeeds().mentions(&[
        "or-set@",
        "20 histories",
        "compaction-is-invisible",
        "every law holds",
    ]);
    let report = Replicant::new()
        .run([&few[..], &["--json"]].concat())
        .json();
    assert_eq!(
        (&report["holds"], &report["runs"]),
        (&json!(true), &json!(20))
    );
}

#[test]
fn a_broken_law_is_told_saved_and_seen_again() {
    let folder = tempfile::tempdir().unwrap();
    let component = mutant("later-arrival-wins");
    let saved = folder.path().join("history.json");
    let saved = saved.to_str().unwrap();
    for arguments in [["--save", saved], ["--replay", saved]] {
        let ran = Replicant::new().run([&["check", &component][..], &arguments].concat());
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        for told in ["concurrent-ops-commute is BROKEN", "replica a is told"] {
            assert!(ran.stdout.contains(told), "{ran:#?}");
        }
    }
}

#[test]
fn what_cannot_be_checked_is_no_broken_law() {
    let folder = tempfile::tempdir().unwrap();
    let counter = built_in(folder.path(), "g-counter");
    let junk = folder.path().join("junk");
    std::fs::write(&junk, "junk").unwrap();
    let junk = junk.to_str().unwrap();
    for (arguments, said) in [
        (vec!["check", "not-there.wasm"], "not-there.wasm"),
        (vec!["check", junk], "not a WebAssembly component"),
        (vec!["check", &counter, "--replicas", "99"], "2 to 16"),
        (vec!["check", &counter, "--replay", junk], "no history"),
        (vec!["check", &counter, "--commands", junk], "line 1"),
        (vec!["check", &counter, "--law", "gravity"], "gravity"),
    ] {
        Replicant::new().run(arguments).fails(2, &[said]);
    }
}
