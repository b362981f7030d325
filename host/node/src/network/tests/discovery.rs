//! Nodes find each other through names and beacons.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use replicant_protocol::discovery::Beacon;
use socket2::SockRef;

use super::name_server::NameServer;
use super::*;

fn local(number: u8) -> Ipv4Addr {
    [127, 0, 0, number].into()
}

/// A node that looks for others under a name. All of them have the same port, as in a cluster of
/// containers, and each an address of its own.
fn named(number: u8, port: u16, server: &NameServer) -> NetworkConfig {
    let mut config = config(number, &[]);
    config.listen = (local(number), port).into();
    config.seeds = vec![format!("dns:nodes.test:{port}")];
    config.dns_server = Some(server.address());
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_find_each_other_under_one_name() {
    let server = NameServer::start();
    let mut first = config(11, &[]);
    first.listen = (local(11), 0).into();
    let a = TestNode::start(first).await;
    let port = a.address().port();
    // Nobody is at one of them.
    server.set_addresses("nodes.test", &[local(14), local(12), local(11)]);
    let bound = BoundNetwork::bind(named(12, port, &server)).await.unwrap();
    assert_eq!(bound.find_cluster().await.unwrap(), CLUSTER);
    drop(bound);
    let b = TestNode::start(named(12, port, &server)).await;
    converge(&[&a, &b]).await;
    assert_eq!(b.count(Count::LookupsFailed), 0);
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_listed_later_is_found() {
    let server = NameServer::start();
    let mut first = config(21, &[]);
    first.listen = (local(21), 0).into();
    let a = TestNode::start(first).await;
    let port = a.address().port();
    let b = TestNode::start(named(22, port, &server)).await;
    eventually("it asks in vain", || b.count(Count::LookupsFailed) > 1).await;
    server.set_addresses("nodes.test", &[local(21), local(22)]);
    converge(&[&a, &b]).await;
    shut_down(&[&a, &b]).await;
}

#[tokio::test]
async fn a_new_node_that_finds_only_itself_says_so() {
    let server = NameServer::start();
    let mut config = config(31, &[]);
    config.join_wait = Duration::from_millis(300);
    config.dns_server = Some(server.address());
    config.listen = (local(31), 0).into();
    // The port is not known before it listens: a record has it.
    let bound = BoundNetwork::bind(config.clone()).await.unwrap();
    config.listen = bound.address();
    drop(bound);
    server.set_addresses("own.test", &[local(31)]);
    let service = (1, 1, config.listen.port(), "own.test");
    server.set_services("_replicant._tcp.test", &[service]);
    config.seeds = vec!["srv:_replicant._tcp.test".to_owned()];
    let bound = BoundNetwork::bind(config).await.unwrap();
    let error = bound.find_cluster().await.unwrap_err().to_string();
    assert!(error.contains("no address but this node's own"), "{error}");
}

/// A group that no other test uses, by its port.
fn group() -> SocketAddrV4 {
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    SocketAddrV4::new([239, 255, 82, 81].into(), port)
}

fn beaconing(number: u8, group: SocketAddrV4) -> NetworkConfig {
    let mut config = config(number, &[]);
    config.discover = Some(group);
    config
}

/// Says something to a group, as anybody on this machine can.
fn say(group: SocketAddrV4, bytes: &[u8]) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let interface = Ipv4Addr::LOCALHOST;
    SockRef::from(&socket)
        .set_multicast_if_v4(&interface)
        .unwrap();
    socket.send_to(bytes, group).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_cluster_hear_each_other_and_no_other_cluster() {
    let group = group();
    let a = TestNode::start(beaconing(41, group)).await;
    let elsewhere = ClusterId::from_bytes([9; 32]);
    let other = TestNode::start_in(beaconing(42, group), elsewhere).await;
    let b = TestNode::start(beaconing(43, group)).await;
    converge(&[&a, &b]).await;
    eventually("it is heard", || other.count(Count::BeaconsReceived) > 2).await;
    for node in [&a, &b, &other] {
        assert_eq!(node.count(Count::HandshakeCluster), 0);
        assert_eq!(node.count(Count::BeaconsMalformed), 0);
    }
    shut_down(&[&a, &b, &other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_takes_the_cluster_that_is_proved_and_not_what_a_liar_says() {
    let group = group();
    let a = TestNode::start(beaconing(51, group)).await;
    let bound = BoundNetwork::bind(beaconing(52, group)).await.unwrap();
    assert!(bound.is_to_join());
    // Somebody else is at this address, and nobody at the other.
    let lie = |number, address| Beacon {
        node: identity(number).id(),
        cluster: Some(ClusterId::from_bytes([9; 32])),
        address,
        is_alone: false,
    };
    say(group, &lie(53, a.address()).to_bytes());
    say(group, &lie(54, (local(55), 1).into()).to_bytes());
    assert_eq!(bound.find_cluster().await.unwrap(), CLUSTER);
    shut_down(&[&a]).await;
}

#[tokio::test]
async fn new_nodes_among_themselves_wait_in_vain_and_say_so() {
    let group = group();
    let mut configs = [beaconing(61, group), beaconing(62, group)];
    for config in &mut configs {
        config.join_wait = Duration::from_millis(500);
    }
    let [a, b] = configs.map(BoundNetwork::bind);
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    for found in [a.find_cluster(), b.find_cluster()] {
        let error = found.await.unwrap_err().to_string();
        assert!(error.contains("no node was heard"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_beacon_is_counted() {
    let group = group();
    let a = TestNode::start(beaconing(71, group)).await;
    for junk in [&[][..], &[7; 100], &[0; 1_400]] {
        say(group, junk);
    }
    eventually("all are counted", || a.count(Count::BeaconsMalformed) == 3).await;
    shut_down(&[&a]).await;
}

#[tokio::test]
async fn what_is_no_multicast_group_is_refused() {
    let wrong = SocketAddrV4::new([10, 0, 0, 1].into(), 7003);
    let refused = BoundNetwork::bind(beaconing(81, wrong)).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("not a multicast address"), "{error}");
}
