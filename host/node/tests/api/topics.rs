//! What topics hold.

use replicant::api::views::{DigestView, ObjectsView, TopicView};

use crate::server::Server;

#[test]
fn topics_and_their_objects_are_listed() {
    let server = Server::start();
    assert_eq!(server.get("/v1/topics").ok().as_array().unwrap().len(), 0);
    server.update("b", "g-counter", "{\"increment\": 1}");
    server.update("a", "g-counter", "{\"increment\": 1}");
    server.update("a", "or-set", "{\"add\": \"x\"}");
    let topics: Vec<TopicView> = serde_json::from_value(server.get("/v1/topics").ok()).unwrap();
    assert_eq!(
        topics,
        [TopicView {
            topic: "t".to_owned(),
            ops: 3,
            objects: 3
        }]
    );
    let page: ObjectsView =
        serde_json::from_value(server.get("/v1/topics/t/objects").ok()).unwrap();
    let names: Vec<_> = page
        .objects
        .iter()
        .map(|o| (o.type_name.as_str(), o.id.as_str()))
        .collect();
    assert_eq!(
        names,
        [("g-counter", "a"), ("g-counter", "b"), ("or-set", "a")]
    );
    assert_eq!(page.next, None);
}

#[test]
fn pages_cover_everything_once() {
    let server = Server::start();
    for index in 0..7 {
        server.update(&format!("o{index}"), "g-counter", "{\"increment\": 1}");
    }
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/topics/t/objects?limit=3{after}");
        let page: ObjectsView = serde_json::from_value(server.get(&path).ok()).unwrap();
        assert!(page.objects.len() <= 3);
        ids.extend(page.objects.into_iter().map(|object| object.id));
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(ids, ["o0", "o1", "o2", "o3", "o4", "o5", "o6"]);
}

#[test]
fn a_topic_that_nobody_wrote_to_is_empty() {
    let server = Server::start();
    let page = server.get("/v1/topics/nothing/objects").ok();
    assert_eq!(page["objects"].as_array().unwrap().len(), 0);
    let digest: DigestView =
        serde_json::from_value(server.get("/v1/topics/nothing/digest").ok()).unwrap();
    assert_eq!((digest.ops, digest.objects), (0, 0));
}

#[test]
fn a_digest_changes_with_the_contents() {
    let server = Server::start();
    let digest = || -> DigestView {
        serde_json::from_value(server.get("/v1/topics/t/digest").ok()).unwrap()
    };
    server.update("a", "g-counter", "{\"increment\": 1}");
    let before = digest();
    assert_eq!((before.ops, before.objects, before.unavailable), (1, 1, 0));
    assert_eq!(digest(), before);
    server.update("a", "g-counter", "{\"increment\": 1}");
    let after = digest();
    assert_ne!(
        (&after.digest, &after.version),
        (&before.digest, &before.version)
    );
}
