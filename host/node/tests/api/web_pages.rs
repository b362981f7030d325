//! Web pages must not reach a port that trusts whoever reaches it.

use crate::server::{JSON, Server};

const UPDATE: &str = "/v1/topics/t/objects/c?type=g-counter";
const BODY: &[u8] = b"{\"increment\": 1}";

#[test]
fn a_page_whose_name_was_pointed_here_gets_nothing() {
    let server = Server::start();
    for host in [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
    ] {
        server
            .send("GET", "/v1/status", &[("Host", host)], b"")
            .refused(403, "foreign-host");
        let headers = [("Host", host), JSON];
        server
            .send("POST", UPDATE, &headers, BODY)
            .refused(403, "foreign-host");
        server
            .send("GET", "/metrics", &[("Host", host)], b"")
            .refused(403, "foreign-host");
        let path = "/v1/topics/t/watch";
        server
            .send("GET", path, &[("Host", host)], b"")
            .refused(403, "foreign-host");
    }
    let absolute = "GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost\r\n\
                    Connection: close\r\n\r\n";
    server.say(absolute.as_bytes()).refused(403, "foreign-host");
}

#[test]
fn the_node_goes_by_its_address_and_by_names_that_it_was_told() {
    let server = Server::with(|api, _| api.host_names = vec!["node.example".to_owned()]);
    for host in [
        "127.0.0.1",
        "localhost:1234",
        "[::1]",
        "node.example",
        "NODE.example:80",
    ] {
        server
            .send("GET", "/v1/status", &[("Host", host)], b"")
            .ok();
    }
    let none = b"GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n";
    server.say(none).refused(400, "bad-request");
    let two = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\
                Connection: close\r\n\r\n";
    server.say(two).refused(400, "bad-request");
}

#[test]
fn requests_of_foreign_pages_change_nothing() {
    let server = Server::start();
    let other_port = format!("http://{}", "127.0.0.1:1");
    for origin in [
        "http://evil.example",
        "https://127.0.0.1",
        "null",
        &other_port,
    ] {
        let reply = server.send("POST", UPDATE, &[JSON, ("Origin", origin)], BODY);
        reply.refused(403, "foreign-origin");
        server
            .send("GET", "/v1/status", &[("Origin", origin)], b"")
            .refused(403, "foreign-origin");
    }
    let cross_site = [JSON, ("Sec-Fetch-Site", "cross-site")];
    server
        .send("POST", UPDATE, &cross_site, BODY)
        .refused(403, "foreign-origin");
    // What a page can send without asking: a form, or text that happens to be JSON.
    for simple in ["text/plain", "application/x-www-form-urlencoded"] {
        let reply = server.send("POST", UPDATE, &[("Content-Type", simple)], BODY);
        reply.refused(415, "unsupported-media-type");
    }
    server
        .get("/v1/topics/t/objects/c")
        .refused(404, "unknown-object");
    let own = format!("http://{}", server.address());
    server
        .send("POST", UPDATE, &[JSON, ("Origin", &own)], BODY)
        .ok();
}

#[test]
fn no_answer_invites_other_origins() {
    let server = Server::start();
    let own = format!("http://{}", server.address());
    let reply = server.send("OPTIONS", UPDATE, &[("Origin", &own)], b"");
    assert_eq!(reply.status, 405);
    for reply in [reply, server.get("/v1/status"), server.get("/nothing")] {
        assert_eq!(reply.header("access-control-allow-origin"), None);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
}
