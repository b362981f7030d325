//! The node, its modules, health, metrics and the API's own description.

use std::collections::{BTreeMap, BTreeSet};

use replicant::api::views::{MemberView, ModuleView, NetworkView, StatusView};

use crate::server::{JSON, Server};

#[test]
fn the_node_describes_itself() {
    let server = Server::start();
    let status: StatusView = serde_json::from_value(server.get("/v1/status").ok()).unwrap();
    assert_eq!(status.node, server.node.id().to_string());
    assert_eq!(status.listen, server.node.address().to_string());
    assert_eq!(status.api, server.address().to_string());
    assert!(status.storage.writable);
    let members: Vec<MemberView> = serde_json::from_value(server.get("/v1/members").ok()).unwrap();
    assert_eq!(members.len(), 1);
    assert!(members[0].is_self && members[0].state == "alive");
}

#[test]
fn the_node_can_be_taken_off_the_network() {
    let server = Server::start();
    for enabled in [false, true] {
        let body = format!("{{\"enabled\": {enabled}}}");
        let network = server
            .send("PUT", "/v1/network", &[JSON], body.as_bytes())
            .ok();
        let network: NetworkView = serde_json::from_value(network).unwrap();
        assert_eq!(network.enabled, enabled);
        assert_eq!(server.get("/v1/network").ok()["enabled"], enabled);
        assert_eq!(server.get("/v1/status").ok()["network"]["enabled"], enabled);
    }
    for body in [
        "{}",
        "[]",
        "{\"enabled\": 1}",
        "{\"enabled\": true, \"more\": 1}",
    ] {
        let reply = server.send("PUT", "/v1/network", &[JSON], body.as_bytes());
        reply.refused(400, "bad-request");
    }
}

#[test]
fn modules_are_shown_by_name_and_by_version() {
    let server = Server::start();
    let modules: Vec<ModuleView> = serde_json::from_value(server.get("/v1/modules").ok()).unwrap();
    let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "g-counter",
            "lww-map",
            "lww-register",
            "or-set",
            "pn-counter",
            "text"
        ]
    );
    for module in &modules {
        assert!(module.built_in && module.active);
        for name in [
            module.name.clone(),
            format!("{}@{}", module.name, module.version),
        ] {
            let shown = server.get(&format!("/v1/modules/{name}")).ok();
            assert_eq!(
                &serde_json::from_value::<ModuleView>(shown).unwrap(),
                module
            );
        }
    }
    for name in ["none", "g-counter@9.9.9", "00000000"] {
        server
            .get(&format!("/v1/modules/{name}"))
            .refused(404, "unknown-module");
    }
    let wrong = [
        "..%2F..",
        "%00",
        "%20",
        "g-counter@",
        "g-counter@x",
        "A",
        "12",
        "0x00000000",
    ];
    for name in wrong {
        server
            .get(&format!("/v1/modules/{name}"))
            .refused(400, "bad-name");
    }
}

#[test]
fn a_fact_is_shown_by_what_can_be_its_id() {
    let server = Server::start();
    let long = "0".repeat(65);
    for id in ["zz", "0000000", "%20", "0000000g", &long] {
        let reply = server.get(&format!("/v1/facts/{id}"));
        reply.refused(400, "bad-name");
    }
    for id in ["00000000", &long[..64]] {
        let reply = server.get(&format!("/v1/facts/{id}"));
        reply.refused(404, "unknown-fact");
    }
}

#[test]
fn loading_what_is_loaded_changes_nothing() {
    let server = Server::start();
    let component = replicant_crdts::find("g-counter").unwrap().bytes;
    let before = server.get("/v1/modules").ok();
    let wasm = [("Content-Type", "application/wasm")];
    let loaded = server.send("POST", "/v1/modules", &wasm, component);
    assert_eq!(loaded.status, 201);
    assert_eq!(loaded.json()["name"], "g-counter");
    assert_eq!(server.get("/v1/modules").ok(), before);
}

#[test]
fn health_is_told_in_plain_words() {
    let server = Server::start();
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let reply = server.get(path);
        assert_eq!((reply.status, &reply.body[..]), (200, text.as_bytes()));
    }
}

