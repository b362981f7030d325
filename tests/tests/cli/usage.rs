//! The command line itself, and what is said without a node.

use replicant_tests::process::Replicant;

#[test]
fn a_wrong_command_line_is_told_from_a_failure() {
    let replicant = Replicant::new();
    replicant
        .run(["no-such-command"])
        .fails(2, &["no-such-command", "--help"]);
    replicant.run(["get", "t"]).fails(2, &["<ID>"]);
    replicant
        .run(["objects", "t", "--limit", "0"])
        .fails(2, &["1..=10000"]);
    replicant
        .run(["serve", "--data", "d", "--listen", "nowhere"])
        .fails(2, &["--listen"]);
    replicant.run::<&str>([]).fails(2, &["Usage:", "serve"]);
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = Replicant::new().run(["--help"]);
    help.mentions(&[
        "init",
        "serve",
        "status",
        "members",
        "network",
        "module",
        "update",
        "get",
        "query",
        "watch",
        "objects",
        "topics",
        "digest",
        "check",
        "demo",
        "Exit codes",
        "3  the node could not",
    ]);
    Replicant::new()
        .run(["update", "--help"])
        .mentions(&["standard input", "--type", "--json"]);
}

#[test]
fn a_variable_that_is_empty_is_as_good_as_none() {
    let mut status = std::process::Command::new(replicant_tests::process::binary());
    let output = status.arg("status").env("REPLICANT_API", "").output();
    let output = output.unwrap();
    // Whether a node of somebody answers there is another matter.
    let said = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("REPLICANT_API as http"), "{said}");
}

#[test]
fn the_version_is_that_of_the_release() {
    Replicant::new().run(["--version"]).prints(concat!(
        "replicant ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    ));
}

#[test]
fn a_node_that_is_not_there_has_an_exit_code_of_its_own() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let nobody = Replicant::at(&address);
    for arguments in [
        vec!["status"],
        vec!["members"],
        vec!["get", "t", "x"],
        vec!["watch", "t"],
        vec!["update", "t", "x", "{}"],
        vec!["module", "list"],
        vec!["network", "off"],
    ] {
        nobody
            .run(&arguments)
            .fails(3, &["no answer", &address, "--api"]);
    }
    nobody
        .run_with(["update", "t", "x", "-"], "1\n2\n")
        .fails(3, &["line", &address]);
}

#[test]
fn an_address_that_cannot_be_used_is_named() {
    for address in [
        "https://127.0.0.1:1",
        "http://127.0.0.1:1/path",
        "not a url",
    ] {
        Replicant::at(address)
            .run(["status"])
            .fails(2, &[address, "http://HOST:PORT"]);
    }
    Replicant::at("https://a")
        .run(["status", "--api", "127.0.0.1:1"])
        .fails(3, &["127.0.0.1:1"]);
}

#[test]
fn arguments_that_are_not_json_are_refused_before_anything_is_sent() {
    let nobody = Replicant::at("127.0.0.1:1");
    nobody
        .run(["update", "t", "x", "clear"])
        .fails(2, &["not JSON", "'\"clear\"'"]);
    nobody
        .run(["query", "t", "x", "size"])
        .fails(2, &["not JSON"]);
    nobody
        .run_with(["update", "t", "x", "-"], "not json\n")
        .fails(1, &["line 1 is not JSON", "at column 2"]);
    for (topic, id, missing) in [("", "x", "<TOPIC>"), ("t", "", "<ID>")] {
        nobody.run(["get", topic, id]).fails(2, &[missing]);
    }
}

#[test]
fn a_folder_is_made_a_nodes_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let data = data.to_str().unwrap();
    let replicant = Replicant::new();
    replicant
        .run(["init", data])
        .mentions(&[data, "replicant serve --data"]);
    replicant.run(["init", data]).fails(1, &[data, "already"]);
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("data");
    replicant
        .run(["init", below.to_str().unwrap()])
        .fails(1, &["file"]);
}

#[test]
fn arguments_that_are_wrong_in_themselves_are_found_before_anything_is_sent() {
    let nobody = Replicant::at("127.0.0.1:1");
    let id = "ab".repeat(32);
    for (arguments, said) in [
        (vec!["get", "a//b", "x"], "a//b"),
        (vec!["get", "t", "x", "--type", "No Type"], "--type"),
        (vec!["get", "t", "x", "--after", "!"], "--after"),
        (vec!["update", "a//b", "x", "1"], "a//b"),
        (vec!["watch", "a//b"], "a//b"),
        (vec!["watch", "t", "--from", "!"], "--from"),
        (vec!["objects", "a//b"], "a//b"),
        (vec!["digest", "a//b"], "a//b"),
        (vec!["topic", "publish", "a//b", "1"], "a//b"),
        (vec!["topic", "subscribe", "a//b"], "a//b"),
        (vec!["send", "somebody", "1"], "0-9 and a-f"),
        (vec!["fact", "revoke", "zz"], "<NODE>"),
        (vec!["fact", "revoke", &id[1..]], "<NODE>"),
        (vec!["fact", "show", "1234567"], "8 to 64"),
        (vec!["fact", "show", &id, &id], "unexpected argument"),
        (vec!["fact", "publish", "No Kind", "1"], "<KIND>"),
        (vec!["fact", "list", "--issuer", "zz"], "--issuer"),
        (vec!["fact", "list", "--issuer", &id[..8]], "members --json"),
        (vec!["fact", "list", "--kind", "No Kind"], "--kind"),
        (vec!["fact", "list", "--after", "zz"], "--after"),
        (vec!["module", "show", "no such"], "no such"),
        (vec!["module", "show", "1234567"], "8 to 64 of the digits"),
        (vec!["module", "upgrade", "tally@"], "NAME@VERSION"),
        (
            vec!["module", "load", "x.wasm", "--fuel-per-call", "0"],
            "100000",
        ),
        (
            vec!["module", "load", "x.wasm", "--memory-bytes", "0"],
            "65536",
        ),
        (
            vec!["module", "load", "x.wasm", "--output-bytes", "0"],
            "4096",
        ),
        (
            vec!["module", "load", "x.wasm", "--fuel-per-call", "10000000001"],
            "--fuel-per-call <NUMBER>': 10000000001 is not in 100000..=10000000000",
        ),
        (
            vec!["module", "load", "x.wasm", "--memory-bytes", "1073741825"],
            "--memory-bytes <BYTES>': 1073741825 is not in 65536..=1073741824",
        ),
        (
            vec!["module", "load", "x.wasm", "--output-bytes", "67108865"],
            "--output-bytes <BYTES>': 67108865 is not in 4096..=67108864",
        ),
        (
            vec!["check", "x.wasm", "--replay", "a.json", "--save", "b.json"],
            "'--save <FILE>'",
        ),
        (
            vec!["check", "x.wasm", "--replay", "a.json", "--threads", "2"],
            "'--threads <THREADS>'",
        ),
        (
            vec!["sim", "--list", "crash"],
            "'--list' cannot be used with",
        ),
        (
            vec!["sim", "--list", "--nodes", "9"],
            "'--list' cannot be used with",
        ),
        (
            vec!["sim", "--list", "--json"],
            "'--list' cannot be used with",
        ),
    ] {
        nobody.run(&arguments).fails(2, &[said]);
    }
}
