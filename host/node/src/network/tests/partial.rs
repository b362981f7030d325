//! Networks with partial views on loopback: small views, so that nobody knows everybody.

use std::collections::VecDeque;

use replicant_protocol::facts::{self, SignedFact};
use replicant_protocol::membership::{StrategyKind, hyparview};
use tokio::sync::watch;

use super::*;
use crate::network::loose::{LOOSE_MAX, MOVING_MAX};
use crate::vocabulary::Strategy;

const COUNT: u8 = 32;
const ACTIVE_MAX: usize = 6;
const CIRCLE_LINKS_MAX: usize = 5;

/// A node with small views that listens to a topic, or does not.
fn partial(number: u8, seeds: &[SocketAddr], listens: bool) -> NetworkConfig {
    let mut config = config(number, seeds);
    config.strategy = StrategyKind::HyParView;
    config.hyparview = hyparview::Config {
        active_target: 4,
        active_max: ACTIVE_MAX,
        own_min: 2,
        passive_max: 16,
        passive_share_max: 4,
        walk_length: 4,
        passive_walk_length: 2,
        join_walks_count: 2,
        shuffle_interval: Duration::from_secs(2),
        contact_interval: Duration::from_secs(5),
        request_timeout: Duration::from_secs(2),
        retry_interval: Duration::from_secs(3),
        ..hyparview::Config::default()
    };
    let paths = listens.then(|| "shop".parse::<TopicName>().unwrap());
    config.subscriptions = watch::Sender::new(paths.into_iter().collect()).subscribe();
    config
}

/// Nodes, and how far each has passed on what came.
struct World {
    nodes: Vec<TestNode>,
    forwarded: BTreeMap<NodeId, usize>,
}

impl World {
    async fn start() -> Self {
        let first = TestNode::start(partial(1, &[], true)).await;
        let seed = first.address();
        let mut nodes = vec![first];
        for number in 2..=COUNT {
            nodes.push(TestNode::start(partial(number, &[seed], number % 2 == 1)).await);
        }
        Self {
            nodes,
            forwarded: BTreeMap::new(),
        }
    }

