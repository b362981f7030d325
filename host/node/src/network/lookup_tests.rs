//! What becomes of what a name service says.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::Name;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::identity::NodeIdentity;

use super::*;
use crate::network::tests::name_server::NameServer;

fn config(server: &NameServer) -> NetworkConfig {
    let identity = Arc::new(NodeIdentity::from_secret(&[1; 32]));
    let mut config = NetworkConfig::new(identity, ([127, 0, 0, 1], 0).into());
    config.dns_server = Some(server.address());
    config
}

async fn look_up(server: &NameServer, seed: &str) -> Result<Vec<SocketAddr>, String> {
    let seed = SeedName::parse(seed).unwrap();
    let found = addresses(&seed, &config(server)).await;
    found.map_err(|error| error.to_string())
}

fn ip(number: u8) -> Ipv4Addr {
    [10, 0, 0, number].into()
}

fn places(places: &[(u8, u16)]) -> Vec<SocketAddr> {
    let places = places.iter();
    places
        .map(|(number, port)| (ip(*number), *port).into())
        .collect()
}

fn record(priority: u16, weight: u16, port: u16) -> SRV {
    SRV::new(priority, weight, port, Name::root())
}

#[tokio::test]
async fn all_addresses_of_a_name_are_found_anew_each_time() {
    let server = NameServer::start();
    server.set_addresses("nodes.test", &[ip(1), ip(2)]);
    let found = look_up(&server, "dns:nodes.test:7001").await.unwrap();
    let found: BTreeSet<_> = found.into_iter().collect();
    let expected = places(&[(1, 7001), (2, 7001)]);
    assert_eq!(found, expected.into_iter().collect());
    server.set_addresses("nodes.test", &[ip(3)]);
    let found = look_up(&server, "dns:nodes.test:7001").await;
    assert_eq!(found, Ok(places(&[(3, 7001)])));
}

#[tokio::test]
async fn addresses_beyond_the_bound_are_left_out() {
    let server = NameServer::start();
    let many: Vec<_> = (1..=70).map(ip).collect();
    server.set_addresses("nodes.test", &many);
    let found = look_up(&server, "dns:nodes.test:7001").await.unwrap();
    assert_eq!(found.len(), ADDRESSES_MAX);
}

#[tokio::test]
async fn an_address_instead_of_a_name_is_taken_as_it_is() {
    let server = NameServer::start();
    let found = look_up(&server, "dns:10.0.0.9:7001").await;
    assert_eq!(found, Ok(places(&[(9, 7001)])));
    assert_eq!(server.questions(), 0);
}

#[tokio::test]
async fn the_nodes_of_a_service_come_by_priority_each_at_its_port() {
    let server = NameServer::start();
    for number in 1..=3 {
        server.set_addresses(&format!("n{number}.test"), &[ip(number)]);
    }
    let services = [
        (20, 5, 7003, "n3.test"),
        (10, 5, 7002, "n2.test"),
        (15, 5, 7009, "gone.test"),
        (5, 0, 7001, "n1.test"),
    ];
    server.set_services("_replicant._tcp.test", &services);
    let found = look_up(&server, "srv:_replicant._tcp.test").await;
    assert_eq!(found, Ok(places(&[(1, 7001), (2, 7002), (3, 7003)])));
}

#[tokio::test]
async fn an_error_says_which_name_what_the_server_said_and_what_to_do() {
    let server = NameServer::start();
    server.set_addresses("empty.test", &[]);
    server.set_services("_lost._tcp.test", &[(1, 1, 7001, "gone.test")]);
    for (seed, parts) in [
        ("dns:none.test:1", ["knows no such name", "check how"]),
        ("dns:empty.test:1", ["has no address", "has to be listed"]),
        ("srv:_none._tcp.test", ["knows no such name", "check how"]),
        ("srv:_lost._tcp.test", ["target gone.test", "no such name"]),
    ] {
        let error = look_up(&server, seed).await.unwrap_err();
        for part in [seed].iter().chain(&parts) {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_silent_is_not_waited_for_longer_than_the_limit() {
    let server = NameServer::start();
    server.set_silent(true);
    let mut config = config(&server);
    config.limits.dial_timeout = Duration::from_millis(500);
    let seed = SeedName::parse("dns:nodes.test:1").unwrap();
    let error = addresses(&seed, &config).await.unwrap_err().to_string();
    assert!(error.contains("does not answer in time"), "{error}");
    assert!(server.questions() > 0);
}

#[test]
fn among_equals_weight_decides_how_often_one_comes_first() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let records = [
        record(1, 0, 1),
        record(1, 10, 2),
        record(1, 90, 3),
        record(0, 1, 4),
    ];
    let mut firsts = [0; 5];
    for _ in 0..1_000 {
        let order = ordered(records.iter(), &mut rng);
        assert_eq!((order[0].port, order[3].port), (4, 1));
        firsts[usize::from(order[1].port)] += 1;
    }
    assert!((850..950).contains(&firsts[3]), "{firsts:?}");
}

#[test]
fn addresses_where_nobody_can_be_are_left_out() {
    let found = ["0.0.0.0:1", "10.0.0.1:1", "224.0.0.1:1", "10.0.0.1:1"];
    let found = found.map(|address| address.parse().unwrap());
    assert_eq!(first_of(found), places(&[(1, 1)]));
}
