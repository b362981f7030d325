//! Bodies that are wrong, too large, or meant to hurt.

use std::io::Write;
use std::time::Duration;

use crate::server::{JSON, Reply, Server};

const OBJECT: &str = "/v1/topics/t/objects/c?type=lww-register";

#[test]
fn malformed_json_is_refused_with_its_place() {
    let server = Server::start();
    for body in [
        "",
        " ",
        "{",
        "{\"set\": 1,}",
        "{'set': 1}",
        "{\"set\": NaN}",
        "{\"set\": Infinity}",
        "{\"set\": 1e999}",
        "{\"set\": 01}",
        "1 2",
        "{\"set\": \"\\ud800\"}",
        "{\"set\": \"\u{1}\"}",
    ] {
        let reply = server.send("POST", OBJECT, &[JSON], body.as_bytes());
        reply.refused(400, "malformed-body");
    }
    let error = server
        .post(OBJECT, "{\n \"set\": oops}")
        .refused(400, "malformed-body");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("line 2"),
        "{error}"
    );
    let not_text = server.send("POST", OBJECT, &[JSON], b"\"\xff\xfe\"");
    not_text.refused(400, "malformed-body");
}

#[test]
fn data_that_would_change_its_meaning_is_refused() {
    let server = Server::start();
    for body in [
        "{\"set\": 1, \"set\": 2}",
        "{\"set\": {\"a\": 1, \"\\u0061\": 2}}",
        "{\"set\": 18446744073709551616}",
        "{\"set\": -9223372036854775809}",
        "{\"set\": {\"$bytes\": \"AA==\", \"a\": 1}}",
    ] {
        server.post(OBJECT, body).refused(400, "malformed-body");
    }
    server
        .get("/v1/topics/t/objects/c")
        .refused(404, "unknown-object");
}

#[test]
fn deep_nesting_is_refused_however_deep() {
    let server = Server::start();
    for depth in [65, 1_000, 5_000_000] {
        let body = "[".repeat(depth) + &"]".repeat(depth);
        server.post(OBJECT, &body).refused(400, "malformed-body");
        server
            .post(OBJECT, &"{\"a\":".repeat(depth / 3))
            .refused(400, "malformed-body");
    }
}

#[test]
fn a_type_never_sees_numbers_that_it_did_not_ask_for() {
    let server = Server::start();
    for number in ["-1", "1.5", "1e30", "\"1\"", "null", "true", "[1]"] {
        let body = format!("{{\"increment\": {number}}}");
        let reply = server.post("/v1/topics/t/objects/n?type=g-counter", &body);
        reply.refused(422, "refused");
    }
}

#[test]
fn only_declared_content_is_read() {
    let server = Server::start();
    let body = b"{\"set\": 1}";
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/json",
        "application/wasm",
        "*/*",
        "",
    ] {
        let headers = [("Content-Type", content_type)];
        server
            .send("POST", OBJECT, &headers, body)
            .refused(415, "unsupported-media-type");
    }
    server
        .send("POST", OBJECT, &[], body)
        .refused(415, "unsupported-media-type");
    server
        .send("POST", OBJECT, &[JSON, JSON], body)
        .refused(415, "unsupported-media-type");
    for encoding in ["gzip", "deflate", "br", "identity, gzip"] {
        let headers = [JSON, ("Content-Encoding", encoding)];
        server
            .send("POST", OBJECT, &headers, body)
            .refused(415, "unsupported-media-type");
    }
    server
        .send("PUT", "/v1/network", &[], b"{}")
        .refused(415, "unsupported-media-type");
    server
        .send("POST", "/v1/modules", &[JSON], b"{}")
        .refused(415, "unsupported-media-type");
}

#[test]
fn a_body_may_have_its_limit_and_no_more() {
    let server = Server::with(|api, _| api.body_bytes_max = 100_000);
    let body = |length: usize| format!("{{\"set\": \"{}\"}}", "x".repeat(length - 11));
    assert_eq!(body(100_000).len(), 100_000);
    server.post(OBJECT, &body(100_000)).ok();
    server
        .post(OBJECT, &body(100_001))
        .refused(413, "too-large");
    server
        .post(OBJECT, &body(5_000_000))
        .refused(413, "too-large");
}

#[test]
fn a_length_that_is_too_large_is_refused_before_the_body_comes() {
    let server = Server::start();
    let head = format!(
        "POST {OBJECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 99999999999\r\nConnection: close\r\n\r\n"
    );
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    Reply::read(stream).refused(413, "too-large");
}

#[test]
fn a_body_without_end_is_cut_off() {
    let server = Server::with(|api, _| api.body_bytes_max = 1 << 20);
    let head = format!(
        "POST {OBJECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let endless = std::thread::spawn(move || {
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
        // Ends when the server has had enough.
        while writer.write_all(&chunk).is_ok() {}
    });
    Reply::read(stream).refused(413, "too-large");
    endless.join().unwrap();
}

