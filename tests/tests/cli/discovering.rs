//! Nodes that find each other.

use std::net::{Ipv4Addr, UdpSocket};

use replicant_tests::name_server::NameServer;
use std::process::Command;

use replicant_tests::process::{NodeProcess, Replicant, Running, Start, binary, until};

fn node(arguments: &[&str]) -> NodeProcess {
    NodeProcess::fresh(&Start {
        arguments: arguments.iter().map(|part| (*part).to_owned()).collect(),
        ..Start::default()
    })
}

fn all_meet(nodes: &[&NodeProcess]) {
    until("all have sessions with all", || {
        nodes.iter().all(|node| {
            let members = node.run(["members", "--json"]).succeeds().json();
            let open = members.as_array().unwrap().iter();
            open.filter(|member| member["connected"] == true).count() == nodes.len() - 1
        })
    });
}

#[test]
fn a_node_joins_others_under_a_name_and_those_of_a_service() {
    let server = NameServer::start();
    let first = NodeProcess::alone();
    let (_, port) = first.listen().rsplit_once(':').unwrap();
    // Somebody may be listed who is not there.
    let addresses = [Ipv4Addr::new(127, 0, 0, 99), Ipv4Addr::LOCALHOST];
    server.set_addresses("nodes.test", &addresses);
    let services = [
        (1, 1, 1, "gone.test"),
        (2, 1, port.parse().unwrap(), "nodes.test"),
    ];
    server.set_services("_nodes._tcp.test", &services);
    let (ask, name) = (
        server.address().to_string(),
        format!("dns:nodes.test:{port}"),
    );
    let second = node(&["--dns-server", &ask, "--join", &name]);
    let third = node(&["--dns-server", &ask, "--join", "srv:_nodes._tcp.test"]);
    all_meet(&[&first, &second, &third]);
}

#[test]
fn what_is_no_place_to_look_for_nodes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    Replicant::new().run(["init", data]).succeeds();
    for (join, words) in [
        ("dns:nodes.test", "port is missing"),
        ("srv:nodes.test:7001", "srv:_SERVICE._PROTOCOL.NAME"),
    ] {
        let serve = [
            "serve",
            "--data",
            data,
            "--listen",
            "127.0.0.1:0",
            "--join",
            join,
        ];
        Replicant::new().run(serve).fails(2, &[join, words]);
    }
}

#[test]
fn the_first_node_begins_the_cluster_that_others_find_under_its_name() {
    let server = NameServer::start();
    let ask = server.address().to_string();
    // Nobody is listed yet, as when a service has no pod that runs.
    let looking = ["--dns-server", &ask, "--join", "srv:_nodes._tcp.test"];
    let mut first = node(&[&looking[..], &["--new-cluster"]].concat());
    let (_, port) = first.listen().rsplit_once(':').unwrap();
    server.set_addresses("first.test", &[Ipv4Addr::LOCALHOST]);
    let services = [(1, 1, port.parse().unwrap(), "first.test")];
    server.set_services("_nodes._tcp.test", &services);
    let second = node(&looking);
    all_meet(&[&first, &second]);
    let cluster = |node: &NodeProcess| node.run(["status", "--json"]).json()["cluster"].clone();
    let begun = cluster(&second);
    // It has one by now: to be told so again changes nothing.
    first.terminate();
    let arguments = [&looking[..], &["--new-cluster"]].concat();
    let again = NodeProcess::start(
        first.folder(),
        &Start {
            arguments: arguments.iter().map(|part| (*part).to_owned()).collect(),
            ..Start::default()
        },
    );
    assert_eq!(cluster(&again), begun);
    all_meet(&[&again, &second]);
}

/// A multicast group that nobody else uses.
fn quiet_group() -> String {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    format!("239.255.82.81:{port}")
}

/// It was silent for a minute.
#[test]
fn a_node_that_hears_nobody_says_what_it_waits_for_and_what_begins_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    Replicant::new().run(["init", data]).succeeds();
    // All that it says comes by one way.
    let mut serve = Command::new("/bin/sh");
    serve.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(binary());
    serve.args(["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    serve.args(["--api", "127.0.0.1:0", "--discover"]);
    serve.args(["--discover-group", &quiet_group()]);
    let mut looking = Running::of(serve);
    let told = loop {
        let line = looking.line();
        assert!(!line.starts_with("ready"), "{line}");
        if line.contains("no node of the local network has answered yet") {
            break line;
        }
    };
    assert!(
        told.contains("60 seconds") && told.contains("--new-cluster"),
        "{told}"
    );
}

#[test]
fn two_nodes_of_one_machine_find_each_other_by_beacons() {
    let group = quiet_group();
    let discover = ["--discover", "--discover-group", &group];
    let first = node(&[&discover[..], &["--new-cluster"]].concat());
    let second = node(&discover);
    all_meet(&[&first, &second]);
}
