//! A type is upgraded and rolled back on a running cluster while every node is written to: no
//! update is lost, and all nodes end with the same bytes. `docs/versions.md` says why.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use replicant_guest_build::{Component, Options, build};
use replicant_tests::process::{NodeProcess, Start, until};
use serde_json::{Value, json};

const TOPIC: &str = "t";
const OBJECTS: [&str; 3] = ["x", "y", "z"];

/// Updates that a writer makes before the next thing happens.
const SOME: u64 = 10;

/// The file of a version of the type: 1.0.0 writes and reads encoding 1; 1.1.0 reads 2 too; 2.0.0
/// writes 2 and has other commands, values and saved bytes; 3.0.0 says that it reads 1, and cannot.
pub(crate) fn tally(version: &str) -> &'static str {
    static BUILT: OnceLock<Vec<Component>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("versions");
        let packages = ["tally-1-0", "tally-1-1", "tally-2-0", "tally-3-0"];
        build(&folder, &packages, &Options::detect().unwrap()).unwrap()
    });
    let package = format!("tally-{}", version[..3].replace('.', "-"));
    let built = built.iter().find(|of| of.package == package);
    built.unwrap().path.to_str().unwrap()
}

/// Writes to one node, one update after the other, as the version understands it that runs there.
struct Writer {
    stop: Arc<AtomicBool>,
    /// Updates that the node said are durable: in the form of 1.x, of 2.x.
    written: Arc<[AtomicU64; 2]>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(node: &NodeProcess) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let written = Arc::<[AtomicU64; 2]>::default();
        let (base, id) = (format!("http://{}", node.api()), node.id()[..4].to_owned());
        let thread = std::thread::spawn({
            let (stop, written) = (stop.clone(), written.clone());
            move || {
                let mut form = 0;
                for object in OBJECTS.iter().cycle() {
                    if stop.load(Ordering::Acquire) {
                        return;
                    }
                    match write(&base, &id, object, form) {
                        true => drop(written[form].fetch_add(1, Ordering::AcqRel)),
                        // Another version runs, or none for a moment: this was not carried out.
                        false => form = 1 - form,
                    }
                }
            }
        });
        Self {
            stop,
            written,
            thread,
        }
    }

    fn written(&self) -> [u64; 2] {
        [0, 1].map(|form| self.written[form].load(Ordering::Acquire))
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap();
        self.written
            .iter()
            .map(|of| of.load(Ordering::Acquire))
            .sum()
    }
}

/// Adds one. False if it was refused, and nothing done.
fn write(base: &str, by: &str, object: &str, form: usize) -> bool {
    let command = match form {
        0 => json!({"add": 1}),
        _ => json!({"add": 1, "by": by}),
    };
    let url = format!("{base}/v1/topics/{TOPIC}/objects/{object}?type=tally");
    let request = ureq::post(url).content_type("application/json");
    let request = request.config().http_status_as_error(false).build();
    let mut answer = request.send(command.to_string()).unwrap();
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().unwrap();
    match status {
        200 => assert!(body.contains("applied"), "{body}"),
        422 | 503 | 409 => {}
        _ => panic!("{status}: {body}"),
    }
    status == 200
}

/// Each of the writers makes some more updates in a form.
#[track_caller]
fn all_write(writers: &[&Writer], form: usize) {
    let before: Vec<u64> = writers.iter().map(|of| of.written()[form]).collect();
    until("everybody writes", || {
        let mut more = writers.iter().zip(&before);
        more.all(|(writer, before)| writer.written()[form] >= before + SOME)
    });
}

#[track_caller]
pub(crate) fn all_run(nodes: &[&NodeProcess], version: &str) {
    for node in nodes {
        until(version, || runs(node).as_deref() == Some(version));
    }
}

/// The version that a type runs on, if its module is there.
fn runs(node: &NodeProcess) -> Option<String> {
    let shown = node.run(["module", "show", "tally", "--json"]);
    let module: Value = serde_json::from_str(&shown.stdout).ok()?;
    Some(module["version"].as_str()?.to_owned())
}

fn digest(node: &NodeProcess) -> Value {
    let mut digest = node.run(["digest", TOPIC, "--json"]).json();
    let digest = digest.as_object_mut().unwrap();
    digest.remove("topic");
    Value::Object(std::mem::take(digest))
}

