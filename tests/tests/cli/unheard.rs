//! Output that nobody listens to any more, as in `replicant … | head`, and none at all.

use std::process::Command;

use replicant_tests::process::{NodeProcess, Ran, Replicant, Unheard, binary};

/// What a panic ends with.
const PANICKED: i32 = 101;

/// Runs a command while nobody listens, and holds it to this exit code where its results are heard.
/// Who closes its output has seen enough of them: that is no failure of the command.
fn holds(replicant: &Replicant, arguments: &[&str], code: i32) {
    for unheard in [Unheard::Output, Unheard::Errors, Unheard::Both] {
        let ran = replicant.run_unheard(arguments, unheard);
        assert_ne!(
            ran.code,
            Some(PANICKED),
            "{arguments:?} {unheard:?} {ran:#?}"
        );
        assert!(!ran.stderr.contains("panic"), "{arguments:?} {ran:#?}");
        assert_eq!(ran.code, Some(code), "{arguments:?} {unheard:?} {ran:#?}");
    }
}

#[test]
fn commands_without_a_node_do_not_panic_where_nobody_listens() {
    let nobody = Replicant::at("127.0.0.1:1");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("or-set.wasm");
    std::fs::write(&file, replicant_crdts::find("or-set").unwrap().bytes).unwrap();
    let component = file.to_str().unwrap();
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["completions", "bash"], 0),
        (&["tune"], 0),
        (&["sim", "--list"], 0),
        (&["check", component, "--runs", "1"], 0),
        (&["get", "t"], 2),
        (&["build", "nowhere"], 2),
        (&["check", "nowhere"], 2),
        (&["status"], 3),
        (&["watch", "t"], 3),
        (&["module", "list"], 3),
    ] {
        holds(&nobody, arguments, code);
    }
}

#[test]
fn commands_to_a_node_do_not_panic_where_nobody_listens() {
    let node = NodeProcess::alone();
    let update = ["update", "t", "x", "{\"add\": \"1\"}", "--type", "or-set"];
    node.replicant.run(update).succeeds();
    for (arguments, code) in [
        (&["get", "t", "x"][..], 0),
        (&["get", "t", "x", "--json"], 0),
        (&["objects", "t"], 0),
        (&["status"], 0),
        (&["module", "list"], 0),
        (&["module", "show", "or-set"], 0),
        (&update, 0),
        (&["get", "t", "y"], 1),
        (&["update", "t", "x", "{\"subtract\": 1}"], 1),
    ] {
        holds(&node.replicant, arguments, code);
    }
}

#[test]
fn output_that_is_closed_from_the_beginning_is_no_reason_to_panic() {
    let run = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(binary());
        Ran::from(shell.output().unwrap())
    };
    for (script, code) in [
        ("\"$1\" tune >&-", 0),
        ("\"$1\" status --api 127.0.0.1:1 2>&-", 3),
        ("\"$1\" build nowhere >&- 2>&-", 2),
        ("{ \"$1\" tune; echo $? >&2; } | true", 0),
    ] {
        let ran = run(script);
        assert_eq!(ran.code, Some(code), "{script}: {ran:#?}");
        assert!(!ran.stderr.contains("panic"), "{script}: {ran:#?}");
    }
}
