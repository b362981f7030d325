//! Names that are not names, and names that only look like others.

use crate::server::Server;

#[test]
fn names_that_break_out_of_their_place_are_refused() {
    let server = Server::start();
    for topic in [
        "..%2F..%2Fetc",
        "%2e%2e",
        ".",
        "a%2F..%2Fb",
        "a%2F%2Fb",
        "%2Fa",
        "a%2F",
        "a%5Cb",
        "a%00b",
        "a%0Ab",
        "a%20b",
        "a%25b",
        "*",
        "a%3Fb",
        "~",
    ] {
        server
            .get(&format!("/v1/topics/{topic}/digest"))
            .refused(400, "bad-name");
    }
    for id in ["%00", "a%00", "a%0D%0Ab", "%7F", "%1B%5B31m"] {
        server
            .get(&format!("/v1/topics/t/objects/{id}"))
            .refused(400, "bad-name");
    }
    for name in [
        "",
        "G-Counter",
        "-x",
        "a_b",
        "a%2Fb",
        "%C3%A9",
        &"x".repeat(65),
    ] {
        let path = format!("/v1/topics/t/objects/x?type={name}");
        server.get(&path).refused(400, "bad-name");
    }
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    let server = Server::start();
    for bytes in ["%ff", "%c0%af", "%ed%a0%80", "%f8%88%80%80%80"] {
        server
            .get(&format!("/v1/topics/t/objects/{bytes}"))
            .refused(400, "bad-request");
        server
            .get(&format!("/v1/topics/{bytes}/digest"))
            .refused(400, "bad-request");
    }
}

#[test]
fn names_that_look_alike_are_different_names() {
    let server = Server::start();
    // A Cyrillic а, a full-width ａ, and é composed and decomposed.
    for topic in ["%D0%B0", "%EF%BD%81", "%C3%A9"] {
        server
            .get(&format!("/v1/topics/{topic}/digest"))
            .refused(400, "bad-name");
    }
    let ids = [
        "a",
        "%D0%B0",
        "%EF%BD%81",
        "%C3%A9",
        "e%CC%81",
        "A",
        "a%20",
        "a%2Fb",
        "..%2F..",
    ];
    for (index, id) in ids.iter().enumerate() {
        server.update(
            id,
            "g-counter",
            &format!("{{\"increment\": {}}}", index + 1),
        );
    }
    for (index, id) in ids.iter().enumerate() {
        let value = &server.get(&format!("/v1/topics/t/objects/{id}")).ok()["value"];
        assert_eq!(*value, index + 1, "{id}");
    }
}

#[test]
fn long_names_are_refused_and_longer_ones_too() {
    let server = Server::start();
    let path = |length: usize| format!("/v1/topics/t/objects/{}", "x".repeat(length));
    server.get(&path(256)).refused(404, "unknown-object");
    server.get(&path(257)).refused(400, "bad-name");
    server.get(&path(64_000)).refused(400, "bad-name");
    // Beyond what is read of a request at all, the answer has no body.
    let status = server.get(&path(70_000)).status;
    assert_eq!(status, 414);
    let status = server.get(&path(2_000_000)).status;
    assert!(matches!(status, 0 | 414 | 431), "{status}");
}

#[test]
fn unknown_paths_and_parameters_are_refused() {
    let server = Server::start();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/status",
        "/v1/status/",
        "//v1/status",
        "/v1/../v1/status",
        "/v1/topics/shop/eu/objects",
        "/v1/%73tatus",
        "/admin",
        "/v1/topics//digest",
    ] {
        let reply = server.get(path);
        assert!(
            matches!(reply.status, 400 | 404),
            "{path}: {}",
            reply.status
        );
    }
    for path in [
        "/v1/status?x",
        "/v1/members?limit=1",
        "/v1/network?enabled=false",
        "/v1/modules?name=text",
        "/v1/modules/text?version=1",
        "/v1/topics?after=a",
        "/v1/topics/t/digest?type=text",
        "/v1/topics/t/objects/x?typ=g-counter",
    ] {
        server.get(path).refused(400, "bad-request");
    }
    let reply = server.get("/v1/topics/t/objects?limit=some");
    let error = reply.refused(400, "bad-request");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("limit") && !message.contains("deserialize"),
        "{message}"
    );
    server
        .get("/v1/topics/t/objects/x?type=a&type=b")
        .refused(400, "bad-request");
    server
        .get("/v1/topics/t/objects?limit=0")
        .refused(400, "bad-request");
    server
        .get("/v1/topics/t/objects?limit=-1")
        .refused(400, "bad-request");
    server
        .get("/v1/topics/t/objects?limit=10001")
        .refused(400, "bad-request");
    server
        .get("/v1/topics/t/objects?limit=99999999999999999999")
        .refused(400, "bad-request");
    server
        .get("/v1/topics/t/objects?after=forged")
        .refused(400, "bad-request");
}

#[test]
fn other_methods_are_refused_with_those_that_work() {
    let server = Server::start();
    for (method, path, allowed) in [
        ("DELETE", "/v1/status", "GET,HEAD"),
        ("PUT", "/v1/topics/t/objects/x", "GET,HEAD,POST"),
        ("PATCH", "/v1/network", "GET,HEAD,PUT"),
        ("OPTIONS", "/v1/modules", "GET,HEAD,POST"),
        ("TRACE", "/metrics", "GET,HEAD"),
        ("POST", "/v1/topics/t/watch", "GET,HEAD"),
    ] {
        let reply = server.send(method, path, &[], b"");
        reply.refused(405, "no-such-method");
        assert_eq!(reply.header("allow"), Some(allowed), "{method} {path}");
    }
}
