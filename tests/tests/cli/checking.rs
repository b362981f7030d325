//! `replicant check`: what it finds, saves and runs again.

use std::path::Path;

use replicant_guest_build::{Options, build};
use replicant_tests::process::Replicant;
use serde_json::{Value, json};

/// A file with the component of a built-in type.
fn built_in(folder: &Path, name: &str) -> String {
    let file = folder.join(format!("{name}.wasm"));
    std::fs::write(&file, replicant_crdts::find(name).unwrap().bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A component of one of the workspaces of guests in this folder.
fn guest(workspace: &str, package: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(workspace);
    let built = build(&folder, &[package], &Options::detect().unwrap()).unwrap();
    built[0].path.to_str().unwrap().to_owned()
}

/// The component of a type that is wrong on purpose.
fn mutant(name: &str) -> String {
    guest("mutants", name)
}

/// What the checker says in JSON, whether a law is broken or not.
fn report(arguments: &[&str]) -> Value {
    let ran = Replicant::new().run([&["check"], arguments, &["--json"]].concat());
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:#?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["holds"], json!(ran.code == Some(0)));
    report
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
    let other = built_in(folder.path(), "or-set");
    for arguments in [["--save", saved], ["--replay", saved]] {
        let ran = Replicant::new().run([&["check", &component][..], &arguments].concat());
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        for told in ["concurrent-ops-commute is BROKEN", "replica a is told"] {
            assert!(ran.stdout.contains(told), "{ran:#?}");
        }
    }
    Replicant::new()
        .run(["check", &other, "--replay", saved])
        .fails(2, &["of later-arrival-wins", "is or-set"]);
}

/// It stood in the JSON only, and a path with a blank could not be typed as it was told.
#[test]
fn how_many_commands_were_refused_and_how_to_see_a_history_again_is_told_to_people_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("commands");
    std::fs::write(&file, "{\"add\": \"x\"}\n{\"subtract\": 1}\n").unwrap();
    let component = built_in(folder.path(), "or-set");
    let told = ["--commands", file.to_str().unwrap(), "--runs", "1"];
    let all = [&["check", &component][..], &told].concat();
    let ran = Replicant::new().run(&all).succeeds();
    ran.mentions(&[
        ": 1 history from",
        " commands given, ",
        " refused; the first of these, {\"subtract\":1}: this is no command of or-set",
    ]);
    let blank = folder.path().join("my types");
    std::fs::create_dir(&blank).unwrap();
    let copy = blank.join("x.wasm");
    std::fs::copy(mutant("later-arrival-wins"), &copy).unwrap();
    let saved = blank.join("x.json");
    let (copy, saved) = (copy.to_str().unwrap(), saved.to_str().unwrap());
    let ran = Replicant::new().run(["check", copy, "--save", saved]);
    let again = format!("    replicant check '{copy}' --replay '{saved}'");
    assert!(ran.stdout.lines().any(|line| line == again), "{ran:#?}");
}

/// It said so twice.
#[test]
fn what_is_wrong_with_an_older_version_is_said_once_with_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let component = built_in(folder.path(), "or-set");
    let ran = Replicant::new().run(["check", &component, "--from", "/dev/null"]);
    let ran = ran.fails(2, &["--from"]);
    assert_eq!(ran.stderr.matches("it is empty").count(), 1, "{ran:#?}");
}

#[test]
fn commands_that_are_all_refused_check_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("commands");
    std::fs::write(&file, "{\"subtract\": 1}\n").unwrap();
    let component = built_in(folder.path(), "or-set");
    let commands = ["--commands", file.to_str().unwrap(), "--runs", "3"];
    Replicant::new()
        .run([&["check", &component][..], &commands].concat())
        .fails(
            2,
            &[
                "nothing to check",
                "this is no command of or-set",
                "{\"subtract\":1}",
            ],
        );
}

