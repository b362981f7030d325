//! Five nodes on five machines, which are network namespaces: cables are pulled and plugged in.
//!
//! Takes the program `ip` and the right to make namespaces; where they are missing it says so and
//! passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use replicant_tests::process::{Lab, NodeProcess, Running, Start, until};
use serde_json::Value;

const COUNT: usize = 5;
/// A lab of so many machines; `None` where there can be none.
fn lab(machines: usize) -> Option<Lab> {
    match Lab::new(machines) {
        Ok(lab) => Some(lab),
        Err(reason) => {
            eprintln!("skipped, there can be no network of namespaces here: {reason}");
            None
        }
    }
}

/// A node on a machine, started with these arguments.
fn node(lab: &Lab, machine: usize, arguments: &[&str]) -> NodeProcess {
    let listen = format!("{}:7001", lab.address(machine));
    let arguments = [&["--probe-interval-ms", "300"], arguments].concat();
    NodeProcess::fresh(&Start {
        addresses: Some((listen, "127.0.0.1:8080".to_owned())),
        arguments: arguments.into_iter().map(str::to_owned).collect(),
        namespace: Some(lab.namespace(machine)),
        ..Start::default()
    })
}

/// A lab with a node on each machine; `None` where there can be no lab.
fn cluster() -> Option<(Lab, Vec<NodeProcess>)> {
    let lab = lab(COUNT)?;
    let mut nodes: Vec<NodeProcess> = vec![node(&lab, 0, &[])];
    let first = nodes[0].listen().to_owned();
    nodes.extend((1..COUNT).map(|machine| node(&lab, machine, &["--join", &first])));
    let cluster = (lab, nodes);
    until("all see all", || sees(&cluster.1, |_, _| true));
    Some(cluster)
}

/// How many others a node has sessions with and takes for alive.
fn peers(node: &NodeProcess) -> Vec<String> {
    let members = node.run(["members", "--json"]).succeeds().json();
    let members = members.as_array().unwrap().iter();
    let open = members.filter(|member| member["connected"] == true && member["state"] == "alive");
    open.map(|member| member["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Whether each node has sessions with exactly the others that `is_near` names.
fn sees(nodes: &[NodeProcess], is_near: impl Fn(usize, usize) -> bool) -> bool {
    (0..nodes.len()).all(|own| {
        let peers = peers(&nodes[own]);
        (0..nodes.len())
            .filter(|other| *other != own)
            .all(|other| peers.contains(&nodes[other].id().to_owned()) == is_near(own, other))
    })
}

fn add(node: &NodeProcess, element: &str) {
    let command = format!("{{\"add\": \"{element}\"}}");
    node.run(["update", "t", "set", &command, "--type", "or-set"])
        .succeeds();
}

/// Whether all nodes have exactly these elements.
fn all_have(nodes: &[NodeProcess], elements: &[&str]) -> bool {
    nodes.iter().all(|node| {
        let read = node.run(["get", "t", "set", "--json"]);
        let value: Value = serde_json::from_str(&read.stdout).unwrap_or_default();
        value["value"] == serde_json::json!(elements)
    })
}

fn digests_are_equal(nodes: &[NodeProcess]) -> bool {
    let digest = |node: &NodeProcess| {
        let digest = node.run(["digest", "t", "--json"]).succeeds().json();
        digest["digest"].clone()
    };
    let first = digest(&nodes[0]);
    nodes.iter().all(|node| digest(node) == first)
}

#[test]
fn two_sides_of_a_broken_network_go_on_and_come_together_again() {
    let Some((lab, nodes)) = cluster() else {
        return;
    };
    add(&nodes[0], "before");
    until("all have it", || all_have(&nodes, &["before"]));
    lab.set_cable(3, false);
    lab.set_cable(4, false);
    let side = |machine: usize| if machine < 3 { 0 } else { machine };
    until("each side sees its own", || {
        sees(&nodes, |own, other| side(own) == side(other))
    });
    for (machine, element) in [(0, "here"), (3, "there"), (4, "elsewhere")] {
        add(&nodes[machine], element);
    }
    lab.set_cable(3, true);
    lab.set_cable(4, true);
    until("all see all again", || sees(&nodes, |_, _| true));
    let all = ["before", "elsewhere", "here", "there"];
    until("all have everything", || all_have(&nodes, &all));
    assert!(digests_are_equal(&nodes));
}

/// Two programs that listen at nodes 0 and 4.
fn listeners(nodes: &[NodeProcess]) -> [Running; 2] {
    let listen = |machine: usize| {
        let replicant = &nodes[machine].replicant;
        replicant.start(["topic", "subscribe", "bells", "--json"])
    };
    let listeners = [0, 4].map(listen);
    let knows = |node: &NodeProcess| {
        let topics = node.run(["topic", "list", "--json"]).succeeds().json();
        let mut topics = topics.as_array().unwrap().iter();
        topics.any(|topic| topic["topic"] == "bells" && topic["subscribers"] == 2)
    };
    until("all know who listens", || nodes.iter().all(knows));
    listeners
}

/// A message in their topic comes to both.
fn rings(by: &NodeProcess, message: &str, listeners: &mut [Running; 2]) {
    let message = serde_json::json!(message).to_string();
    by.run(["topic", "publish", "bells", &message, "--acks", "all"])
        .succeeds();
    for listener in listeners {
        let heard: Value = serde_json::from_str(&listener.line()).unwrap();
        assert_eq!(heard["payload"].to_string(), message);
    }
}

#[test]
fn who_hears_but_is_not_heard_is_not_taken_for_dead_by_the_rest_and_loses_nothing() {
    let Some((lab, nodes)) = cluster() else {
        return;
    };
    let mut listeners = listeners(&nodes);
    // What node 4 sends to node 0 gets lost; all else arrives.
    lab.set_one_way(4, 0, false);
    let knows =
        |own: usize, other: usize| peers(&nodes[own]).contains(&nodes[other].id().to_owned());
    until("the session between the two breaks", || {
        !knows(0, 4) && !knows(4, 0)
    });
    add(&nodes[4], "from 4");
    add(&nodes[0], "from 0");
    // By way of the others, everything reaches everybody: messages of the only two listeners too.
    rings(&nodes[4], "of 4", &mut listeners);
    rings(&nodes[0], "of 0", &mut listeners);
    until("all have both", || all_have(&nodes, &["from 0", "from 4"]));
    for node in &nodes[1..] {
        let members = node.run(["members", "--json"]).succeeds().json();
        let dead = members
            .as_array()
            .unwrap()
            .iter()
            .filter(|member| member["state"] == "dead");
        assert_eq!(
            dead.count(),
            0,
            "{} takes somebody for dead: {members}",
            node.id()
        );
    }
    lab.set_one_way(4, 0, true);
    until("all see all again", || sees(&nodes, |_, _| true));
    add(&nodes[4], "after");
    until("all have it", || {
        all_have(&nodes, &["after", "from 0", "from 4"])
    });
    assert!(digests_are_equal(&nodes));
}

#[test]
fn nodes_of_one_network_find_each_other_without_being_told_where() {
    let Some(lab) = lab(3) else {
        return;
    };
    let first = node(&lab, 0, &["--discover", "--new-cluster"]);
    let others = [1, 2].map(|machine| node(&lab, machine, &["--discover"]));
    let nodes: Vec<_> = [first].into_iter().chain(others).collect();
    until("all see all", || sees(&nodes, |_, _| true));
}
