//! `replicant fact` in a cluster of three processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use replicant_tests::process::{NodeProcess, Replicant, Start, until};
use tempfile::TempDir;

/// Three nodes whose first is an authority, and where everybody may tell prices.
struct Cluster {
    nodes: Vec<NodeProcess>,
    arguments: Vec<String>,
    folder: TempDir,
}

/// Makes a data folder and gives the node's id.
fn init(folder: &Path) -> String {
    let said = Replicant::new()
        .run([Path::new("init"), folder])
        .succeeds()
        .stdout;
    let id = said.split(' ').nth(1).unwrap();
    assert_eq!(id.len(), 64, "{said}");
    id.to_owned()
}

impl Cluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let folders: Vec<PathBuf> = (0..3)
            .map(|number| folder.path().join(number.to_string()))
            .collect();
        let ids: Vec<String> = folders.iter().map(|folder| init(folder)).collect();
        let arguments: Vec<String> = [
            "--authority",
            &ids[0],
            "--fact-kind",
            "price=any:1d:500",
            "--fact-interval-ms",
            "300",
            "--probe-interval-ms",
            "200",
        ]
        .map(str::to_owned)
        .into();
        let mut nodes: Vec<NodeProcess> = Vec::new();
        for folder in &folders {
            let join = nodes.first().map(|first| first.listen().to_owned());
            let start = Start {
                join: join.into_iter().collect(),
                arguments: arguments.clone(),
                ..Start::default()
            };
            nodes.push(NodeProcess::start(folder, &start));
        }
        let cluster = Self {
            nodes,
            arguments,
            folder,
        };
        until("everybody has two sessions", || {
            cluster.nodes.iter().all(|node| sessions(node) == 2)
        });
        cluster
    }

    /// Ends a node and starts it again, on the addresses that it had.
    fn restart(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        node.kill();
        let start = Start {
            addresses: Some((node.listen().to_owned(), node.api().to_owned())),
            arguments: self.arguments.clone(),
            ..Start::default()
        };
        let folder = self.folder.path().join(number.to_string());
        self.nodes[number] = NodeProcess::start(&folder, &start);
    }
}

fn sessions(node: &NodeProcess) -> u64 {
    let status = node.run(["network", "--json"]).json();
    status["sessions"].as_u64().unwrap()
}

/// What the node knows of prices, as it lists them.
fn prices(node: &NodeProcess) -> Vec<String> {
    let page = node
        .run(["fact", "list", "--kind", "price", "--json"])
        .json();
    let facts = page["facts"].as_array().unwrap().iter();
    let mut bodies: Vec<String> = facts.map(|fact| fact["body"].to_string()).collect();
    bodies.sort();
    bodies
}