#[test]
fn a_body_that_comes_too_slowly_is_given_up() {
    let server = Server::with(|api, _| api.body_wait = Duration::from_millis(50));
    let mut stream = server.connect();
    let head = format!(
        "POST {OBJECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\nConnection: close\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    Reply::read(stream).refused(408, "slow-body");
}

#[test]
fn too_many_or_too_large_commands_are_refused() {
    let server = Server::with(|_, node| {
        node.commands_max = 10;
        node.command_bytes_max = 1_000;
    });
    let batch = |count: usize| {
        format!(
            "{{\"commands\": [{}]}}",
            vec!["{\"set\": 1}"; count].join(",")
        )
    };
    server.post(OBJECT, &batch(10)).ok();
    server.post(OBJECT, &batch(11)).refused(413, "too-large");
    let large = format!("{{\"set\": \"{}\"}}", "x".repeat(1_000));
    server.post(OBJECT, &large).refused(413, "too-large");
    server
        .post(OBJECT, "{\"commands\": []}")
        .refused(400, "bad-request");
}

#[test]
fn what_is_no_component_is_not_loaded() {
    let server = Server::start();
    let wasm = [("Content-Type", "application/wasm")];
    let core_module = b"\0asm\x01\0\0\0";
    for body in [
        &b"x"[..],
        core_module,
        b"\0asm\x0d\0\x01\0\xff\xff",
        &[0; 100_000],
    ] {
        server
            .send("POST", "/v1/modules", &wasm, body)
            .refused(422, "module-invalid");
    }
    let small = Server::with(|api, _| api.module_bytes_max = 1_000);
    small
        .send("POST", "/v1/modules", &wasm, &[0; 1_001])
        .refused(413, "too-large");
}

#[test]
fn requests_that_two_servers_would_read_differently_are_refused() {
    let server = Server::start();
    let request = |framing: &str| {
        format!(
            "POST {OBJECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             {framing}\r\nConnection: close\r\n\r\n{{\"set\": 1}}\r\n\r\n"
        )
    };
    for framing in [
        "Content-Length: 10\r\nContent-Length: 11",
        "Content-Length: -1",
        "Content-Length: 10, 11",
        "Content-Length: 0x10",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
    ] {
        let status = server.say(request(framing).as_bytes()).status;
        assert!(matches!(status, 0 | 400 | 501), "{framing}: {status}");
    }
    server
        .get("/v1/topics/t/objects/c")
        .refused(404, "unknown-object");
}

#[test]
fn a_fact_whose_body_is_not_what_its_kind_says_is_refused_and_nothing_is_published() {
    let server = Server::start();
    let id = server.node.id().to_string();
    let other = "ab".repeat(32);
    for (draft, code) in [
        ("[]".to_owned(), "bad-request"),
        (r#"{"kind": "price"}"#.to_owned(), "bad-request"),
        (
            r#"{"kind": "price", "body": 1, "ttl": 1}"#.to_owned(),
            "bad-request",
        ),
        (
            r#"{"kind": "price", "body": 1, "ttl_seconds": -1}"#.to_owned(),
            "bad-request",
        ),
        (r#"{"kind": "No Kind", "body": 1}"#.to_owned(), "bad-name"),
        (
            r#"{"kind": "equivocation", "body": 1}"#.to_owned(),
            "bad-request",
        ),
        (revocation("1"), "bad-request"),
        (revocation("{}"), "bad-request"),
        (revocation(r#"{"node": "zz"}"#), "bad-request"),
        // It is for ever, and people will ask why.
        (revocation(&format!(r#"{{"node": "{id}"}}"#)), "bad-request"),
        (
            revocation(&format!(r#"{{"node": "{id}", "reason": " "}}"#)),
            "bad-request",
        ),
        (
            revocation(&format!(r#"{{"x": 1, "node": "{id}"}}"#)),
            "bad-request",
        ),
        (
            revocation(&format!(r#"{{"reason": 1, "node": "{id}"}}"#)),
            "bad-request",
        ),
        (
            revocation(&format!(r#"{{"publisher": "{id}"}}"#)),
            "bad-request",
        ),
        (
            revocation(&format!(r#"{{"publisher": "{other}", "node": "{id}"}}"#)),
            "bad-request",
        ),
    ] {
        server.post("/v1/facts", &draft).refused(400, code);
    }
    let facts = server.get("/v1/facts").ok();
    assert_eq!(facts["facts"].as_array().unwrap().len(), 0);
}

fn revocation(body: &str) -> String {
    format!(r#"{{"kind": "node-revocation", "body": {body}}}"#)
}
