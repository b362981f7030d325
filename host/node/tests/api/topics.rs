//! What topics hold.

use replicant::api::views::{AcknowledgedView, DigestView, ObjectsView, PublishedView, TopicView};

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

#[test]
fn whoever_publishes_can_ask_who_has_it() {
    let server = Server::start();
    let publish = |query: &str| server.post(&format!("/v1/topics/t/messages{query}"), "{\"a\": 1}");
    assert_eq!(publish("").ok(), serde_json::json!({"audience": 0}));
    let nobody = publish("?acks=all").ok();
    let nobody: PublishedView = serde_json::from_value(nobody).unwrap();
    let acknowledged = AcknowledgedView {
        count: 0,
        enough: true,
        missing: Vec::new(),
    };
    let expected = PublishedView {
        audience: Some(0),
        acknowledged: Some(acknowledged),
    };
    assert_eq!(nobody, expected);
    let mut listening = server.watch("/v1/topics/t/messages");
    while server.get("/v1/subscriptions").ok() == serde_json::json!([]) {
        std::thread::yield_now();
    }
    let own = publish("?acks=1&deadline_ms=30000").ok();
    assert_eq!(
        (&own["audience"], &own["acknowledged"]["count"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        listening.event("message")["payload"],
        serde_json::json!({"a": 1})
    );
    let more = publish("?acks=2").ok();
    assert_eq!(more["acknowledged"]["enough"], false);
    for wrong in [
        "acks=0",
        "acks=some",
        "acks=",
        "deadline_ms=5",
        "acks=all&deadline_ms=0",
    ] {
        publish(&format!("?{wrong}")).refused(400, "bad-request");
    }
    publish("?acks=all&deadline_ms=30001").refused(400, "bad-request");
    let rapidly = publish("?rapid=true").ok();
    assert_eq!(rapidly, serde_json::json!({"audience": 1}));
    let rapidly = publish("?rapid=true&acks=all").ok();
    assert_eq!(rapidly["acknowledged"]["enough"], true);
    for _ in 0..3 {
        listening.event("message");
    }
    publish("?rapid=perhaps").refused(400, "bad-request");
}