#[test]
fn a_fact_reaches_everybody_survives_a_restart_and_vanishes_when_it_expires() {
    let mut cluster = Cluster::new();
    let publish = ["fact", "publish", "price", r#"{"tea":"7.50"}"#, "--json"];
    let fact = cluster.nodes[1].run(publish).json();
    let id = fact["id"].as_str().unwrap().to_owned();
    assert_eq!(fact["issuer"], cluster.nodes[1].id());
    let short = ["fact", "publish", "price", "\"soon over\"", "--ttl", "5s"];
    cluster.nodes[2].run(short).mentions(&["published"]);
    let tea = r#"{"tea":"7.50"}"#;
    until("all know the first price", || {
        let knows = |node: &NodeProcess| prices(node).contains(&tea.to_owned());
        cluster.nodes.iter().all(knows)
    });
    // What is told while a node is away is found when it is back.
    cluster.nodes[0].kill();
    let away = ["fact", "publish", "price", "\"meanwhile\""];
    cluster.nodes[1].run(away).succeeds();
    cluster.restart(0);
    until("the node that was away knows all", || {
        prices(&cluster.nodes[0]) == ["\"meanwhile\"", tea]
    });
    until("what has expired is gone everywhere", || {
        let left = |node: &NodeProcess| prices(node) == ["\"meanwhile\"", tea];
        cluster.nodes.iter().all(left)
    });
    // Everybody ends at once: what is there comes from the disks.
    cluster.nodes.iter_mut().for_each(NodeProcess::kill);
    cluster.restart(2);
    assert_eq!(prices(&cluster.nodes[2]), ["\"meanwhile\"", tea]);
    let shown = cluster.nodes[2].run(["fact", "show", &id[..10]]);
    shown.mentions(&[&id, "price", "tea"]);
}

#[test]
fn a_revoked_node_loses_its_sessions_and_is_kept_out() {
    let mut cluster = Cluster::new();
    let victim = cluster.nodes[2].id().to_owned();
    let revoke = ["fact", "revoke", &victim, "--reason", "stolen"];
    // Only the authority may.
    cluster.nodes[1]
        .run(revoke)
        .fails(1, &["its issuer may not issue this kind", "--authority"]);
    cluster.nodes[0].run(revoke).mentions(&["published"]);
    // Once is enough.
    let again = ["fact", "revoke", &victim, "--reason", "lost"];
    cluster.nodes[0]
        .run(again)
        .mentions(&["nothing is published", "before", "(stolen)"]);
    let kind = ["fact", "list", "--kind", "node-revocation", "--json"];
    let listed = cluster.nodes[0].run(kind).json();
    assert_eq!(listed["facts"].as_array().unwrap().len(), 1);
    until("the revoked node has no session", || {
        sessions(&cluster.nodes[2]) == 0 && sessions(&cluster.nodes[1]) == 1
    });
    until("it was told why before the session ended", || {
        let status = cluster.nodes[2].run(["status", "--json"]).json();
        status["revoked"]["reason"] == "stolen"
    });
    let add = [
        "update",
        "shop",
        "visits",
        "{\"add\": 1}",
        "--type",
        "g-counter",
    ];
    let reasons = ["revoked", "stolen", "replicant init"];
    cluster.nodes[2].run(add).fails(1, &reasons);
    // Not after it has started anew, nor after the others have.
    cluster.restart(1);
    cluster.restart(2);
    until("the others have each other again", || {
        sessions(&cluster.nodes[0]) == 1 && sessions(&cluster.nodes[1]) == 1
    });
    assert_eq!(sessions(&cluster.nodes[2]), 0);
    until("a member shows whom the fact keeps out", || {
        let members = cluster.nodes[1].run(["members"]).succeeds().stdout;
        let mut lines = members.lines();
        lines.any(|line| line.starts_with(&victim[..8]) && line.contains("revoked"))
    });
    until("its log says what happened and what to do", || {
        let log = cluster.folder.path().join("2/node.log");
        let log = std::fs::read_to_string(log).unwrap();
        log.contains("this node is revoked")
    });
    let told = ["fact", "publish", "price", "\"for members\""];
    cluster.nodes[0].run(told).succeeds();
    until("the other member knows the price", || {
        !prices(&cluster.nodes[1]).is_empty()
    });
    assert!(prices(&cluster.nodes[2]).is_empty());
    let listed = cluster.nodes[1].run(["fact", "list"]);
    listed.mentions(&["node-revocation", &victim, "stolen", "for members"]);
}

#[test]
fn a_node_may_revoke_itself_and_nobody_else() {
    let node = NodeProcess::alone();
    let another = "ab".repeat(32);
    let revoke = |arguments: &[&str]| {
        let why = ["--reason", "sold"].into_iter();
        node.replicant.run(
            ["fact", "revoke"]
                .into_iter()
                .chain(why)
                .chain(arguments.iter().copied()),
        )
    };
    revoke(&[&another]).fails(1, &["refused", "knows no member abababab"]);
    // Carried out at once, it would be over with the node before anybody looked.
    revoke(&[node.id()]).fails(2, &["shut itself out", "--yes-this-node"]);
    revoke(&[&another, "--yes-this-node"]).fails(2, &["another one", &node.id()[..8]]);
    // It is for ever, and people will ask.
    node.run(["fact", "revoke", node.id(), "--yes-this-node"])
        .fails(2, &["--reason"]);
    node.run([
        "fact",
        "revoke",
        node.id(),
        "--yes-this-node",
        "--reason",
        " ",
    ])
    .fails(2, &["--reason", "say why"]);
    node.run(["fact", "list"]).prints("no facts\n");
    revoke(&[node.id(), "--yes-this-node", "--json"]).succeeds();
}

/// It was said once, when the fact came, and never again.
#[test]
fn a_node_that_is_revoked_says_so_each_time_it_starts() {
    let mut node = NodeProcess::alone();
    let said = ["fact", "revoke", node.id(), "--reason", "sold"];
    node.replicant
        .run(said.iter().chain(&["--yes-this-node"]))
        .succeeds();
    let log = node.folder().join("node.log");
    let times = || {
        let log = std::fs::read_to_string(&log).unwrap();
        let lines = log
            .lines()
            .filter(|line| line.contains("this node is revoked"));
        let of: Vec<String> = lines.map(str::to_owned).collect();
        of
    };
    until("it is said", || times().len() == 1);
    node.terminate();
    node.restart();
    until("it is said again", || times().len() == 2);
    let again = &times()[1];
    for part in ["ERROR", "sold", node.id(), "GMT", "replicant init"] {
        assert!(again.contains(part), "{part}: {again}");
    }
    node.run(["status"])
        .mentions(&["revoked", "sold", "replicant init"]);
    let status = node.run(["status", "--json"]).json();
    assert_eq!(status["revoked"]["reason"], "sold");
}

/// They came again at every comparison, and nothing was said.
#[test]
fn a_node_that_declares_a_kind_differently_says_so_once_and_is_not_told_again() {
    let with = |kind: &str| -> Vec<String> {
        ["--fact-kind", kind, "--fact-interval-ms", "200"]
            .map(str::to_owned)
            .into()
    };
    let first = NodeProcess::fresh(&Start {
        arguments: with("price=any"),
        ..Start::default()
    });
    for number in 0..20 {
        let body = number.to_string();
        first.run(["fact", "publish", "price", &body]).succeeds();
    }
    let other = NodeProcess::fresh(&Start {
        join: vec![first.listen().to_owned()],
        arguments: with("notice=any"),
        ..Start::default()
    });
    let count = |node: &NodeProcess, name: &str| {
        let status = node.run(["status", "--json"]).succeeds().json();
        status["counters"][name].as_u64().unwrap_or_default()
    };
    let refused = "facts_refused_unknown_kind_total";
    until("all are refused", || count(&other, refused) == 20);
    let compared = || {
        let led = |node| count(node, "facts_compared_total");
        led(&first) + led(&other)
    };
    let before = compared();
    until("the two have compared more often", || {
        compared() > before + 5
    });
    assert_eq!(count(&other, refused), 20);
    assert_eq!(count(&first, "facts_pushed_total"), 20);
    let log = std::fs::read_to_string(other.folder().join("node.log")).unwrap();
    let said = log.matches("facts of a kind are refused here").count();
    assert_eq!(said, 1, "{log}");
    assert!(
        log.contains("price") && log.contains("--fact-kind"),
        "{log}"
    );
}

#[test]
fn what_cannot_be_a_fact_is_refused_with_the_reason() {
    let start = Start {
        arguments: vec!["--fact-kind".to_owned(), "price=any:1h:20".to_owned()],
        ..Start::default()
    };
    let node = NodeProcess::fresh(&start);
    for (arguments, reason) in [
        (
            ["fact", "publish", "weather", "1", "--ttl", "1h"],
            "not declared",
        ),
        (
            ["fact", "publish", "price", "1", "--ttl", "2h"],
            "longer than its kind",
        ),
        (
            [
                "fact",
                "publish",
                "price",
                "\"0123456789 0123456789\"",
                "--ttl",
                "1h",
            ],
            "body is larger",
        ),
        (
            ["fact", "publish", "equivocation", "1", "--ttl", "1h"],
            "made by nodes",
        ),
    ] {
        node.run(arguments).fails(1, &[reason]);
    }
    node.run(["fact", "publish", "price", "1", "--ttl", "1w"])
        .fails(2, &["90s, 30m, 12h or 7d"]);
    node.run(["fact", "show", "12345678"])
        .fails(1, &["no fact"]);
    node.run(["fact", "list"]).prints("no facts\n");
}

#[test]
fn facts_are_told_as_they_come_and_go() {
    let start = Start {
        arguments: vec!["--fact-kind".to_owned(), "price=any".to_owned()],
        ..Start::default()
    };
    let node = NodeProcess::fresh(&start);
    let watch = node.replicant.start(["fact", "watch"]);
    let (told, tells) = std::sync::mpsc::channel();
    let listening = std::thread::spawn(move || {
        let mut watch = watch;
        told.send(watch.line()).unwrap();
        loop {
            let line = watch.line();
            if line.ends_with("is gone") {
                return line;
            }
        }
    });
    // The watch hears from some moment on: facts are published until it tells of one.
    let mut number = 0;
    let first = loop {
        number += 1;
        let body = number.to_string();
        node.run(["fact", "publish", "price", &body, "--ttl", "1s"])
            .succeeds();
        if let Ok(line) = tells.recv_timeout(Duration::from_millis(100)) {
            break line;
        }
    };
    assert!(first.contains(" price by "), "{first}");
    assert!(listening.join().unwrap().ends_with("is gone"));
}
