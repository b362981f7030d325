//! `replicant update`, one command or many.

use replicant_tests::process::{NodeProcess, Ran};
use serde_json::json;

fn send(node: &NodeProcess, lines: &str) -> Ran {
    node.replicant
        .run_with(["update", "t", "c", "-", "--type", "g-counter"], lines)
}

#[test]
fn what_the_type_refuses_is_told_in_its_own_words() {
    let node = NodeProcess::alone();
    let ran = node.run([
        "update",
        "t",
        "c",
        "{\"increment\": -1}",
        "--type",
        "g-counter",
    ]);
    ran.fails(1, &["error: ", "hint: nothing was changed"]);
    node.run([
        "update",
        "t",
        "c",
        "{\"increment\": 0}",
        "--type",
        "g-counter",
    ])
    .prints("nothing to change\n");
    node.run(["update", "t", "c", "1", "--type", "nope"])
        .fails(1, &["nope", "replicant module list"]);
    node.run(["update", "t", "new", "{\"increment\": 1}"])
        .fails(1, &["new", "type"]);
}

#[test]
fn many_commands_come_from_standard_input() {
    let node = NodeProcess::alone();
    let lines = "{\"increment\": 1}\n".repeat(2_500);
    send(&node, &lines).prints("2,500 applied, 0 without effect, 0 refused\n");
    node.run(["get", "t", "c"]).prints("2500\n");
    send(&node, "").prints("0 applied, 0 without effect, 0 refused\n");
    send(&node, "\n\n{\"increment\": 0}\r\n").prints("0 applied, 1 without effect, 0 refused\n");
}

#[test]
fn refused_lines_are_named_and_the_others_carried_out() {
    let node = NodeProcess::alone();
    let lines = "{\"increment\": 1}\n\n{\"increment\": -1}\n{\"increment\": 2}\n\"x\"\n";
    let ran = send(&node, lines);
    let ran = ran.fails(
        1,
        &[
            "line 3 was refused",
            "line 5 was refused",
            "2 commands were refused",
        ],
    );
    assert_eq!(ran.stdout, "2 applied, 0 without effect, 2 refused\n");
    node.run(["get", "t", "c"]).prints("3\n");
    send(&node, "{\"increment\": -1}\n").fails(1, &["1 command was refused"]);
}

#[test]
fn a_line_that_is_not_json_ends_the_sending_and_is_named() {
    let node = NodeProcess::alone();
    let ran = send(
        &node,
        "{\"increment\": 1}\n{\"increment\": 2\n{\"increment\": 4}\n",
    );
    let ran = ran.fails(1, &["line 2 is not JSON", "before that: 1 applied"]);
    assert_eq!(ran.stdout, "");
    node.run(["get", "t", "c"]).prints("1\n");
}

#[test]
fn a_line_that_the_node_cannot_take_is_named_too() {
    let node = NodeProcess::alone();
    for bad in [
        "{\"increment\": 1, \"increment\": 1}",
        "123456789012345678901234567890",
    ] {
        let lines = format!("{{\"increment\": 1}}\n{bad}\n{{\"increment\": 1}}\n");
        send(&node, &lines).fails(1, &["line 2: "]);
    }
}

#[test]
fn programs_get_the_counts_as_json() {
    let node = NodeProcess::alone();
    let arguments = ["update", "t", "c", "-", "--type", "g-counter", "--json"];
    let counts = node
        .replicant
        .run_with(arguments, "{\"increment\": 5}\n")
        .json();
    assert_eq!(
        (&counts["applied"], &counts["refused"]),
        (&json!(1), &json!(0))
    );
    let version = counts["version"].as_str().unwrap();
    node.run(["get", "t", "c", "--after", version])
        .prints("5\n");
}
