//! `replicant serve`: starting, stopping, and what survives.

use std::path::Path;

use replicant_tests::process::{NodeProcess, Replicant, Start, until};

fn initialised() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Replicant::new()
        .run([Path::new("init"), &folder.path().join("data")])
        .succeeds();
    folder
}

#[test]
fn a_ready_node_says_where_it_is() {
    let folder = initialised();
    let (data, ready) = (folder.path().join("data"), folder.path().join("ready.json"));
    let arguments: [&Path; 9] = [
        "serve".as_ref(),
        "--data".as_ref(),
        &data,
        "--listen".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--api".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--ready-file".as_ref(),
        &ready,
    ];
    let mut serve = Replicant::new().start(arguments);
    let line = serve.line();
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    for part in ["node", "cluster", "listen", "api"] {
        assert!(
            line.contains(told[part].as_str().unwrap()),
            "{part} in {line}"
        );
    }
    Replicant::at(told["api"].as_str().unwrap())
        .run(["status"])
        .succeeds();
    serve.signal("INT");
    serve.ends().succeeds();
}

#[test]
fn a_node_that_cannot_say_where_it_is_begins_no_cluster() {
    let folder = initialised();
    let (data, ready) = (
        folder.path().join("data"),
        folder.path().join("none/ready.json"),
    );
    let files = || std::fs::read_dir(&data).unwrap().count();
    let before = files();
    let serve = [
        "serve",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--api",
        "127.0.0.1:0",
        "--ready-file",
        ready.to_str().unwrap(),
    ];
    let refused = Replicant::new().run(serve);
    refused.fails(1, &["cannot write", ready.to_str().unwrap()]);
    assert_eq!(files(), before, "only what `init` made is there");
}

#[test]
fn a_node_needs_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    let serve = [
        "serve",
        "--data",
        missing.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    Replicant::new().run(serve).fails(1, &["replicant init"]);
    let node = NodeProcess::alone();
    let data = node.folder().to_str().unwrap();
    let serve = [
        "serve",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--api",
        "127.0.0.1:0",
    ];
    Replicant::new().run(serve).fails(1, &["in use"]);
}

#[test]
fn the_api_stays_on_this_machine_unless_told_otherwise() {
    let folder = initialised();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let serve = [
        "serve",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--api",
        "0.0.0.0:0",
    ];
    Replicant::new()
        .run(serve)
        .fails(2, &["0.0.0.0:0", "--api-insecure-any-address"]);
    let told = Start {
        addresses: Some(("127.0.0.1:0".to_owned(), "0.0.0.0:0".to_owned())),
        arguments: vec!["--api-insecure-any-address".to_owned()],
        ..Start::default()
    };
    let node = NodeProcess::fresh(&told);
    let log = std::fs::read_to_string(node.folder().join("node.log")).unwrap();
    assert!(
        log.contains("WARN") && log.contains("asks nobody who they are"),
        "{log}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = [
        "serve",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--api",
        &address,
    ];
    Replicant::new().run(serve).fails(1, &[&address, "in use"]);
    // It began no cluster: it can still join one.
    let first = NodeProcess::alone();
    let joins = Start {
        join: vec![first.listen().to_owned()],
        ..Start::default()
    };
    drop(NodeProcess::start(Path::new(data), &joins));
    let serve = [
        "serve",
        "--data",
        data,
        "--listen",
        &address,
        "--api",
        "127.0.0.1:0",
    ];
    Replicant::new().run(serve).fails(1, &[&address, "in use"]);
}

#[test]
fn a_node_can_end_with_the_program_that_started_it() {
    let folder = initialised();
    let data = folder.path().join("data");
    let mut serve = Replicant::new().start_fed([
        "serve",
        "--stop-with-stdin",
        "--listen",
        "127.0.0.1:0",
        "--api",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]);
    assert!(serve.line().starts_with("ready"));
    serve.end_input();
    serve.ends().succeeds();
}

/// An API that took all the files of a common limit left none for the node's disk and its peers.
#[cfg(target_os = "linux")]
#[test]
fn a_node_may_open_as_many_files_as_the_system_allows() {
    let folder = initialised();
    let data = folder.path().join("data");
    let script = "ulimit -S -n 64; exec \"$0\" \"$@\"";
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", script])
        .arg(replicant_tests::process::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
        .arg("--data")
        .arg(data);
    let mut serve = replicant_tests::process::Running::of(shell);
    assert!(serve.line().starts_with("ready"));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serve.process_id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let limits: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(limits[0], limits[1], "{files}");
    assert_ne!(limits[0], "64", "{files}");
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let folder = initialised();
    let data = folder.path().join("data");
    let serve = [
        "serve",
        "--data",
        data.to_str().unwrap(),
        "--log",
        "what=is=this",
    ];
    Replicant::new().run(serve).fails(2, &["what=is=this"]);
}

#[test]
fn logs_can_be_read_by_programs() {
    let start = Start {
        arguments: vec!["--log-format".to_owned(), "json".to_owned()],
        ..Start::default()
    };
    let mut node = NodeProcess::fresh(&start);
    assert!(node.terminate().success());
    let log = std::fs::read_to_string(node.folder().join("node.log")).unwrap();
    assert!(!log.is_empty());
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(entry["level"].is_string(), "{line}");
    }
}

