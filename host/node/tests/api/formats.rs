//! CBOR beside JSON.

use ciborium::Value;
use replicant::api::views::{ErrorView, StatusView, UpdatedView};

use crate::server::{Reply, Server};

const CBOR: (&str, &str) = ("Content-Type", "application/cbor");
const ACCEPT_CBOR: (&str, &str) = ("Accept", "application/cbor");

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn command(name: &str, argument: Value) -> Value {
    Value::Map(vec![(Value::from(name), argument)])
}

#[track_caller]
fn decoded<T: serde::de::DeserializeOwned>(reply: &Reply) -> T {
    assert_eq!(
        reply.header("content-type"),
        Some("application/cbor"),
        "{reply:?}"
    );
    ciborium::from_reader(&reply.body[..]).unwrap()
}

fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    let map = value.as_map().unwrap();
    &map.iter()
        .find(|(key, _)| key.as_text() == Some(name))
        .unwrap()
        .1
}

#[test]
fn every_answer_can_be_had_in_cbor() {
    let server = Server::start();
    let status: StatusView = decoded(&server.send("GET", "/v1/status", &[ACCEPT_CBOR], b""));
    assert_eq!(status.node, server.node.id().to_string());
    let error: ErrorView = decoded(&server.send("GET", "/v1/nothing", &[ACCEPT_CBOR], b""));
    assert_eq!(error.error.code, "no-such-path");
    let value = Value::Array(vec![
        Value::Float(0.5),
        Value::from(u64::MAX),
        Value::Map(vec![(Value::from("a"), Value::Null)]),
    ]);
    let body = encoded(&command("set", value.clone()));
    let path = "/v1/topics/t/objects/r?type=lww-register";
    let updated: UpdatedView = decoded(&server.send("POST", path, &[CBOR, ACCEPT_CBOR], &body));
    assert_eq!(updated.outcomes.len(), 1);
    let read: Value = decoded(&server.send("GET", path, &[ACCEPT_CBOR], b""));
    assert_eq!(field(&read, "value"), &value, "nothing is lost on the way");
    assert_eq!(field(&read, "type"), &Value::from("lww-register"));
    let body = encoded(&command("set", Value::Bytes(vec![0])));
    let refused = server.send("POST", path, &[CBOR, ACCEPT_CBOR], &body);
    let error: ErrorView = decoded(&refused);
    assert_eq!(
        error.error.code, "refused",
        "this type keeps what JSON can say"
    );
}

#[test]
fn both_formats_speak_of_the_same_objects() {
    let server = Server::start();
    let batch = Value::Map(vec![(
        Value::from("commands"),
        Value::Array(vec![
            command("increment", Value::from(1)),
            command("increment", Value::from(2)),
        ]),
    )]);
    let path = "/v1/topics/t/objects/c?type=g-counter";
    let updated = server.send("POST", path, &[CBOR], &encoded(&batch)).ok();
    assert_eq!(updated["outcomes"].as_array().unwrap().len(), 2);
    assert_eq!(server.get("/v1/topics/t/objects/c").ok()["value"], 3);
    let query = encoded(&Value::from("value"));
    let path = "/v1/topics/t/objects/c/query";
    let answer: Value = decoded(&server.send("POST", path, &[CBOR, ACCEPT_CBOR], &query));
    assert_eq!(field(&answer, "answer"), &Value::from(3));
}

#[test]
fn what_the_client_does_not_take_is_not_sent() {
    let server = Server::start();
    for path in [
        "/v1/status",
        "/v1/topics",
        "/v1/topics/t/objects/x",
        "/v1/topics/t/watch",
    ] {
        let reply = server.send("GET", path, &[("Accept", "text/html")], b"");
        reply.refused(406, "not-acceptable");
    }
}

#[test]
fn broken_cbor_is_refused() {
    let server = Server::start();
    let path = "/v1/topics/t/objects/c?type=g-counter";
    let deep = [vec![0x81; 100_000], vec![0]].concat();
    let twice = b"\xa2\x61a\x01\x61a\x02".to_vec();
    let lying = b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00".to_vec();
    for body in [
        vec![0xff],
        vec![1, 1],
        vec![0x62, b'a'],
        vec![0x1c],
        deep,
        twice,
        lying,
    ] {
        server
            .send("POST", path, &[CBOR], &body)
            .refused(400, "malformed-body");
    }
}

#[test]
fn the_document_about_the_api_is_json_only_and_says_so() {
    let server = Server::start();
    let get = |accept: &str| server.send("GET", "/openapi.json", &[("Accept", accept)], b"");
    for accept in ["*/*", "application/json", "application/cbor, */*;q=0.1"] {
        assert_eq!(get(accept).ok()["openapi"], "3.1.0", "{accept}");
    }
    get("text/html").refused(406, "not-acceptable");
    let error: ErrorView = decoded(&get("application/cbor"));
    assert_eq!(error.error.code, "not-acceptable");
    assert!(error.error.hint.contains("application/json"));
}