#[test]
fn what_was_not_checked_does_not_hold_by_that() {
    let folder = tempfile::tempdir().unwrap();
    let component = built_in(folder.path(), "or-set");
    let short = ["--runs", "2", "--steps", "1"];
    Replicant::new()
        .run([&["check", &component][..], &short].concat())
        .succeeds()
        .mentions(&[
            "not checked",
            "compaction-is-invisible is not checked: ",
            "every law that was checked holds",
        ]);
    let report = report(&[&[&component[..]][..], &short].concat());
    let law = &report["unchecked"][0]["law"];
    assert_eq!(law, &json!("compaction-is-invisible"));
}

/// The sentence at the end spoke of every law, whatever had been asked for.
#[test]
fn what_holds_is_told_of_the_laws_that_were_asked_for_only() {
    let folder = tempfile::tempdir().unwrap();
    let component = built_in(folder.path(), "or-set");
    let check = ["check", &component, "--runs", "2", "--law"];
    let told = |laws: &[&str]| {
        let ran = Replicant::new().run([&check[..], laws].concat()).succeeds();
        ran.stdout.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        told(&["replicas-converge"]),
        "replicas-converge holds in every history; no other law was asked for (--law)"
    );
    assert_eq!(
        told(&["never-faults", "--law", "replicas-converge"]),
        "never-faults and replicas-converge hold in every history; no other law was asked for \
         (--law)"
    );
    // One that could not be looked at holds neither.
    let ran = Replicant::new()
        .run([&check[..], &["compaction-is-invisible", "--steps", "1"]].concat())
        .fails(2, &["no law that was asked for could be checked"]);
    assert!(!ran.stdout.contains("in every history"), "{ran:#?}");
}

/// It was passed over in silence beside a law that can be checked.
#[test]
fn a_law_that_cannot_be_checked_is_refused_although_others_can() {
    let folder = tempfile::tempdir().unwrap();
    let (op_based, state_based) = (
        built_in(folder.path(), "or-set"),
        built_in(folder.path(), "lww-map"),
    );
    let laws = |law| ["--runs", "2", "--law", "replicas-converge", "--law", law];
    let run = |component: &str, law| {
        Replicant::new().run([&["check", component][..], &laws(law)].concat())
    };
    run(&op_based, "merging-commutes").fails(
        2,
        &[
            "merging-commutes",
            "op-based",
            "never-faults",
            "cost-is-bounded",
        ],
    );
    run(&op_based, "older-states-load").fails(2, &["older-states-load", "--from"]);
    run(&state_based, "merging-commutes").mentions(&["and merging-commutes hold"]);
}

/// From here on a sample traps while a history is made up, before one traps in a law.
const SEEN_BY_SEED: &str = "13";

/// A file was named, with a history in which nothing happened when it was run again.
#[test]
fn what_no_history_shows_again_is_told_with_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("history.json");
    let component = mutant("few-samples-trap");
    let save = ["--save", saved.to_str().unwrap(), "--seed", SEEN_BY_SEED];
    let found = Replicant::new().run([&["check", &component][..], &save].concat());
    assert_eq!(found.code, Some(1), "{found:#?}");
    assert!(!saved.exists(), "{found:#?}");
    let mut lines = found.stdout.lines().rev();
    let again = lines
        .next()
        .unwrap()
        .strip_prefix("    replicant ")
        .unwrap();
    assert!(
        again.contains(" --seed ") && again.ends_with(" --runs 1"),
        "{again}"
    );
    let seen = Replicant::new().run(again.split(' '));
    assert_eq!(seen.code, Some(1), "{seen:#?}");
    let why = |stdout: &str| {
        let mut lines = stdout.lines();
        lines
            .find(|line| line.contains("the call: "))
            .map(str::to_owned)
    };
    assert!(why(&seen.stdout).is_some(), "{seen:#?}");
    assert_eq!(why(&seen.stdout), why(&found.stdout));
}

