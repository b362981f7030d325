//! Watches: what they tell, and what becomes of those who do not read.

use std::time::Duration;

use replicant::api::views::{ChangeView, MissedView};
use serde_json::json;

use crate::server::Server;

#[test]
fn a_watch_tells_what_changes() {
    let server = Server::start();
    let mut watching = server.watch("/v1/topics/t/watch");
    let updated = server.update("c", "g-counter", "{\"increment\": 2}");
    let change: ChangeView = serde_json::from_value(watching.event("change")).unwrap();
    assert_eq!((change.topic.as_str(), change.id.as_str()), ("t", "c"));
    assert_eq!(change.type_name, "g-counter");
    assert_eq!(change.version, updated["version"].as_str().unwrap());
    assert_eq!(change.events, [2]);
}

#[test]
fn a_watch_of_one_object_tells_of_that_one_only() {
    let server = Server::start();
    let mut watching = server.watch("/v1/topics/t/watch?id=a%20b");
    server.update("other", "g-counter", "{\"increment\": 1}");
    server
        .post(
            "/v1/topics/elsewhere/objects/a%20b?type=g-counter",
            "{\"increment\": 1}",
        )
        .ok();
    server.update("a%20b", "g-counter", "{\"increment\": 1}");
    let change = watching.event("change");
    assert_eq!(
        (&change["topic"], &change["id"]),
        (&"t".into(), &"a b".into())
    );
}

#[test]
fn names_of_watches_are_checked() {
    let server = Server::start();
    server
        .get("/v1/topics/..%2Fx/watch")
        .refused(400, "bad-name");
    server
        .get("/v1/topics/t/watch?id=")
        .refused(400, "bad-name");
    server
        .get("/v1/topics/t/watch?id=%00")
        .refused(400, "bad-name");
    server
        .get("/v1/topics/t/watch?what=x")
        .refused(400, "bad-request");
}

#[test]
fn a_quiet_watch_shows_that_it_lives() {
    let server = Server::with(|api, _| api.heartbeat = Duration::from_millis(20));
    let mut watching = server.watch("/v1/topics/t/watch");
    for _ in 0..3 {
        watching.until(|line| line.starts_with(':'));
    }
}

#[test]
fn watches_are_counted_and_given_back_when_the_client_goes() {
    let server = Server::with(|api, _| {
        api.watches_max = 3;
        api.heartbeat = Duration::from_millis(20);
    });
    let open: Vec<_> = (0..3).map(|_| server.watch("/v1/topics/t/watch")).collect();
    server.get("/v1/topics/t/watch").refused(503, "busy");
    server.await_figure("replicant_api_watches 3");
    drop(open);
    server.await_figure("replicant_api_watches 0");
    server.watch("/v1/topics/t/watch");
}

/// Changes more than the kernel keeps for a reader who is asleep, none too large to be told.
fn change_a_lot(server: &Server) {
    let large = format!("{{\"set\": \"{}\"}}", "x".repeat(50_000));
    for _ in 0..300 {
        server.update("r", "lww-register", &large);
    }
}

#[test]
fn a_watcher_that_does_not_read_loses_its_connection_and_nobody_else_waits() {
    let server = Server::with(|api, node| {
        api.write_wait = Duration::from_millis(100);
        node.watch_events_max = 4;
    });
    let asleep = server.watch("/v1/topics/t/watch");
    change_a_lot(&server);
    server.await_figure("replicant_api_watches 0");
    drop(asleep);
}

#[test]
fn a_watcher_that_fell_behind_is_told_the_state() {
    let server = Server::with(|_, node| node.watch_events_max = 2);
    let mut slow = server.watch("/v1/topics/t/watch");
    change_a_lot(&server);
    slow.until(|line| line == "event: missed");
    let data = slow.until(|line| line.starts_with("data:"));
    let missed: MissedView = serde_json::from_str(data.trim_start_matches("data:")).unwrap();
    assert!(missed.whole && missed.complete);
    assert_eq!(
        (missed.objects.len(), missed.objects[0].id.as_str()),
        (1, "r")
    );
    let value = missed.objects[0].value.as_ref().unwrap().as_str().unwrap();
    assert_eq!(value.len(), 50_000);
    server.await_figure("replicant_api_watch_missed_total 1");
    // From here on it hears of everything again.
    server.update("c", "g-counter", "{\"increment\": 1}");
    slow.until(|line| line.starts_with("data:") && line.contains("g-counter"));
}

#[test]
fn a_client_that_comes_back_goes_on_where_it_was() {
    let server = Server::start();
    let increment = || server.update("c", "g-counter", "{\"increment\": 1}");
    let mut first = server.watch("/v1/topics/t/watch");
    let begin = first.until(|line| line.starts_with("id:"));
    let begin = begin.trim_start_matches("id:").trim().to_owned();
    increment();
    let seen = first.event("change");
    drop(first);
    increment();
    increment();
    let token = seen["token"].as_str().unwrap();
    let by_query = format!("/v1/topics/t/watch?from={token}");
    let of_past = format!("/v1/topics/t/watch?from={begin}");
    let header = format!("Last-Event-ID: {token}\r\n");
    let watches = [
        server.watch(&by_query),
        server.watch_with("/v1/topics/t/watch", &header),
        // A browser that reconnects sends the path as before, and where it was.
        server.watch_with(&of_past, &header),
    ];
    for mut watching in watches {
        for value in [2, 3] {
            assert_eq!(watching.event("change")["events"], json!([value]));
        }
    }
    let mut all = server.watch(&of_past);
    assert_eq!(all.event("change"), seen);
}

#[test]
fn a_token_of_elsewhere_leads_to_the_state_and_what_is_none_is_refused() {
    let server = Server::start();
    server.update("c", "g-counter", "{\"increment\": 2}");
    let elsewhere = Server::start().watch("/v1/topics/t/watch");
    let mut elsewhere = elsewhere;
    let token = elsewhere.until(|line| line.starts_with("id:"));
    let token = token.trim_start_matches("id:").trim();
    let mut watching = server.watch(&format!("/v1/topics/t/watch?from={token}"));
    let missed = watching.event("missed");
    assert_eq!(
        missed["objects"],
        json!([{"id": "c", "type": "g-counter", "value": 2}])
    );
    for from in ["x", "AAAA", "..", "%00"] {
        let path = format!("/v1/topics/t/watch?from={from}");
        server.get(&path).refused(400, "bad-request");
    }
}

#[test]
fn watches_end_when_the_server_does() {
    let mut server = Server::start();
    let open: Vec<_> = (0..5).map(|_| server.watch("/v1/topics/t/watch")).collect();
    server.stop_api();
    for watching in open {
        assert!(watching.ends());
    }
}
