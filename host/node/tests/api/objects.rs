//! Updating, reading and querying.

use replicant::api::views::{AnswerView, ErrorView, ObjectView, UpdatedView};
use serde_json::json;

use crate::server::Server;

#[test]
fn an_update_makes_an_object_that_can_be_read() {
    let server = Server::start();
    let updated = server.post(
        "/v1/topics/shop%2Feu/objects/visits?type=g-counter",
        "{\"increment\": 3}",
    );
    let updated: UpdatedView = serde_json::from_value(updated.ok()).unwrap();
    assert_eq!(updated.outcomes.len(), 1);
    let read = server.get("/v1/topics/shop%2Feu/objects/visits").ok();
    let read: ObjectView = serde_json::from_value(read).unwrap();
    assert_eq!(
        (read.topic.as_str(), read.id.as_str()),
        ("shop/eu", "visits")
    );
    assert_eq!(
        (read.type_name.as_str(), &read.value),
        ("g-counter", &json!(3))
    );
    assert_eq!(read.version, updated.version);
}

#[test]
fn a_batch_says_what_became_of_each_command() {
    let server = Server::start();
    let body = r#"{"commands": [{"increment": 1}, {"increment": 0}, {"no": 1}, {"increment": 2}]}"#;
    let updated = server
        .post("/v1/topics/t/objects/c?type=g-counter", body)
        .ok();
    let outcomes = updated["outcomes"].as_array().unwrap();
    assert!(outcomes[0]["applied"]["counter"].is_u64());
    assert_eq!(outcomes[1], json!({"unchanged": true}));
    assert!(outcomes[2]["refused"].is_string());
    let counter = |index: usize| outcomes[index]["applied"]["counter"].as_u64().unwrap();
    assert_eq!(counter(3), counter(0) + 1);
    assert_eq!(server.get("/v1/topics/t/objects/c").ok()["value"], 3);
}

#[test]
fn a_command_that_the_type_refuses_changes_nothing_and_its_words_are_passed_on() {
    let server = Server::start();
    server.update("c", "g-counter", "{\"increment\": 1}");
    let one = server.post("/v1/topics/t/objects/c", "{\"increment\": -1}");
    let body = one.refused(422, "refused");
    assert_eq!(body["outcomes"][0]["refused"], body["error"]["message"]);
    let body = "{\"commands\": [{\"increment\": -1}, \"x\"]}";
    let all = server
        .post("/v1/topics/t/objects/c", body)
        .refused(422, "refused");
    let all: ErrorView = serde_json::from_value(all).unwrap();
    assert_eq!(all.outcomes.unwrap().len(), 2);
    assert_eq!(server.get("/v1/topics/t/objects/c").ok()["value"], 1);
}

#[test]
fn a_refused_command_makes_no_object() {
    let server = Server::start();
    server
        .post("/v1/topics/t/objects/c?type=g-counter", "\"x\"")
        .refused(422, "refused");
    server
        .get("/v1/topics/t/objects/c")
        .refused(404, "unknown-object");
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let server = Server::start();
    server
        .get("/v1/topics/t/objects/none")
        .refused(404, "unknown-object");
    server
        .get("/v1/topics/t/objects/none?type=g-counter")
        .refused(404, "unknown-object");
    server
        .post("/v1/topics/t/objects/none/query", "\"value\"")
        .refused(404, "unknown-object");
    server
        .post("/v1/topics/t/objects/new", "{\"increment\": 1}")
        .refused(404, "unknown-object");
    let no_type = server.post("/v1/topics/t/objects/new?type=no-such-type", "{}");
    no_type.refused(404, "unknown-type");
}

#[test]
fn an_id_of_several_types_needs_the_type() {
    let server = Server::start();
    server.update("x", "g-counter", "{\"increment\": 1}");
    server.update("x", "lww-register", "{\"set\": \"a\"}");
    let error = server
        .get("/v1/topics/t/objects/x")
        .refused(409, "ambiguous-type");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("g-counter") && message.contains("lww-register"),
        "{message}"
    );
    server
        .post("/v1/topics/t/objects/x", "\"clear\"")
        .refused(409, "ambiguous-type");
    assert_eq!(
        server.get("/v1/topics/t/objects/x?type=lww-register").ok()["value"],
        "a"
    );
}

#[test]
fn a_query_is_answered_or_refused_by_the_type() {
    let server = Server::start();
    server.update("s", "or-set", "{\"add\": \"a\"}");
    server.update("s", "or-set", "{\"add\": \"b\"}");
    let answer = server.post("/v1/topics/t/objects/s/query", "\"size\"").ok();
    let answer: AnswerView = serde_json::from_value(answer).unwrap();
    assert_eq!(answer.answer, 2);
    server
        .post("/v1/topics/t/objects/s/query", "\"no-such-query\"")
        .refused(422, "refused");
}

#[test]
fn a_read_after_a_version_sees_it_or_gives_up_in_time() {
    let server = Server::with(|_, node| node.read_wait = std::time::Duration::from_millis(100));
    let updated = server.update("c", "g-counter", "{\"increment\": 1}");
    let version = updated["version"].as_str().unwrap();
    let read = server
        .get(&format!("/v1/topics/t/objects/c?after={version}"))
        .ok();
    assert_eq!(read["value"], 1);
    // Replica 2 never wrote anything here: 16 bytes, replica and counter, in base64.
    let elsewhere = "AAAAAAAAAAIAAAAAAAAAAQ";
    let waited = server.get(&format!("/v1/topics/t/objects/c?after={elsewhere}"));
    waited.refused(504, "not-yet");
    for token in ["%00", "x", "AAAA", &"A".repeat(4_000)] {
        server
            .get(&format!("/v1/topics/t/objects/c?after={token}"))
            .refused(400, "bad-request");
    }
}

#[test]
fn any_json_survives_in_a_register() {
    let server = Server::start();
    for value in [
        "null",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "1.0",
        "\"\\u0000é😀\"",
        "[[[[1]]],{\"a\":{\"b\":{}}}]",
    ] {
        server.update("r", "lww-register", &format!("{{\"set\": {value}}}"));
        let body = server.get("/v1/topics/t/objects/r").body;
        let body = String::from_utf8(body).unwrap();
        assert!(
            body.ends_with(&format!(",\"value\":{value}}}")),
            "{value}: {body}"
        );
    }
}