#[test]
fn a_history_without_steps_says_little_of_a_component() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.json");
    let history = json!({
        "module": "or-set@0.1.0",
        "law": "replicas-converge",
        "script": {"seed": 0, "replicas": [1, 2], "steps": []},
    });
    std::fs::write(&file, history.to_string()).unwrap();
    let component = built_in(folder.path(), "or-set");
    let replay = ["check", &component, "--replay", file.to_str().unwrap()];
    let told = "only a fresh object was looked at";
    Replicant::new().run(replay).mentions(&[told]);
}

#[test]
fn a_line_that_is_wrong_is_named_with_its_own_number_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("commands");
    std::fs::write(&file, "1\n\nnope\n").unwrap();
    let component = built_in(folder.path(), "or-set");
    for option in ["--commands", "--queries"] {
        let ran = Replicant::new().run(["check", &component, option, file.to_str().unwrap()]);
        let ran = ran.fails(2, &["commands, line 3: ", " at column 2"]);
        assert_eq!(ran.stderr.matches("line").count(), 1, "{ran:#?}");
    }
}

#[test]
fn queries_of_the_schema_and_of_a_file_are_asked_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries");
    std::fs::write(&file, "{\"contains\": \"from the file\"}\n7\n").unwrap();
    let component = built_in(folder.path(), "or-set");
    let queries = ["--queries", file.to_str().unwrap(), "--runs", "10"];
    let all = [&[&component[..]][..], &queries].concat();
    let report = report(&all);
    let of = |source: &str| {
        let mut counts = report["queries"].as_array().unwrap().iter();
        counts.find(|of| of["source"] == *source).cloned().unwrap()
    };
    assert_eq!(
        of("given"),
        json!({"source": "given", "asked": 2, "answered": 1})
    );
    assert_eq!(of("schema")["asked"], of("schema")["answered"]);
    Replicant::new()
        .run([&["check"][..], &all].concat())
        .succeeds()
        .mentions(&["distinct queries asked", "from --queries 1 of 2"]);
    let none = built_in(folder.path(), "g-counter");
    Replicant::new()
        .run(["check", &none, "--runs", "2"])
        .succeeds()
        .mentions(&["answered no query of its own"]);
}

