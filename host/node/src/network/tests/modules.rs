//! Modules spread by announcement and are fetched by hash.

use replicant_protocol::clock::Hlc;
use replicant_protocol::content::{Announcement, ModuleLimits, ModuleName, SignedAnnouncement};

use super::*;

fn announcement(publisher: u8, module: &[u8]) -> SignedAnnouncement {
    let announcement = Announcement {
        name: ModuleName {
            name: "counter".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
        },
        module: ModuleHash::of(module),
        size_bytes: module.len() as u32,
        limits: ModuleLimits {
            fuel_per_call: 1,
            memory_bytes_max: 2,
            output_bytes_max: 3,
        },
        publisher: identity(publisher).id(),
        hlc: Hlc::at_millisecond(1),
    };
    SignedAnnouncement::sign(announcement, &identity(publisher)).unwrap()
}

fn activated(node: &TestNode) -> Option<Arc<SignedAnnouncement>> {
    let recorded = node.events.lock();
    recorded.module_events.iter().find_map(|event| match event {
        ModuleEvent::Activated { announcement, .. } => Some(announcement.clone()),
        _ => None,
    })
}

fn has_fetched(node: &TestNode, module: &[u8]) -> bool {
    let fetched = ModuleEvent::Fetched {
        module: ModuleHash::of(module),
        bytes: module.to_vec(),
    };
    node.events.lock().module_events.contains(&fetched)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_reaches_nodes_that_were_there_and_nodes_that_come_later() {
    let module: Vec<u8> = (0..300_000).map(|at| (at % 251) as u8).collect();
    let hash = ModuleHash::of(&module);
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    a.events.lock().modules.insert(hash, module.clone());
    let signed = announcement(1, &module);
    a.handle.announce(signed.clone()).unwrap();
    eventually("it is announced", || activated(&b).is_some()).await;
    assert_eq!(activated(&b).as_deref(), Some(&signed));
    b.handle.want(hash, module.len() as u32).unwrap();
    eventually("it is fetched", || has_fetched(&b, &module)).await;
    b.events.lock().modules.insert(hash, module.clone());
    // The publisher is gone; a newcomer gets it from the other.
    a.handle.shutdown().await;
    let c = TestNode::start(config(3, &[b.address()])).await;
    eventually("a newcomer learns of it", || activated(&c).is_some()).await;
    c.handle.want(hash, module.len() as u32).unwrap();
    eventually("a newcomer fetches it", || has_fetched(&c, &module)).await;
    shut_down(&[&b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_whose_publisher_leaves_midway_comes_from_another() {
    let module: Vec<u8> = (0..300_000).map(|at| (at % 251) as u8).collect();
    let hash = ModuleHash::of(&module);
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    a.events.lock().modules.insert(hash, module.clone());
    let (gone, gate) = mpsc::channel();
    *a.events.chunk_gate.lock().unwrap() = Some(gate);
    a.handle.announce(announcement(1, &module)).unwrap();
    b.handle.want(hash, module.len() as u32).unwrap();
    eventually("it is under way", || {
        a.events.chunk_gate.lock().unwrap().is_none()
    })
    .await;
    a.handle.shutdown().await;
    drop(gone);
    eventually("the publisher is gone", || !b.is_peer_of(&a)).await;
    assert!(!has_fetched(&b, &module));
    let c = TestNode::start(config(3, &[b.address()])).await;
    c.events.lock().modules.insert(hash, module.clone());
    eventually("another gives it", || has_fetched(&b, &module)).await;
    shut_down(&[&b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announcements_of_an_earlier_run_are_known_at_once() {
    let signed = Arc::new(announcement(1, b"module"));
    let mut config = config(1, &[]);
    config.announcements = vec![signed.clone().into()];
    let a = TestNode::start(config).await;
    eventually("it is known", || activated(&a).as_ref() == Some(&signed)).await;
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_serves_wrong_bytes_loses_its_session_and_others_are_asked() {
    let module: Vec<u8> = (0..200_000).map(|at| (at % 249) as u8).collect();
    let hash = ModuleHash::of(&module);
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    let mut wrong = module.clone();
    wrong[100_000] ^= 1;
    a.events.lock().modules.insert(hash, wrong);
    b.handle.want(hash, module.len() as u32).unwrap();
    eventually("it is noticed", || b.count(Count::ContentMisbehaviour) > 0).await;
    eventually("the session ends", || !b.is_peer_of(&a)).await;
    let c = TestNode::start(config(3, &[b.address()])).await;
    c.events.lock().modules.insert(hash, module.clone());
    eventually("another gives it", || has_fetched(&b, &module)).await;
    shut_down(&[&a, &b, &c]).await;
}