/// Waits until all nodes have these ops and the same bytes.
#[track_caller]
fn converge(nodes: &[&NodeProcess], ops: u64) {
    until("all nodes have the same bytes", || {
        let digests: Vec<Value> = nodes.iter().map(|node| digest(node)).collect();
        let is_whole = digests[0]["ops"] == ops && digests[0]["unavailable"] == 0;
        is_whole && digests.iter().all(|digest| *digest == digests[0])
    });
}

/// The sum over all objects, whichever version's value it is.
fn sum(node: &NodeProcess) -> u64 {
    let values = OBJECTS.map(|object| node.run(["get", TOPIC, object, "--json"]).json());
    let one = |value: &Value| match value["value"].as_object() {
        Some(names) => names.values().map(|sum| sum.as_u64().unwrap()).sum(),
        None => value["value"].as_u64().unwrap(),
    };
    values.iter().map(one).sum()
}

#[test]
fn a_type_is_upgraded_and_rolled_back_under_load_and_nothing_is_lost() {
    let a = NodeProcess::alone();
    let join = Start {
        join: vec![a.listen().to_owned()],
        ..Start::default()
    };
    let (b, mut c) = (NodeProcess::fresh(&join), NodeProcess::fresh(&join));
    a.run(["module", "load", tally("1.1.0")]).succeeds();
    all_run(&[&a, &b, &c], "1.1.0");
    let (at_a, at_b, at_c) = (Writer::start(&a), Writer::start(&b), Writer::start(&c));
    all_write(&[&at_a, &at_b, &at_c], 0);

    // One node is down and one is cut off, without the module, when the type is upgraded.
    let mut written = at_c.end();
    assert!(c.terminate().success());
    b.run(["network", "off"]).succeeds();
    a.run(["module", "load", tally("2.0.0")]).succeeds();
    assert_eq!(runs(&a).unwrap(), "1.1.0");
    a.run(["module", "upgrade", "tally@2.0.0"])
        .prints("tally runs on tally@2.0.0\n");
    all_write(&[&at_a], 1);
    all_write(&[&at_b], 0);
    b.run(["module", "show", "tally@2.0.0"])
        .fails(1, &["tally@2.0.0"]);
    b.run(["network", "on"]).succeeds();
    all_run(&[&b], "2.0.0");
    all_write(&[&at_a, &at_b], 1);
    c.restart();
    all_run(&[&c], "2.0.0");
    let at_c = Writer::start(&c);
    all_write(&[&at_a, &at_b, &at_c], 1);

    // There is no way back to a version that does not read what was written since.
    b.run(["module", "load", tally("1.0.0")]).succeeds();
    b.run(["module", "rollback", "tally@1.0.0"])
        .fails(1, &["tally@1.0.0", "op encoding 2"]);
    c.run(["module", "rollback", "tally"])
        .prints("tally runs on tally@1.1.0\n");
    all_run(&[&a, &b, &c], "1.1.0");
    all_write(&[&at_a, &at_b, &at_c], 0);

    written += at_a.end() + at_b.end() + at_c.end();
    converge(&[&a, &b, &c], written);
    for node in [&a, &b, &c] {
        assert_eq!(sum(node), written);
    }
    // And once more, with nothing under way: every name has what its node wrote.
    b.run(["module", "upgrade", "tally"]).succeeds();
    all_run(&[&a, &b, &c], "2.0.0");
    converge(&[&a, &b, &c], written);
    for node in [&a, &b, &c] {
        assert_eq!(sum(node), written);
    }
}

#[test]
fn a_second_component_under_a_name_and_version_is_refused_by_name_of_who_has_it() {
    let node = NodeProcess::alone();
    node.run(["module", "load", tally("1.1.0")]).succeeds();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.wasm");
    let mut bytes = std::fs::read(tally("1.1.0")).unwrap();
    // A custom section more.
    bytes.extend([0, 2, 1, b'x']);
    std::fs::write(&other, bytes).unwrap();
    let load = ["module", "load", other.to_str().unwrap()];
    node.run(load)
        .fails(1, &["tally@1.1.0", node.id(), "raise the version"]);
    let limited = [
        "module",
        "load",
        tally("1.1.0"),
        "--memory-bytes",
        "50000000",
    ];
    node.run(limited).fails(
        1,
        &["memory_bytes 50000000", node.id(), "raise the version"],
    );
    let limited = [
        "module",
        "load",
        tally("2.0.0"),
        "--fuel-per-call",
        "5000000",
    ];
    node.run(limited).succeeds();
    node.run(["module", "show", "tally@2.0.0"]).mentions(&[
        "5000000",
        node.id(),
        "reads op encodings",
        "exports",
    ]);
    let greedy = [
        "module",
        "load",
        tally("1.0.0"),
        "--memory-bytes",
        "99999999999",
    ];
    node.run(greedy)
        .fails(2, &["--memory-bytes", "65536..=1073741824"]);
    let listed = node.run(["module", "list"]).succeeds().stdout;
    let tallies: Vec<&str> = listed
        .lines()
        .filter(|line| line.contains("tally"))
        .collect();
    assert_eq!(tallies.len(), 2, "{listed}");
}

