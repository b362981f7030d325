//! The commands that read, for people and for programs.

use replicant_tests::process::NodeProcess;
use serde_json::{Value, json};

/// What the API itself answers.
fn api(node: &NodeProcess, path: &str) -> String {
    let mut response = ureq::get(format!("http://{}{path}", node.api()))
        .call()
        .unwrap();
    response.body_mut().read_to_string().unwrap()
}

#[test]
fn a_first_session() {
    let node = NodeProcess::alone();
    node.run([
        "update",
        "shop/eu",
        "visits",
        "{\"increment\": 3}",
        "--type",
        "g-counter",
    ])
    .mentions(&["done, version "]);
    node.run(["get", "shop/eu", "visits"]).prints("3\n");
    node.run([
        "update",
        "shop/eu",
        "basket",
        "{\"add\": \"apple\"}",
        "--type",
        "or-set",
    ])
    .succeeds();
    node.run(["query", "shop/eu", "basket", "{\"contains\": \"apple\"}"])
        .prints("true\n");
    node.run(["query", "shop/eu", "basket", "\"size\""])
        .prints("1\n");
    node.run(["objects", "shop/eu"])
        .prints("TYPE       ID\ng-counter  visits\nor-set     basket\n");
    node.run(["topics"])
        .prints("TOPIC    OBJECTS  OPS\nshop/eu  2        2\n");
    node.run(["digest", "shop/eu"])
        .mentions(&["digest", "objects", "2"]);
    node.run(["objects", "nothing/here"]).prints("no objects\n");
}

#[test]
fn the_node_and_its_cluster_are_shown() {
    let node = NodeProcess::alone();
    node.run(["status"])
        .mentions(&[node.id(), node.listen(), node.api(), "takes writes"]);
    node.run(["members"])
        .mentions(&[&node.id()[..8], "alive", "this node"]);
    node.run(["network"])
        .prints("network on, 0 sessions, swim\n");
    node.run(["network", "off"]).mentions(&["network off"]);
    node.run(["status"])
        .mentions(&["off (`replicant network on`"]);
    node.run(["network", "on"])
        .prints("network on, 0 sessions, swim\n");
}

#[test]
fn modules_are_listed_and_shown() {
    let node = NodeProcess::alone();
    node.run(["module", "list"]).mentions(&[
        "g-counter",
        "lww-map",
        "lww-register",
        "or-set",
        "text",
        "KiB",
    ]);
    node.run(["module", "show", "g-counter"]).mentions(&[
        "g-counter@",
        "exports",
        "limit ",
        "JSON Schema, command",
    ]);
    node.run(["module", "show", "none"])
        .fails(1, &["none", "replicant module list"]);
    node.run(["module", "load", "/no/such/file"])
        .fails(1, &["/no/such/file"]);
    let empty = tempfile::NamedTempFile::new().unwrap();
    let path = empty.path().to_str().unwrap();
    node.run(["module", "load", path])
        .fails(1, &["was not loaded", path]);
}

#[test]
fn json_is_exactly_what_the_api_answers() {
    let node = NodeProcess::alone();
    let number = "{\"set\": [18446744073709551615, 0.1, null]}";
    node.run(["update", "a/b", "r", number, "--type", "lww-register"])
        .succeeds();
    for (arguments, path) in [
        (vec!["members"], "/v1/members"),
        (vec!["module", "list"], "/v1/modules"),
        (vec!["module", "show", "text"], "/v1/modules/text"),
        (vec!["topics"], "/v1/topics"),
        (vec!["objects", "a/b"], "/v1/topics/a%2Fb/objects"),
        (vec!["digest", "a/b"], "/v1/topics/a%2Fb/digest"),
        (vec!["get", "a/b", "r"], "/v1/topics/a%2Fb/objects/r"),
        (vec!["network"], "/v1/network"),
    ] {
        let ran = node
            .replicant
            .run(arguments.iter().chain(&["--json"]))
            .succeeds();
        assert_eq!(ran.stdout, api(&node, path) + "\n", "{arguments:?}");
    }
    let status = node.run(["status", "--json"]).json();
    assert_eq!(status["node"], node.id());
    let updated = node
        .run(["update", "a/b", "r", "{\"set\": 1}", "--json"])
        .json();
    assert!(
        updated["outcomes"][0]["applied"]["counter"].is_u64(),
        "{updated}"
    );
    let answer = node
        .run(["query", "a/b", "r", "\"value\"", "--json"])
        .json();
    assert_eq!(
        (&answer["answer"], &answer["version"]),
        (&json!(1), &updated["version"])
    );
}

#[test]
fn texts_are_printed_as_they_are_but_do_not_take_over_the_terminal() {
    let node = NodeProcess::alone();
    let set = |value: Value| {
        let command = json!({ "set": value }).to_string();
        node.run(["update", "t", "r", &command, "--type", "lww-register"])
            .succeeds();
    };
    set(json!("two\nlines\tand \u{1b}[31mno colour"));
    node.run(["get", "t", "r"])
        .prints("two\nlines\tand \u{fffd}[31mno colour\n");
    set(json!({"b": [1], "a": null}));
    node.run(["get", "t", "r"])
        .prints("{\n  \"a\": null,\n  \"b\": [\n    1\n  ]\n}\n");
}

#[test]
fn failures_say_what_happened_and_what_to_do() {
    let node = NodeProcess::alone();
    node.run(["get", "t", "none"])
        .fails(1, &["error:", "none", "hint:", "--type"]);
    let ran = node.run(["get", "../x", "y"]).fails(2, &["topic", ".."]);
    assert!(!ran.stderr.contains("%2F"), "{}", ran.stderr);
    node.run(["get", "t", "x", "--after", "nonsense"])
        .fails(2, &["version"]);
    node.run(["objects", "t", "--after", "nonsense"])
        .fails(1, &["cursor"]);
    for type_name in ["g-counter", "or-set"] {
        let command = if type_name == "or-set" {
            "{\"add\": \"a\"}"
        } else {
            "{\"increment\": 1}"
        };
        node.run(["update", "t", "x", command, "--type", type_name])
            .succeeds();
    }
    node.run(["get", "t", "x"])
        .fails(1, &["g-counter", "or-set", "--type"]);
    node.run(["get", "t", "x", "--type", "or-set"])
        .prints("[\n  \"a\"\n]\n");
}

#[test]
fn pages_can_be_followed_by_hand() {
    let node = NodeProcess::alone();
    for id in ["a", "b", "c"] {
        node.run([
            "update",
            "t",
            id,
            "{\"increment\": 1}",
            "--type",
            "g-counter",
        ])
        .succeeds();
    }
    let page = node.run(["objects", "t", "--limit", "2", "--json"]).json();
    let next = page["next"].as_str().unwrap();
    let rest = node.run(["objects", "t", "--after", next, "--json"]).json();
    assert_eq!(rest["objects"], json!([{"type": "g-counter", "id": "c"}]));
    assert_eq!(rest["next"], Value::Null);
    node.run(["objects", "t", "--limit", "2"])
        .mentions(&["there are more: --after "]);
}

#[test]
fn output_may_be_cut_short() {
    let node = NodeProcess::alone();
    let script = format!(
        "'{}' module show text | head -n 1",
        replicant_tests::process::binary().display()
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).env("REPLICANT_API", node.api());
    let output = shell.output().unwrap();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("text@")
    );
}