/// Only its log told, and whoever watched over it took it for well.
#[test]
fn a_revoked_node_is_not_ready_and_says_by_which_fact_and_why() {
    let server = Server::start();
    let own = server.node.id().to_string();
    assert_eq!(server.get("/v1/status").ok().get("revoked"), None);
    let of = format!(r#"{{"node": "{own}", "reason": "stolen"}}"#);
    let body = format!(r#"{{"kind": "node-revocation", "body": {of}}}"#);
    let fact = server.post("/v1/facts", &body).ok();
    let id = fact["id"].as_str().unwrap();
    let status: StatusView = serde_json::from_value(server.get("/v1/status").ok()).unwrap();
    let revoked = status.revoked.unwrap();
    assert_eq!((&revoked.fact[..], &revoked.issuer[..]), (id, &own[..]));
    assert_eq!(revoked.reason, "stolen");
    assert_eq!(revoked.expires_at_ms, fact["expires_at_ms"]);
    let reply = server.get("/readyz");
    reply.refused(503, "not-ready");
    let said = reply.json()["error"].to_string();
    for part in [id, "stolen", "replicant init"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(server.get("/healthz").status, 200);
    let members: Vec<MemberView> = serde_json::from_value(server.get("/v1/members").ok()).unwrap();
    assert!(members[0].revoked);
}

/// It said `done`, and nobody ever heard of it.
#[test]
fn a_revoked_node_takes_nothing_that_others_are_to_hear_of_and_is_still_read() {
    let server = Server::start();
    let own = server.node.id().to_string();
    let count = "/v1/topics/shop/objects/visits?type=g-counter";
    server.post(count, "{\"increment\": 2}").ok();
    let of = format!(r#"{{"node": "{own}", "reason": "stolen"}}"#);
    let body = format!(r#"{{"kind": "node-revocation", "body": {of}}}"#);
    let fact = server.post("/v1/facts", &body).ok();
    let another = body.replace("node-revocation", "publisher-revocation");
    let refused = [
        server.post("/v1/facts", &another.replace("\"node\"", "\"publisher\"")),
        server.post(count, "{\"increment\": 1}"),
        server.post("/v1/topics/shop/messages", "\"hello\""),
        server.post(&format!("/v1/members/{own}/messages"), "\"hello\""),
    ];
    for reply in refused {
        reply.refused(403, "revoked");
        let said = reply.json()["error"].to_string();
        for part in [fact["id"].as_str().unwrap(), "stolen", "replicant init"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
    assert_eq!(server.get(count).ok()["value"], 2);
}

/// They pointed to a page that explained none of them.
#[test]
fn each_metric_says_what_it_counts_in_a_sentence_of_its_own() {
    let server = Server::start();
    let text = String::from_utf8(server.get("/metrics").body).unwrap();
    let lines = |mark: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
        let lines = lines.map(|line| line.split_once(' ').unwrap());
        lines
            .map(|(name, said)| (name.to_owned(), said.to_owned()))
            .collect()
    };
    let (help, types) = (lines("# HELP "), lines("# TYPE "));
    assert!(help.keys().eq(types.keys()), "{text}");
    let status: StatusView = serde_json::from_value(server.get("/v1/status").ok()).unwrap();
    for counter in status.counters.keys() {
        let name = counter.strip_suffix("_total").unwrap_or(counter);
        assert!(help.contains_key(&format!("replicant_{name}")), "{name}");
    }
    let mut said = BTreeSet::new();
    for (name, about) in &help {
        let is_sentence = about.starts_with(|first: char| first.is_ascii_uppercase())
            && about.ends_with('.')
            && about.split(' ').count() >= 3;
        assert!(is_sentence && !about.contains("docs/"), "{name}: {about}");
        assert!(said.insert(about), "{name} says what another says: {about}");
    }
}

#[test]
fn metrics_name_routes_as_declared_and_nothing_that_clients_made_up() {
    let server = Server::start();
    for index in 0..50 {
        server.get(&format!("/made/up/{index}"));
        server.get(&format!("/v1/topics/t{index}/objects/o{index}"));
        server.send(&format!("MADE{index}"), "/v1/status", &[], b"");
    }
    let reply = server.get("/metrics");
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = String::from_utf8(reply.body).unwrap();
    let requests: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("replicant_api_requests_total"))
        .collect();
    let count = |parts: [&str; 3]| {
        requests
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .count()
    };
    let object = "route=\"/v1/topics/{topic}/objects/{id}\"";
    assert_eq!(
        count(["route=\"none\"", "method=\"GET\"", "status=\"4xx\"} 50"]),
        1,
        "{text}"
    );
    assert_eq!(
        count([object, "method=\"GET\"", "status=\"4xx\"} 50"]),
        1,
        "{text}"
    );
    assert_eq!(
        count(["method=\"other\"", "/v1/status", "} 50"]),
        1,
        "{text}"
    );
    assert!(
        !text.contains("made/up") && !text.contains("MADE") && !text.contains("o17"),
        "{text}"
    );
    assert!(text.contains("replicant_storage_writable 1"), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn every_path_of_the_document_is_served() {
    let server = Server::start();
    let document = server.get("/openapi.json").ok();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{topic}", "t")
            .replace("{id}", "x")
            .replace("{name}", "text");
        for method in item.as_object().unwrap().keys() {
            if path.ends_with("/watch") || (path.ends_with("/messages") && method == "get") {
                server.watch(&path);
                continue;
            }
            let reply = server.send(&method.to_uppercase(), &path, &[], b"");
            assert_ne!(reply.status, 405, "{method} {path}");
            if reply.status == 404 {
                assert_ne!(
                    reply.json()["error"]["code"],
                    "no-such-path",
                    "{method} {path}"
                );
            }
        }
    }
}
