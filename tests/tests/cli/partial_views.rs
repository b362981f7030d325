//! A cluster in which no node knows all others, of real processes.

use std::collections::{BTreeMap, BTreeSet};

use replicant_tests::process::{NodeProcess, Replicant, Running, Start, until};
use serde_json::Value;

use crate::upgrading::{all_run, tally};

/// Three neighbours are looked for, and four taken at most: of seven nodes no node has all.
const SMALL: [&str; 8] = [
    "hyparview.active_view_target=3",
    "hyparview.active_view_max=4",
    "hyparview.own_view_min=1",
    "hyparview.passive_view=12",
    "hyparview.shuffle_interval_ms=1000",
    "hyparview.contact_interval_ms=2000",
    // The machine may be busy with other things.
    "hyparview.request_timeout_ms=4000",
    "plumtree.spread=0",
];

fn arguments() -> Vec<String> {
    let strategy = ["--membership", "hyparview"].into_iter();
    let parameters = SMALL.iter().flat_map(|one| ["--parameter", one]);
    strategy.chain(parameters).map(str::to_owned).collect()
}

fn start(join: &[&NodeProcess]) -> NodeProcess {
    NodeProcess::fresh(&Start {
        join: join.iter().map(|node| node.listen().to_owned()).collect(),
        arguments: arguments(),
        ..Start::default()
    })
}

/// Those in a node's list that have a state.
fn of_state(node: &NodeProcess, state: &str) -> Vec<String> {
    let members = node.run(["members", "--json"]).succeeds().json();
    let members = members.as_array().unwrap().iter();
    let members = members.filter(|member| member["state"] == state);
    let ids = members.map(|member| member["id"].as_str().unwrap().to_owned());
    ids.collect()
}

/// Whether all are in one part, over links that both hold.
fn is_one_part(nodes: &[NodeProcess]) -> bool {
    let links: BTreeMap<String, Vec<String>> = nodes
        .iter()
        .map(|node| (node.id().to_owned(), of_state(node, "neighbour")))
        .collect();
    let mut seen = BTreeSet::from([nodes[0].id().to_owned()]);
    let mut open: Vec<String> = seen.iter().cloned().collect();
    while let Some(node) = open.pop() {
        for peer in &links[&node] {
            let is_mutual = links.get(peer).is_some_and(|back| back.contains(&node));
            if is_mutual && seen.insert(peer.clone()) {
                open.push(peer.clone());
            }
        }
    }
    let is_small = links.values().all(|peers| peers.len() <= 4);
    is_small && seen.len() == nodes.len()
}

fn increment(node: &NodeProcess, object: &str) {
    let update = ["update", "t", object, "{\"increment\": 1}"];
    let typed = [&update[..], &["--type", "g-counter"]].concat();
    node.replicant.run(typed).succeeds();
}

fn converge(nodes: &[&NodeProcess], ops: u64) {
    until("all have the same bytes", || {
        let digests = nodes.iter().map(|node| {
            let digest = node.run(["digest", "t", "--json"]);
            serde_json::from_str::<Value>(&digest.stdout).unwrap_or_default()
        });
        let digests: Vec<Value> = digests.collect();
        let is_same = |digest: &Value| digest["digest"] == digests[0]["digest"];
        digests[0]["ops"] == ops && digests.iter().all(is_same)
    });
}

fn hears(listener: &mut Running, expected: u64) {
    let message: Value = serde_json::from_str(&listener.line()).unwrap();
    assert_eq!(message["payload"], expected);
}

#[test]
fn seven_nodes_of_which_none_knows_all_load_write_converge_and_survive_a_crash() {
    let mut nodes = vec![start(&[])];
    for _ in 1..7 {
        let joined = start(&[&nodes[0]]);
        nodes.push(joined);
    }
    until("all are in one part, with four neighbours at most", || {
        is_one_part(&nodes)
    });
    let all: Vec<&NodeProcess> = nodes.iter().collect();
    nodes[3].run(["module", "load", tally("1.1.0")]).succeeds();
    all_run(&all, "1.1.0");
    for node in [0, 3, 6] {
        increment(&nodes[node], "visits");
    }
    converge(&all, 3);

    let mut listeners = [1, 2, 5].map(|node| {
        nodes[node]
            .replicant
            .start(["topic", "subscribe", "shop", "--json"])
    });
    let say = |more: &[&str]| {
        let said = ["topic", "publish", "shop/eu"].iter().chain(more);
        nodes[6].replicant.run(said)
    };
    until("all three listen", || {
        let listens = |node: &usize| {
            let topics = nodes[*node].run(["topic", "list", "--json"]).json();
            topics.as_array().is_some_and(|topics| !topics.is_empty())
        };
        [1, 2, 5].iter().all(listens)
    });
    say(&["1"]).mentions(&["not known"]);
    // What nobody knows is no number.
    let columns = |table: String, of: &str| -> Vec<String> {
        let row = table.lines().find(|line| line.starts_with(of)).unwrap();
        let cells = row.split("  ").map(|cell| cell.trim().to_owned());
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    let listed = nodes[1].run(["topic", "list"]).succeeds().stdout;
    assert_eq!(columns(listed, "shop")[1], "-");
    let neighbour = &of_state(&nodes[1], "neighbour")[0];
    let listed = nodes[1].run(["members"]).succeeds().stdout;
    let cells = columns(listed, &neighbour[..8]);
    assert_eq!((&cells[2][..], &cells[3][..]), ("neighbour", "-"));
    say(&["2", "--acks", "3", "--deadline-ms", "30000"]).prints("3 have it\n");
    for listener in &mut listeners {
        let mut first: Vec<u64> = Vec::new();
        for _ in 0..2 {
            let message: Value = serde_json::from_str(&listener.line()).unwrap();
            first.push(message["payload"].as_u64().unwrap());
        }
        first.sort_unstable();
        assert_eq!(first, [1, 2]);
    }
    say(&["3", "--acks", "all"]).fails(1, &["partial views", "--acks 3"]);
    let known = of_state(&nodes[6], "known");
    let neighbour = &of_state(&nodes[6], "neighbour")[0];
    nodes[6].run(["send", neighbour, "\"hello\""]).succeeds();
    if let Some(known) = known.first() {
        let words = ["no neighbour", "topic"];
        nodes[6].run(["send", known, "1"]).fails(1, &words);
    }

    let (listen, api) = (nodes[2].listen().to_owned(), nodes[2].api().to_owned());
    nodes[2].kill();
    let rest = [0, 1, 3, 4, 5, 6].map(|index| &nodes[index]);
    for node in [1, 4] {
        increment(&nodes[node], "visits");
    }
    converge(&rest, 5);
    nodes[6].run(["topic", "publish", "shop", "4"]).succeeds();
    hears(&mut listeners[0], 4);
    hears(&mut listeners[2], 4);
    let again = NodeProcess::start(
        nodes[2].folder(),
        &Start {
            addresses: Some((listen, api)),
            arguments: arguments(),
            ..Start::default()
        },
    );
    let all = [&again, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]];
    converge(&all, 5);
    increment(&again, "visits");
    converge(&all, 6);
}

