//! Nodes find each other through names.

use std::net::Ipv4Addr;

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
