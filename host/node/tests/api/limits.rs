//! What happens when there is too much of everything.

use std::io::{Read, Write};
use std::time::Duration;

use replicant::api::{ApiConfig, ApiError, ApiServer};

use crate::server::{JSON, Server};

#[test]
fn a_node_with_too_much_to_do_says_so_and_stays_observable() {
    let server = Server::with(|api, _| api.requests_max = 0);
    for path in ["/v1/status", "/v1/topics/t/objects/x"] {
        let reply = server.get(path);
        reply.refused(503, "busy");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/metrics").status, 200);
}

#[test]
fn a_request_slot_is_given_back() {
    let server = Server::with(|api, _| api.requests_max = 1);
    for _ in 0..20 {
        server.get("/v1/status").ok();
        server
            .get("/v1/topics/t/objects/x")
            .refused(404, "unknown-object");
    }
}

/// Fifty clients that asked for nothing but digests kept the writes to other topics waiting for
/// half a minute.
#[test]
fn digests_are_few_at_a_time() {
    let server = Server::with(|api, _| api.digests_max = 0);
    server.get("/v1/topics/t/digest").refused(503, "busy");
    server.get("/v1/topics/t/objects").ok();
    let server = Server::with(|api, _| api.digests_max = 1);
    for _ in 0..5 {
        server.get("/v1/topics/t/digest").ok();
    }
}

#[test]
fn bodies_share_a_budget_of_memory() {
    let server = Server::with(|api, _| api.bodies_bytes_max = 8 << 10);
    let path = "/v1/topics/t/objects/r?type=lww-register";
    for _ in 0..5 {
        server
            .post(path, &format!("{{\"set\": \"{}\"}}", "x".repeat(7_000)))
            .ok();
        server
            .post(path, &format!("{{\"set\": \"{}\"}}", "x".repeat(9_000)))
            .refused(503, "busy");
    }
}

#[test]
fn a_request_that_takes_too_long_is_ended() {
    let server = Server::with(|api, _| api.request_wait = Duration::ZERO);
    let path = "/v1/topics/t/objects/c?type=g-counter";
    // The head is there, the body never comes.
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\nConnection: close\r\n\r\n"
    );
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let reply = crate::server::Reply::read(stream);
    let hint = reply.refused(504, "timeout")["error"]["hint"].clone();
    assert!(hint.to_string().contains("an update"), "{hint}");
}

#[test]
fn who_loads_a_module_for_too_long_is_told_where_it_will_be() {
    let server = Server::with(|api, _| api.request_wait = Duration::ZERO);
    let head = "POST /v1/modules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/wasm\r\n\
                Content-Length: 100\r\nConnection: close\r\n\r\n";
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let reply = crate::server::Reply::read(stream);
    let hint = reply.refused(504, "timeout")["error"]["hint"].clone();
    assert!(hint.to_string().contains("GET /v1/modules"), "{hint}");
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = Server::with(|api, _| api.head_wait = Duration::from_millis(50));
    for beginning in ["", "GET /v1/status HTTP/1.1\r\nHost: loc"] {
        let mut stream = server.connect();
        stream.write_all(beginning.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // The read ends because the server closed, not because the test gave up.
        stream.read_to_end(&mut answer).unwrap();
    }
}

#[test]
fn silent_connections_do_not_keep_others_out() {
    let server = Server::with(|api, _| {
        api.connections_max = 4;
        api.head_wait = Duration::from_millis(50);
    });
    let silent: Vec<_> = (0..32).map(|_| server.connect()).collect();
    server.get("/v1/status").ok();
    drop(silent);
}

#[test]
fn a_client_that_does_not_take_its_answers_loses_its_connection() {
    let server = Server::with(|api, _| api.write_wait = Duration::from_millis(100));
    let large = format!("{{\"set\": \"{}\"}}", "x".repeat(900_000));
    server.update("r", "lww-register", &large);
    let mut asleep = server.connect();
    let request = "GET /v1/topics/t/objects/r HTTP/1.1\r\nHost: localhost\r\n\r\n";
    asleep.write_all(request.repeat(64).as_bytes()).unwrap();
    // One is left: that of the request for the figure.
    server.await_figure("replicant_api_connections 1");
    drop(asleep);
}

#[test]
fn heads_are_bounded() {
    let server = Server::start();
    let many: String = (0..1_000)
        .map(|index| format!("X-{index}: 1\r\n"))
        .collect();
    let request = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(server.say(request.as_bytes()).status, 431);
    let long = format!("X: {}\r\n", "x".repeat(1 << 20));
    let request = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{long}\r\n");
    let status = server.say(request.as_bytes()).status;
    assert!(matches!(status, 0 | 431), "{status}");
    server.get("/v1/status").ok();
}

#[test]
fn what_is_not_http_is_answered_with_an_error_or_nothing() {
    let server = Server::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/status\r\n\r\n",
        b"GET /v1/status HTTP/9.9\r\n\r\n",
        b"GET \x00 HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n\r\n ",
        b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX\x00: 1\r\n\r\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let status = crate::server::Reply::read(stream).status;
        assert!(matches!(status, 0 | 400 | 505), "{bytes:?}: {status}");
    }
    server.get("/v1/status").ok();
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_update_leaves_nothing_behind() {
    let server = Server::with(|api, _| api.requests_max = 1);
    for _ in 0..20 {
        let mut stream = server.connect();
        let head = "POST /v1/topics/t/objects/c?type=g-counter HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"incr";
        stream.write_all(head.as_bytes()).unwrap();
    }
    // Until the server has noticed, it may say that it is busy.
    let path = "/v1/topics/t/objects/c?type=g-counter";
    let mut reply = server.send("POST", path, &[JSON], b"{\"increment\": 1}");
    while reply.status == 503 {
        reply = server.send("POST", path, &[JSON], b"{\"increment\": 1}");
    }
    reply.ok();
    assert_eq!(server.get("/v1/topics/t/objects/c").ok()["value"], 1);
}

#[tokio::test]
async fn an_address_that_others_reach_needs_to_be_allowed() {
    let data = tempfile::tempdir().unwrap();
    replicant::init(data.path()).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let node = replicant::Node::start(replicant::NodeConfig::new(data.path(), listen))
        .await
        .unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused =
            ApiServer::start(node.clone(), ApiConfig::new(address.parse().unwrap())).await;
        assert!(
            matches!(refused, Err(ApiError::NotLoopback { .. })),
            "{address}"
        );
    }
    let mut allowed = ApiConfig::new("0.0.0.0:0".parse().unwrap());
    allowed.any_address = true;
    ApiServer::start(node.clone(), allowed)
        .await
        .unwrap()
        .shutdown()
        .await;
    let taken = ApiServer::start(node.clone(), ApiConfig::new(listen))
        .await
        .unwrap();
    let again = ApiServer::start(node.clone(), ApiConfig::new(taken.address())).await;
    assert!(matches!(again, Err(ApiError::Listen { .. })));
    taken.shutdown().await;
    node.shutdown().await;
}