#[test]
fn a_broken_law_is_told_even_if_the_history_cannot_be_saved() {
    let component = mutant("later-arrival-wins");
    let ran = Replicant::new().run(["check", &component, "--save", "/not/there/history.json"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stdout.contains("concurrent-ops-commute is BROKEN"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("cannot save the history"), "{ran:#?}");
}

#[test]
fn what_cannot_be_checked_is_no_broken_law() {
    let folder = tempfile::tempdir().unwrap();
    let counter = built_in(folder.path(), "g-counter");
    let junk = folder.path().join("junk");
    std::fs::write(&junk, "junk").unwrap();
    let junk = junk.to_str().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    for (arguments, said) in [
        (vec!["check", "not-there.wasm"], "not-there.wasm"),
        (vec!["check", junk], "not a WebAssembly component"),
        (vec!["check", &counter, "--replicas", "99"], "2 to 16"),
        (vec!["check", &counter, "--replay", junk], "no history"),
        (vec!["check", &counter, "--commands", junk], "line 1"),
        (vec!["check", &counter, "--law", "gravity"], "gravity"),
        (vec!["check", &counter, "--from", junk], "the older version"),
        (vec!["check", &counter, "--queries", junk], "line 1"),
        (vec!["check", &counter, "--queries", empty], "no queries"),
        (vec!["check", "/dev/zero"], "more than"),
        (vec!["check", &counter, "--from", "/dev/zero"], "more than"),
        (
            vec!["check", &counter, "--commands", "/dev/zero"],
            "more than",
        ),
        (
            vec!["check", &counter, "--queries", "/dev/zero"],
            "more than",
        ),
        (
            vec!["check", &counter, "--replay", "/dev/zero"],
            "more than",
        ),
    ] {
        Replicant::new().run(arguments).fails(2, &[said]);
    }
}

#[test]
fn what_an_older_version_saved_has_to_load_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("history.json");
    let saved = saved.to_str().unwrap();
    let older = guest("versions", "tally-1-1");
    let of = |newer: &str| guest("versions", newer);
    let (right, wrong) = (of("tally-2-0"), of("tally-2-0-wrong"));
    let few = ["--from", &older, "--runs", "20"];
    Replicant::new()
        .run([&["check", &right][..], &few].concat())
        .succeeds()
        .mentions(&[
            "tally@2.0.0 after tally@1.1.0",
            "older-states-load",
            "every law holds",
        ]);

    let save = ["--save", saved];
    let found = Replicant::new().run([&["check", &wrong][..], &few, &save].concat());
    let again = format!("check {wrong} --from {older} --replay {saved}");
    assert!(found.stdout.contains(&again), "{found:#?}");
    let seen = Replicant::new().run(again.split(' '));
    for ran in [found, seen] {
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        let told = "older-states-load is BROKEN";
        assert!(ran.stdout.contains(told), "{ran:#?}");
    }
    Replicant::new()
        .run(["check", &right, "--from", &older, "--replay", saved])
        .mentions(&["breaks no law any more"]);
    for (arguments, said) in [
        (["check", &right, "--from", &right], "another version"),
        (["check", &right, "--from", "none.wasm"], "none.wasm"),
        (["check", &right, "--law", "older-states-load"], "older"),
        (["check", &wrong, "--replay", saved], "older version"),
    ] {
        Replicant::new().run(arguments).fails(2, &[said]);
    }
}

#[test]
fn commands_come_from_a_file_and_not_from_the_type() {
    let folder = tempfile::tempdir().unwrap();
    let commands = folder.path().join("commands");
    std::fs::write(&commands, "\"from the file\"\n\n\"and this\"\n").unwrap();
    let saved = folder.path().join("history.json");
    let ran = Replicant::new().run([
        "check",
        &mutant("later-arrival-wins"),
        "--commands",
        commands.to_str().unwrap(),
        "--save",
        saved.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let told = ["from the file", "and this"].map(|text| ran.stdout.contains(text));
    assert!(told.contains(&true), "{ran:#?}");
}

#[test]
fn a_seed_decides_everything_and_threads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let component = built_in(folder.path(), "or-set");
    let of = |seed: &str, threads: &str| {
        let few = ["--runs", "5", "--seed", seed, "--threads", threads];
        let mut report = report(&[&[&component[..]][..], &few].concat());
        report.as_object_mut().unwrap().remove("seconds");
        report
    };
    let first = of("7", "1");
    assert_eq!((&first["seed"], &first["runs"]), (&json!(7), &json!(5)));
    assert_eq!(of("7", "2"), first);
    assert_ne!(of("8", "2")["deliveries"], first["deliveries"]);
    let broken = mutant("traps-beyond-limit");
    let saved = folder.path().join("history.json");
    let save = ["--save", saved.to_str().unwrap()];
    let of = |threads: &str| {
        let threads = ["--threads", threads];
        let mut report = report(&[&[&broken[..]][..], &save, &threads].concat());
        report.as_object_mut().unwrap().remove("seconds");
        report
    };
    assert_eq!(of("1"), of("5"));
}

#[test]
fn replicas_steps_and_laws_are_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("history.json");
    let (component, saved) = (mutant("lossy-removal"), saved.to_str().unwrap());
    let asked = ["--replicas", "2", "--steps", "12", "--save", saved];
    let law = ["--law", "replicas-converge", "--law", "samples-are-valid"];
    let report = report(&[&[&component[..]][..], &asked, &law].concat());
    assert_eq!(
        report["laws"],
        json!(["replicas-converge", "samples-are-valid"])
    );
    let failure = &report["failure"];
    assert_eq!(failure["violation"]["law"], json!("replicas-converge"));
    assert_eq!(failure["script"]["replicas"].as_array().unwrap().len(), 2);
    assert!(failure["steps_before"].as_u64().unwrap() <= 12);
    assert_eq!(failure["saved"], json!(saved));
}
