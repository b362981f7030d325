//! What is refused, and in what words.

use std::fs;

use replicant_project::BUILT_IN;

use crate::place::{replicant, scaffold, text};

#[test]
fn names_that_no_type_can_have_and_folders_that_are_there_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let taken = place.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("mine"), "mine").unwrap();
    for (name, said) in [
        ("Score", "1 to 64 lower-case letters"),
        ("not/there", "mkdir -p"),
        ("or-set", "ships with Replicant"),
        ("taken", "exists already"),
    ] {
        let folder = place.path().join(name);
        replicant().run(["new", text(&folder)]).fails(2, &[said]);
    }
    assert_eq!(fs::read_to_string(taken.join("mine")).unwrap(), "mine");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    replicant()
        .run(["new", "x", "--lang", "cobol"])
        .fails(2, &["cobol", "rust"]);
}

#[test]
fn every_type_that_ships_with_replicant_is_a_name_that_is_taken() {
    let shipped: Vec<_> = replicant_crdts::all().iter().map(|one| one.name).collect();
    assert_eq!(shipped, BUILT_IN);
}

#[test]
fn a_folder_without_a_project_is_told_apart_from_a_project_that_does_not_build() {
    let place = tempfile::tempdir().unwrap();
    let empty = text(place.path());
    let nowhere = place.path().join("nowhere");
    for command in ["build", "dev"] {
        let ran = replicant().run([command, empty]);
        ran.fails(2, &["holds no project", "Cargo.toml", "replicant new"]);
        let ran = replicant().run([command, text(&nowhere)]);
        ran.fails(2, &["no folder", text(&nowhere), "replicant new"]);
    }
}

#[test]
fn a_machine_that_cannot_compile_rust_to_webassembly_is_told_three_ways() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("one");
    scaffold(&folder, "rust");
    let bare = replicant().with("REPLICANT_GUEST_RUSTC", "/nowhere/rustc");
    let ways = [
        "rustup target add",
        "apt-get install",
        "REPLICANT_GUEST_CARGO",
    ];
    let ran = bare.run(["build", text(&folder)]).fails(1, &ways);
    // That is for who has a checkout.
    assert!(!ran.stderr.contains("make toolchain"), "{ran:#?}");
}

#[test]
fn what_is_missing_on_the_machine_is_named_with_ways_to_get_it() {
    for (language, said) in [
        (
            "js",
            ["Node.js (node) is missing", "apt-get install nodejs npm"],
        ),
        (
            "python",
            ["Python (python3) is missing", "apt-get install python3"],
        ),
        (
            "c",
            ["C compiler for WebAssembly", "apt-get install clang lld"],
        ),
    ] {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("one");
        scaffold(&folder, language);
        let bare = replicant().with("PATH", text(place.path()));
        bare.run(["build", text(&folder)]).fails(1, &said);
    }
}
