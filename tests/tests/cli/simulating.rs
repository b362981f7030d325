//! `replicant sim`: scenarios by name and from files.

use replicant_tests::process::Replicant;
use serde_json::Value;

const FEW: [&str; 4] = ["sim", "clock-skew", "--nodes", "100"];

#[test]
fn a_scenario_that_holds_is_told_as_a_table() {
    Replicant::new().run(FEW).succeeds().mentions(&[
        "100 nodes, seed 1",
        "FIGURE",
        "all along: reached",
        "at least 100 %",
        "every figure is within its bound",
    ]);
    Replicant::new()
        .run([&FEW[..], &["--seeds", "3..5"]].concat())
        .mentions(&["seed 3", "seed 4", "LEAST", "MOST"]);
    Replicant::new()
        .run(["sim", "--list"])
        .mentions(&["clock-skew", "flood", "one-way-partition"]);
}

#[test]
fn the_same_seed_gives_the_same_hash_and_another_seed_another() {
    let run = |seed| {
        let arguments = [&FEW[..], &["--json", "--seed", seed]].concat();
        let mut told: Value = Replicant::new().run(arguments).json();
        assert_eq!(told["holds"], true);
        told["log_hash"].take()
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
    // There is no seed after it: nothing ran, and all was said to hold.
    run("18446744073709551615");
}

#[test]
fn what_does_not_hold_is_told_with_the_command_that_shows_it_again() {
    let ran = Replicant::new().run(["sim", "canary", "--nodes", "50", "--seed", "9"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for told in ["NO", "replicant sim canary --nodes 50 --seed 9"] {
        assert!(ran.stdout.contains(told), "{ran:#?}");
    }
}

#[test]
fn a_file_is_run_or_told_what_is_wrong_in_which_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let name = file.to_str().unwrap();
    let text = "about = \"x\"\nworld = \"flood\"\nnodes = 20\nlength = \"5 s\"\n\n\
                [[broadcast]]\nname = \"b\"\nat = \"1 s\"\n";
    std::fs::write(&file, text).unwrap();
    let plot = folder.path().join("own.svg");
    Replicant::new()
        .run(["sim", name, "--plot", plot.to_str().unwrap()])
        .mentions(&["20 nodes", "b: reached"]);
    let drawn = std::fs::read_to_string(&plot).unwrap();
    assert!(drawn.contains("reach of b") && drawn.contains("<polyline"));
    std::fs::write(&file, text.replace("\"1 s\"", "\"soon\"")).unwrap();
    Replicant::new()
        .run(["sim", name])
        .fails(2, &["own.toml", "line 8", "at = \"soon\"", "is not a time"]);
    for (arguments, said) in [
        (vec!["sim"], "<SCENARIO>"),
        (vec!["sim", "earthquake"], "--list"),
        (vec!["sim", "not-there.toml"], "not-there.toml"),
        (vec!["sim", "flood", "--nodes", "1"], "2..=1000000"),
        (vec!["sim", "flood", "--seeds", "5..5"], "1..6"),
        (vec!["sim", "flood", "--plot", "x.png"], ".svg"),
    ] {
        Replicant::new().run(arguments).fails(2, &[said]);
    }
}

/// It was drawn empty.
#[test]
fn a_scenario_of_which_there_is_nothing_to_draw_says_so_before_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("x.svg");
    let sim = ["sim", "reconcile", "--plot", plot.to_str().unwrap()];
    let ran = Replicant::new().run(sim);
    let ran = ran.fails(2, &["--plot", "nothing to draw", "tree"]);
    assert_eq!(ran.stdout, "");
    assert!(!plot.exists());
}

#[test]
fn a_plot_that_cannot_be_written_is_told_before_the_runs() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("none/x.svg");
    let ran = Replicant::new().run([&FEW[..], &["--plot", plot.to_str().unwrap()]].concat());
    let ran = ran.fails(2, &["cannot write", "x.svg"]);
    assert_eq!(ran.stdout, "");
}