/// It heard of switches before it had the modules, and warned of each as if somebody had to act.
#[test]
fn a_node_that_joins_after_several_switches_catches_up_without_a_warning() {
    let first = NodeProcess::alone();
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        first.run(["module", "load", tally(version)]).succeeds();
    }
    for version in ["1.1.0", "2.0.0"] {
        let module = format!("tally@{version}");
        first.run(["module", "upgrade", &module]).succeeds();
    }
    first.run(["module", "rollback", "tally@1.1.0"]).succeeds();
    let second = NodeProcess::fresh(&Start {
        join: vec![first.listen().to_owned()],
        ..Start::default()
    });
    all_run(&[&first, &second], "1.1.0");
    let log = std::fs::read_to_string(second.folder().join("node.log")).unwrap();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

/// They had no effect, and only the log said so.
#[test]
fn ops_that_a_version_cannot_read_are_told_with_the_object_the_module_and_the_counters() {
    let mut node = NodeProcess::alone();
    node.run(["module", "load", tally("1.1.0")]).succeeds();
    let update = |node: &NodeProcess, command: &str| {
        let update = ["update", TOPIC, "x", command, "--type", "tally"];
        node.run(update).succeeds();
    };
    update(&node, r#"{"add":1}"#);
    update(&node, r#"{"add":2}"#);
    let read = node.run(["get", TOPIC, "x"]).prints("3\n");
    assert_eq!(read.stderr, "");
    assert!(
        node.run(["get", TOPIC, "x", "--json"])
            .json()
            .get("ops_unread")
            .is_none()
    );

    node.run(["module", "load", tally("3.0.0")]).succeeds();
    node.run(["module", "upgrade", "tally@3.0.0"]).succeeds();
    update(&node, r#"{"add":5,"by":"b"}"#);
    for _ in 0..2 {
        let read = node.run(["get", TOPIC, "x"]).mentions(&["\"b\": 5"]);
        for part in ["2 ops of x", "tally", "module show tally"] {
            assert!(read.stderr.contains(part), "{}", read.stderr);
        }
        let read = node.run(["get", TOPIC, "x", "--json"]).json();
        assert_eq!(
            (&read["ops_unread"], &read["value"]),
            (&json!(2), &json!({"b": 5}))
        );
        node.run(["status"]).mentions(&["ops_unread_total"]);
        for command in [&["module", "list"][..], &["module", "show", "tally"]] {
            let told = node.replicant.run(command);
            told.mentions(&["tally@3.0.0 could not read ops 2 times"]);
        }
        assert!(node.terminate().success());
        node.restart();
    }

    // Nothing is lost: a version that reads them shows them.
    node.run(["module", "rollback", "tally@1.1.0"]).succeeds();
    let read = node.run(["get", TOPIC, "x"]).prints("8\n");
    assert_eq!(read.stderr, "");
}

#[test]
fn a_forced_switch_to_a_version_that_does_not_read_all_ops_says_what_waits() {
    let node = NodeProcess::alone();
    for version in ["2.0.0", "1.0.0"] {
        node.run(["module", "load", tally(version)]).succeeds();
    }
    let back = ["module", "rollback", "tally@1.0.0", "--force"];
    let ran = node.run(back).prints("tally runs on tally@1.0.0\n");
    assert!(
        ran.stderr.contains("does not read op encoding 2"),
        "{}",
        ran.stderr
    );
    let shown = node.run(["module", "show", "tally"]);
    shown.mentions(&["does not read op encoding 2"]);
    let shown = node.run(["module", "show", "tally", "--json"]).json();
    assert_eq!(shown["unread_encodings"], json!([2]));
}