/// They were registered for ever, and nothing of the type worked.
#[test]
fn limits_under_which_no_type_works_or_that_no_node_grants_are_refused_with_the_bound() {
    let server = Server::start();
    for (limit, value, least) in [
        ("fuel_per_call", 99_999_u64, "100000"),
        ("memory_bytes", 0, "65536"),
        ("output_bytes", 0, "4096"),
        ("fuel_per_call", 10_000_000_001, "10000000000 at most"),
        ("memory_bytes", (1 << 30) + 1, "1073741824 at most"),
        ("output_bytes", (64 << 20) + 1, "67108864 at most"),
    ] {
        let path = format!("/v1/modules?{limit}={value}");
        let reply = server.send("POST", &path, &[("Content-Type", "application/wasm")], b"x");
        let reply = reply.refused(400, "bad-request");
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(
            message.contains(limit) && message.contains(least),
            "{message}"
        );
    }
}

#[test]
fn an_address_is_taken_by_one_before_either_serves() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let _within = runtime.enter();
    let bound = ApiServer::bind(ApiConfig::new("127.0.0.1:0".parse().unwrap())).unwrap();
    let second = ApiServer::bind(ApiConfig::new(bound.address()));
    assert!(matches!(second, Err(ApiError::Listen { .. })), "{second:?}");
}

/// More than a thousand requests of which half the head was sent kept everybody out, health checks
/// included, until they ran out of time.
#[test]
fn connections_without_a_request_give_way() {
    let server = Server::with(|api, _| {
        api.connections_max = 4;
        api.give_way_after = Duration::from_millis(10);
        // Nobody is rescued by the end of this.
        api.head_wait = Duration::from_secs(3_600);
        api.body_wait = api.head_wait;
    });
    let mut watching = server.watch("/v1/topics/t/watch");
    let half_sent: Vec<_> = (0..12)
        .map(|_| {
            let mut stream = server.connect();
            stream
                .write_all(b"GET /healthz HTTP/1.1\r\nHost: ")
                .unwrap();
            stream
        })
        .collect();
    for _ in 0..4 {
        assert_eq!(server.get("/healthz").status, 200);
    }
    // Who had waited longest was closed, and not the watch.
    let mut first = &half_sent[0];
    assert!(matches!(first.read(&mut [0; 1]), Ok(0) | Err(_)));
    server.update("x", "g-counter", "{\"increment\": 1}");
    watching.until(|line| line == "event: change");
}