/// A log on a full disk ended the thread that wrote it, and with it every request of its topics.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let folder = initialised();
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "exec \"$0\" \"$@\" 2> /dev/full"])
        .arg(replicant_tests::process::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
        .args(["--log", "trace", "--json", "--data"])
        .arg(folder.path().join("data"));
    let mut serve = replicant_tests::process::Running::of(shell);
    let ready: serde_json::Value = serde_json::from_str(&serve.line()).unwrap();
    let replicant = Replicant::at(ready["api"].as_str().unwrap());
    for count in 1..=3 {
        let increment = ["update", "t", "c", r#"{"increment": 1}"#];
        replicant
            .run(increment.into_iter().chain(["--type", "g-counter"]))
            .succeeds();
        replicant
            .run(["get", "t", "c"])
            .prints(&format!("{count}\n"));
    }
    serve.signal("TERM");
    serve.ends().succeeds();
}

#[test]
fn what_was_acknowledged_survives_an_orderly_end_and_a_kill() {
    let mut node = NodeProcess::alone();
    let id = node.id().to_owned();
    for round in 1..=3 {
        node.run([
            "update",
            "t",
            "c",
            "{\"increment\": 1}",
            "--type",
            "g-counter",
        ])
        .succeeds();
        match round {
            1 => assert!(node.terminate().success()),
            _ => node.kill(),
        }
        node.restart();
        assert_eq!(node.id(), id);
        node.run(["get", "t", "c"]).prints(&format!("{round}\n"));
    }
}

#[test]
fn a_second_node_joins_and_sees_what_the_first_has() {
    let first = NodeProcess::alone();
    let updated = [
        "update",
        "t",
        "c",
        "{\"increment\": 7}",
        "--type",
        "g-counter",
        "--json",
    ];
    let version = first.run(updated).json()["version"]
        .as_str()
        .unwrap()
        .to_owned();
    let join = vec![first.listen().to_owned()];
    let second = NodeProcess::fresh(&Start {
        join,
        ..Start::default()
    });
    second
        .run(["get", "t", "c", "--after", &version])
        .prints("7\n");
    for node in [&first, &second] {
        let members = node.run(["members", "--json"]).json();
        let alive = members
            .as_array()
            .unwrap()
            .iter()
            .filter(|member| member["state"] == "alive");
        assert_eq!(alive.count(), 2, "{members}");
    }
    let cluster = |node: &NodeProcess| node.run(["status", "--json"]).json()["cluster"].clone();
    assert_eq!(cluster(&first), cluster(&second));
}

#[test]
fn what_a_node_says_of_itself_is_told_to_all_members() {
    let first = NodeProcess::alone();
    let second = NodeProcess::fresh(&Start {
        join: vec![first.listen().to_owned()],
        arguments: vec!["--metadata".to_owned(), "zone=eu-1 \u{1b}[1m".to_owned()],
        ..Start::default()
    });
    for node in [&first, &second] {
        until("it is told", || {
            let members = node.run(["members", "--json"]).json();
            let mut members = members.as_array().unwrap().iter();
            let found = members.find(|member| member["id"] == second.id());
            found.is_some_and(|member| member["metadata"] == "zone=eu-1 \u{1b}[1m")
        });
    }
    // Others' words control no terminal.
    let shown = first.run(["members"]).mentions(&["zone=eu-1"]);
    assert!(!shown.stdout.contains('\u{1b}'), "{}", shown.stdout);
}

#[test]
fn a_limit_on_the_size_of_files_refuses_writes_and_ends_nothing() {
    let start = Start {
        file_blocks_max: Some(16_384),
        ..Start::default()
    };
    let mut node = NodeProcess::fresh(&start);
    let add = |element: &str| {
        let command = format!(r#"{{"add": "{element}"}}"#);
        node.run(["update", "t", "x", &command, "--type", "or-set"])
    };
    add("first").succeeds();
    let large = "x".repeat(100_000);
    let refused = (0..200).map(|number| add(&format!("{number}{large}")));
    let refused = refused.into_iter().find(|ran| ran.code != Some(0));
    let refused = refused.expect("the limit was reached");
    assert!(refused.stderr.contains("too large"), "{}", refused.stderr);
    let length = node.run(["query", "t", "x", r#"{"contains": "first"}"#]);
    assert!(length.succeeds().stdout.contains("true"));
    assert!(node.terminate().success());
}

/// A panic of the database stood in front of the error.
#[test]
fn a_damaged_database_is_told_as_an_error_and_nothing_else() {
    const PAGE: usize = 4_096;
    let mut node = NodeProcess::alone();
    let update = [
        "update",
        "t",
        "o",
        "{\"increment\":1}",
        "--type",
        "g-counter",
    ];
    node.run(update).succeeds();
    // After a clean end the database trusts its pages.
    assert!(node.terminate().success());
    let file = node.folder().join("replicant.redb");
    let mut damaged = std::fs::read(&file).unwrap();
    // All pages but the header: which of them are in use differs.
    for page in damaged.chunks_mut(PAGE).skip(1) {
        let begin = page.len().min(512);
        page[..begin].fill(0xaa);
    }
    std::fs::write(&file, damaged).unwrap();
    let data = node.folder().to_str().unwrap();
    let serve = ["serve", "--data", data, "--listen", "127.0.0.1:0"];
    let ran = Replicant::new().run(serve.iter().chain(&["--api", "127.0.0.1:0"]));
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran.fails(1, &["replicant.redb", "damaged", "restore a backup"]);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_told_at_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut node = NodeProcess::alone();
    node.terminate();
    let key = node.folder().join("node.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let log = || std::fs::read_to_string(node.folder().join("node.log")).unwrap();
    assert!(!log().contains("chmod 600"), "{}", log());
    let again = NodeProcess::start(node.folder(), &Start::default());
    let told = format!("chmod 600 '{}'", key.display());
    assert!(log().contains(&told), "{}", log());
    drop(again);
}
