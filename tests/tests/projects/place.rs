//! Where the tests' projects lie, and what they have in common. It panics where a test would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use replicant_tests::process::{NodeProcess, Ran, Replicant, binary, until};
use serde_json::{Value, json};

/// A folder in Cargo's target folder, for one test. What is compiled and installed in it survives
/// until the next run.
pub(crate) fn place(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("projects")
        .join(name);
    // Without a `.` at its end, in which nothing can be made.
    let place: PathBuf = place.components().collect();
    fs::create_dir_all(&place).unwrap();
    place
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The command in an environment where builds in Rust share what does not differ, and compiled
/// modules are those of the nodes of tests.
pub(crate) fn replicant() -> Replicant {
    let nodes = binary().with_file_name("compiled-modules");
    // Another test may have made it just now.
    let _ = std::os::unix::fs::symlink(nodes, place("cache/replicant").join("compiled-modules"));
    Replicant::new()
        .with("REPLICANT_GUEST_TARGET_DIR", text(&place("guests")))
        .with("XDG_CACHE_HOME", text(&place("cache")))
}

/// Makes a new project in this language, without what an earlier run left.
pub(crate) fn scaffold(folder: &Path, language: &str) {
    let _ = fs::remove_dir_all(folder);
    let made = replicant().run(["new", text(folder), "--lang", language]);
    made.mentions(&["replicant build", "replicant check"]);
}

/// A copy of an example, with what its links lead to.
pub(crate) fn example(name: &str) -> PathBuf {
    let copy = place("examples").join(name);
    let _ = fs::remove_dir_all(&copy);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut command = Command::new("cp");
    command
        .args(["-r", "--dereference"])
        .arg(examples.join(name))
        .arg(&copy);
    assert!(command.status().unwrap().success());
    // What somebody who tried the example left there.
    for left in ["target", "node_modules", ".venv"] {
        let _ = fs::remove_dir_all(copy.join(left));
    }
    copy
}

/// Builds a project, and checks the component with as many histories as given.
pub(crate) fn build_and_check(folder: &Path, name: &str, runs: &str) -> Ran {
    let component = folder.join(format!("{name}.wasm"));
    let _ = fs::remove_file(&component);
    let built = replicant().run(["build", text(folder)]);
    built.mentions(&[text(&component), &format!("{name}@0.1.0")]);
    let checked = replicant().run(["check", text(&component), "--runs", runs]);
    checked.mentions(&["holds in every history"])
}

/// Changes one place of a project's source.
pub(crate) fn change(source: &Path, from: &str, to: &str) {
    let code = fs::read_to_string(source).unwrap();
    assert_eq!(code.matches(from).count(), 1, "{code}");
    fs::write(source, code.replace(from, to)).unwrap();
}

/// Builds a project that breaks a law in its first history, and holds the report to these words.
pub(crate) fn is_caught_with(folder: &Path, words: &[&str]) {
    replicant().run(["build", text(folder)]).succeeds();
    let (component, script) = (folder.join("marble-run.wasm"), folder.join("broken.json"));
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
    for word in words {
        assert!(checked.stdout.contains(word), "{checked:#?}");
    }
}

/// Builds a project that sends ops that it cannot read itself, has a node make two of a command,
/// and holds another that gets them to telling of them and to showing nothing else. The other one
/// compiles the component anew, and has to say so meanwhile if that takes seconds.
pub(crate) fn unread_ops_are_told(folder: &Path, command: &str, nothing: &str, is_slow: bool) {
    replicant().run(["build", text(folder)]).succeeds();
    let component = folder.join("marble-run.wasm");
    let first = NodeProcess::alone();
    let load = ["module", "load", text(&component)];
    first.replicant.run(load).succeeds();
    let update = [
        "update",
        "fair",
        "one",
        command,
        "--type",
        "marble-run",
        "--json",
    ];
    first.replicant.run(update).succeeds();
    let updated = first.replicant.run(update).json();
    let version = updated["version"].as_str().unwrap();
    let joins = first.listen().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Replicant::new().run(["init", text(&data)]).succeeds();
    // What it compiles it keeps for itself: nothing is compiled before it starts.
    let serve = ["serve", "--data", text(&data), "--join", &joins];
    let free = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--json"];
    let mut second = Replicant::new().start(serve.iter().chain(&free));
    let ready: Value = serde_json::from_str(&second.line()).unwrap();
    let second_api = Replicant::at(ready["api"].as_str().unwrap());
    let waits_for = || {
        let modules = second_api.run(["module", "list", "--json"]).json();
        let mut modules = modules.as_array().unwrap().iter();
        let module = modules.find(|module| module["name"] == "marble-run");
        module.map(|module| module["waits_for"].clone())
    };
    if is_slow {
        until("it compiles the module", || {
            waits_for() == Some(json!("compilation"))
        });
    }
    until("the module is loaded", || waits_for() == Some(Value::Null));
    let get = ["get", "fair", "one", "--after", version];
    let read = second_api.run(get).prints(&format!("{nothing}\n"));
    assert!(
        read.stderr.contains("2 ops of one could not be read"),
        "{read:#?}"
    );
    let told = second_api.run(["module", "list"]);
    told.mentions(&["marble-run@0.1.0 could not read ops 2 times:"]);
    second.signal("INT");
    second.ends().succeeds();
}

/// Loads the component of a project into a node, gives an object a command, and reads its value.
pub(crate) fn load_and_use(folder: &Path, name: &str, command: &str, value: &str) {
    let node = NodeProcess::alone();
    let component = folder.join(format!("{name}.wasm"));
    let loaded = node.replicant.run(["module", "load", text(&component)]);
    loaded.mentions(&[name]);
    let update = ["update", "fair", "one", command, "--type", name];
    node.replicant.run(update).succeeds();
    let read = node.replicant.run(["get", "fair", "one", "--json"]).json();
    assert_eq!(read["value"].to_string(), value);
}