/// What a node counted since its start.
fn counted(node: &NodeProcess, name: &str) -> u64 {
    let status = node.run(["status", "--json"]).json();
    status["counters"][name].as_u64().unwrap()
}

/// Hears so many, in any order, each once.
fn hears_each(listener: &mut Running, expected: std::ops::Range<u64>) {
    let mut heard: Vec<u64> = Vec::new();
    for _ in expected.clone() {
        let message: Value = serde_json::from_str(&listener.line()).unwrap();
        heard.push(message["payload"].as_u64().unwrap());
    }
    heard.sort_unstable();
    assert_eq!(heard, Vec::from_iter(expected));
}

#[test]
fn what_is_said_in_a_topic_travels_among_those_that_listen_once_they_found_each_other() {
    let mut nodes = vec![start(&[])];
    for _ in 1..7 {
        let joined = start(&[&nodes[0]]);
        nodes.push(joined);
    }
    until("all are in one part", || is_one_part(&nodes));
    let places = [
        (1, "shop"),
        (2, "shop"),
        (3, "shop/eu"),
        (4, "shop/eu"),
        (2, "shop/eu"),
    ];
    let mut listeners = places.map(|(node, path)| {
        let subscribe = ["topic", "subscribe", path, "--json"];
        nodes[node].replicant.start(subscribe)
    });
    until("all listen", || {
        places.iter().all(|(node, path)| {
            let topics = nodes[*node].run(["topic", "list", "--json"]).json();
            let topics = topics.as_array().unwrap().iter();
            topics.filter(|of| of["topic"] == *path).count() == 1
        })
    });
    // A node that is no part of any of these circles speaks, and one that is part of one.
    let mut said = 0;
    let mut say = |nodes: &[NodeProcess], by: usize| {
        let number = said.to_string();
        said += 1;
        nodes[by]
            .run(["topic", "publish", "shop/eu", &number])
            .succeeds();
        said
    };
    until("both found the circles", || {
        let shared = |node: &NodeProcess| counted(node, "circle_shared_total");
        let before = (shared(&nodes[6]), shared(&nodes[1]));
        say(&nodes, 6);
        say(&nodes, 1);
        before == (shared(&nodes[6]), shared(&nodes[1]))
    });
    let heard_so_far = say(&nodes, 6);
    for listener in &mut listeners {
        hears_each(listener, 0..heard_so_far);
    }
    let passed_on = |nodes: &[NodeProcess]| {
        let each = [0, 5, 6].map(|node| counted(&nodes[node], "publications_passed_on_total"));
        each.iter().sum::<u64>()
    };
    let before = passed_on(&nodes);
    let mut last = heard_so_far;
    for _ in 0..10 {
        say(&nodes, 6);
        last = say(&nodes, 1);
    }
    for listener in &mut listeners {
        hears_each(listener, heard_so_far..last);
    }
    assert_eq!(
        passed_on(&nodes),
        before,
        "nobody else had anything to do with it"
    );
    assert!(counted(&nodes[6], "circle_handed_in_total") >= 10);
}

#[test]
fn a_node_that_is_to_know_others_in_another_way_is_refused_and_both_sides_say_why() {
    let first = start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    Replicant::new().run(["init", data]).succeeds();
    let serve = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--api"];
    let join = ["127.0.0.1:0", "--join", first.listen()];
    let refused = Replicant::new().run([serve.as_slice(), &join].concat());
    refused.fails(1, &["partial view", "--membership"]);
    let log = first.folder().join("node.log");
    until("the other says so too", || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.contains("a node is refused") && log.contains("--membership")
    });
}