    /// Passes on what holds, and looks at the bounds.
    fn look(&mut self) {
        for node in &self.nodes {
            let bundles = node.events.lock().bundles.clone();
            let forwarded = self.forwarded.entry(node.id()).or_default();
            for (_, bundle) in &bundles[*forwarded..] {
                node.handle.forward(bundle.clone());
            }
            *forwarded = bundles.len();
            // They listen to one topic, or to none.
            let bound = ACTIVE_MAX + CIRCLE_LINKS_MAX + LOOSE_MAX + MOVING_MAX;
            assert!(node.handle.statistics().sessions <= bound);
            assert!(node.events.lock().up.len() <= ACTIVE_MAX);
        }
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&[TestNode]) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.look();
            if holds(&self.nodes) {
                return;
            }
            assert!(Instant::now() < deadline, "never: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether all are in one part, over links that both hold.
fn is_one_part(nodes: &[TestNode]) -> bool {
    let up = |node: &TestNode| node.events.lock().up.clone();
    let links: BTreeMap<NodeId, BTreeSet<NodeId>> =
        nodes.iter().map(|node| (node.id(), up(node))).collect();
    let mut seen: BTreeSet<NodeId> = links.keys().take(1).copied().collect();
    let mut open: VecDeque<NodeId> = seen.iter().copied().collect();
    while let Some(node) = open.pop_front() {
        for peer in &links[&node] {
            let is_mutual = links.get(peer).is_some_and(|back| back.contains(&node));
            if is_mutual && seen.insert(*peer) {
                open.push_back(*peer);
            }
        }
    }
    seen.len() == nodes.len()
}

fn said(node: &TestNode) -> Vec<Vec<u8>> {
    let heard = node.events.lock().heard.clone();
    heard.iter().map(|heard| heard.payload.to_vec()).collect()
}

fn bundles(node: &TestNode) -> Vec<Vec<u8>> {
    let bundles = node.events.lock().bundles.clone();
    bundles.into_iter().map(|(_, bytes)| bytes).collect()
}

/// Whether a node has what it should: each bundle but its own, each message if it listens.
fn has(node: &TestNode, listens: bool, bundle: Option<&[u8]>, message: &[u8]) -> bool {
    let has_bundle = bundle.is_none_or(|bundle| bundles(node).iter().any(|it| it == bundle));
    has_bundle && (!listens || said(node).iter().any(|it| it == message))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_hears_everything_once_also_after_half_of_the_nodes_crash() {
    let mut world = World::start().await;
    world.until("all are in one part", is_one_part).await;
    let shop: TopicName = "shop/eu".parse().unwrap();
    let listens = |node: &TestNode| {
        let own = node.handle.subscriptions();
        own.iter().any(|of| of.own)
    };
    let speaker = world.nodes[3].id();
    let told = world.nodes[3]
        .handle
        .publish(shop.clone(), b"one".to_vec(), Strategy::Tree);
    assert_eq!(
        told.await.unwrap().audience,
        None,
        "nobody knows who listens"
    );
    assert!(world.nodes[3].handle.broadcast(b"bundle one".to_vec()));
    world
        .until("everybody has it", |nodes| {
            nodes.iter().all(|node| {
                let bundle = (node.id() != speaker).then_some(&b"bundle one"[..]);
                has(node, listens(node), bundle, b"one")
            })
        })
        .await;
    // Every second node crashes, the seed among them.
    let all = std::mem::take(&mut world.nodes).into_iter().enumerate();
    let (crashed, left): (Vec<_>, Vec<_>) = all.partition(|(index, _)| index % 4 < 2);
    drop(crashed);
    world.nodes = left.into_iter().map(|(_, node)| node).collect();
    let last = world.nodes.len() - 1;
    let speaker = world.nodes[last].id();
    // What is to be heard at once goes along the tree too.
    let told = world.nodes[last]
        .handle
        .publish(shop, b"two".to_vec(), Strategy::Rapid);
    told.await.unwrap();
    assert!(world.nodes[last].handle.broadcast(b"bundle two".to_vec()));
    world
        .until("those that are left have it", |nodes| {
            nodes.iter().all(|node| {
                let bundle = (node.id() != speaker).then_some(&b"bundle two"[..]);
                has(node, listens(node), bundle, b"two")
            })
        })
        .await;
    world.until("they are in one part", is_one_part).await;
    for node in &world.nodes {
        let (mut said, mut bundles) = (said(node), bundles(node));
        said.sort();
        bundles.sort();
        let heard = (said.len(), bundles.len());
        said.dedup();
        bundles.dedup();
        assert_eq!((said.len(), bundles.len()), heard, "nothing came twice");
        assert_eq!(
            said.is_empty(),
            !listens(node),
            "who does not listen hears nothing"
        );
        assert_eq!(node.count(Count::Penalties), 0, "nobody was punished");
    }
    let nodes: Vec<&TestNode> = world.nodes.iter().collect();
    shut_down(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_other_views_are_refused_on_both_sides_and_told_why() {
    let full = TestNode::start(config(1, &[])).await;
    let other = TestNode::start(partial(2, &[full.address()], true)).await;
    eventually("both notice", || {
        let noticed = |node: &TestNode| node.count(Count::HandshakeView) > 0;
        noticed(&full) && noticed(&other)
    })
    .await;
    assert_eq!((full.events.lock().ups, other.events.lock().ups), (0, 0));
    assert_eq!(full.count(Count::Penalties), 0, "nobody misbehaved");
    let bound = BoundNetwork::bind(partial(3, &[full.address()], true)).await;
    let error = bound.unwrap().find_cluster().await.unwrap_err();
    assert!(matches!(error, NetworkError::OtherStrategy { .. }));
    assert!(error.to_string().contains("--membership"), "{error}");
    shut_down(&[&full, &other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_revoked_is_no_neighbour_any_more_and_is_not_taken_again() {
    let authority = identity(1);
    let with_authority = |number: u8, seeds: &[SocketAddr]| {
        let mut config = partial(number, seeds, true);
        config.facts.authorities = [authority.id()].into();
        config
    };
    let a = TestNode::start(with_authority(1, &[])).await;
    let b = TestNode::start(with_authority(2, &[a.address()])).await;
    let c = TestNode::start(with_authority(3, &[a.address(), b.address()])).await;
    eventually("all are neighbours", || {
        a.is_peer_of(&b) && b.is_peer_of(&c) && c.is_peer_of(&a)
    })
    .await;
    let body = facts::Statement::revocation_body(c.id(), "stolen").unwrap();
    let fact = facts::Fact {
        kind: facts::NODE_REVOCATION.parse().unwrap(),
        body,
        issuer: authority.id(),
        issued_at_ms: crate::wall_clock::wall_ms(),
        ttl_ms: 20 * 366 * 24 * 3_600_000,
    };
    let fact = SignedFact::sign(fact, &authority).unwrap();
    a.handle.publish_fact(fact).await.unwrap();
    eventually("it is nobody's neighbour", || {
        !a.is_peer_of(&c) && !b.is_peer_of(&c)
    })
    .await;
    eventually("it tries again and is refused", || {
        a.count(Count::RefusedRevoked) + b.count(Count::RefusedRevoked) > 0
    })
    .await;
    assert!(!a.is_peer_of(&c) && !b.is_peer_of(&c) && a.is_peer_of(&b));
    shut_down(&[&a, &b, &c]).await;
}
