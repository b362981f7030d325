//! `replicant topic`, `send`, `receive` and `members --watch`: messages between programs.

use std::collections::BTreeSet;
use std::time::Duration;

use replicant_tests::process::{NodeProcess, Running, Start, until};
use serde_json::{Value, json};

fn joining(node: &NodeProcess) -> Start {
    Start {
        join: vec![node.listen().to_owned()],
        ..Start::default()
    }
}

/// Three nodes that have sessions with each other.
fn cluster() -> [NodeProcess; 3] {
    cluster_with(&[])
}

/// Such nodes, started with further arguments.
fn cluster_with(arguments: &[&str]) -> [NodeProcess; 3] {
    let with = |start: Start| Start {
        arguments: arguments.iter().map(ToString::to_string).collect(),
        ..start
    };
    let first = NodeProcess::fresh(&with(Start::default()));
    let second = NodeProcess::fresh(&with(joining(&first)));
    let third = NodeProcess::fresh(&with(joining(&first)));
    let nodes = [first, second, third];
    until("all have sessions with all", || {
        nodes.iter().all(|node| {
            let members = node.run(["members", "--json"]).succeeds().json();
            let open = members.as_array().unwrap().iter();
            open.filter(|member| member["connected"] == true).count() == 2
        })
    });
    nodes
}

/// How many nodes listen to a path, as one node sees it.
fn subscribers(node: &NodeProcess, path: &str) -> u64 {
    let topics = node.run(["topic", "list", "--json"]).succeeds().json();
    let mut topics = topics.as_array().unwrap().iter();
    let topic = topics.find(|topic| topic["topic"] == path);
    topic.map_or(0, |topic| topic["subscribers"].as_u64().unwrap())
}

fn listen(node: &NodeProcess, topic: &str) -> Running {
    node.replicant
        .start(["topic", "subscribe", topic, "--json"])
}

fn publish(node: &NodeProcess, topic: &str, message: &Value) -> u64 {
    let message = message.to_string();
    let said = node.run(["topic", "publish", topic, &message, "--json"]);
    said.succeeds().json()["audience"].as_u64().unwrap()
}

fn payload(listener: &mut Running) -> Value {
    let mut message: Value = serde_json::from_str(&listener.line()).unwrap();
    message["payload"].take()
}

#[test]
fn what_is_said_is_heard_once_by_all_that_listen_there_or_above_and_by_nobody_else() {
    let [one, two, three] = cluster();
    let mut above = listen(&one, "shop");
    let mut near = listen(&two, "shop/eu");
    let mut elsewhere = listen(&two, "shop/us");
    for node in [&one, &two, &three] {
        until("everybody knows who listens", || {
            ["shop", "shop/eu", "shop/us"]
                .iter()
                .all(|path| subscribers(node, path) == 1)
        });
    }
    for number in 0..20 {
        assert_eq!(publish(&three, "shop/eu/carts", &json!(number)), 2);
    }
    for listener in [&mut above, &mut near] {
        let heard: BTreeSet<u64> = (0..20)
            .map(|_| payload(listener).as_u64().unwrap())
            .collect();
        assert_eq!(heard, (0..20).collect());
    }
    // Whoever heard something twice, or from elsewhere, would hear that first.
    assert_eq!(publish(&one, "shop/us", &json!("over there")), 2);
    assert_eq!(payload(&mut elsewhere), "over there");
    assert_eq!(payload(&mut above), "over there");
    assert_eq!(publish(&two, "shop/eu", &json!("the end")), 2);
    assert_eq!(payload(&mut above), "the end");
    assert_eq!(payload(&mut near), "the end");
}

#[test]
fn a_node_stops_hearing_when_nobody_listens_at_it_any_more() {
    let [one, two, _] = cluster();
    let first = listen(&one, "news");
    let second = listen(&one, "news");
    until("the other node knows", || subscribers(&two, "news") == 1);
    first.signal("INT");
    drop(first);
    assert_eq!(publish(&two, "news", &json!(1)), 1);
    second.signal("INT");
    drop(second);
    until("nobody listens", || subscribers(&two, "news") == 0);
    two.run(["topic", "publish", "news", "2"])
        .succeeds()
        .mentions(&["nobody listens"]);
}

#[test]
fn a_member_can_be_spoken_to_alone() {
    let [one, two, three] = cluster();
    let mut hears = one.replicant.start(["receive", "--count", "1"]);
    // There is no telling when it has begun to listen: say it until it is heard.
    let (heard, told) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || heard.send(hears.line()).unwrap());
    let line = loop {
        two.run(["send", &one.id()[..10], "{\"to\": \"you\"}"])
            .succeeds();
        if let Ok(line) = told.recv_timeout(Duration::from_millis(50)) {
            break line;
        }
    };
    waiting.join().unwrap();
    assert_eq!(line, format!("{}: {{\"to\":\"you\"}}", &two.id()[..8]));
    two.run(["send", three.id(), "1"]).prints(&format!(
        "sent to {}: programs that listen there now hear it\n",
        &three.id()[..8]
    ));
    until("what nobody listened for is counted", || {
        count(&three, "direct_messages_unheard_total") == 1
    });
    three
        .run(["send", "ffffffffff", "1"])
        .fails(2, &["no member's id begins with"]);
}

/// Its numbers go on behind the last that anybody heard.
#[test]
fn what_a_node_says_after_it_was_killed_and_started_again_is_heard() {
    let [one, mut two, _three] = cluster();
    let mut hears = listen(&one, "news");
    until("the other node knows", || subscribers(&two, "news") == 1);
    for number in 0..3 {
        assert_eq!(publish(&two, "news", &json!(number)), 1);
        assert_eq!(payload(&mut hears), json!(number));
    }
    two.kill();
    two.restart();
    until("it knows again who listens", || {
        subscribers(&two, "news") == 1
    });
    let said = [
        "topic",
        "publish",
        "news",
        "3",
        "--acks",
        "1",
        "--deadline-ms",
        "30000",
    ];
    two.run(said).succeeds();
    assert_eq!(payload(&mut hears), json!(3));
}

#[test]
fn rules_say_who_may_speak_and_listen() {
    let rule = "secret/** publish=none subscribe=none";
    let node = NodeProcess::fresh(&Start {
        arguments: vec!["--topic-rule".to_owned(), rule.to_owned()],
        ..Start::default()
    });
    let speaks = node.run(["topic", "publish", "secret/plans", "1"]);
    speaks.fails(1, &["access rules", "publish in secret/plans"]);
    let listens = node.run(["topic", "subscribe", "secret"]);
    listens.fails(1, &["access rules", "subscribe to secret"]);
    assert_eq!(publish(&node, "open", &json!(1)), 0);
}

/// It was dropped, and nothing said why.
#[test]
fn what_only_this_node_forbids_is_counted_and_said_and_nobody_is_punished_for_it() {
    let first = NodeProcess::alone();
    let strict = NodeProcess::fresh(&Start {
        arguments: vec!["--topic-rule".to_owned(), "news publish=none".to_owned()],
        ..joining(&first)
    });
    let forbidden = listen(&strict, "news");
    let mut listener = listen(&strict, "open");
    until("the other knows", || {
        ["news", "open"]
            .iter()
            .all(|path| subscribers(&first, path) == 1)
    });
    for number in 0..3 {
        publish(&first, "news", &json!(number));
    }
    until("it is counted", || {
        count(&strict, "publications_forbidden_total") == 3
    });
    publish(&first, "open", &json!("still heard"));
    assert_eq!(payload(&mut listener), "still heard");
    assert_eq!(count(&strict, "sessions_malicious_total"), 0);
    let log = std::fs::read_to_string(strict.folder().join("node.log")).unwrap();
    let said = log.matches("a publication is dropped").count();
    assert_eq!(said, 2, "at the first and the second: {log}");
    assert!(log.contains(&first.id()[..8]), "{log}");
    drop(forbidden);
}

#[test]
fn members_are_told_as_they_come_and_go() {
    let first = NodeProcess::alone();
    let mut watch = first.replicant.start(["members", "--watch", "--json"]);
    let mut next = || -> Value { serde_json::from_str(&watch.line()).unwrap() };
    assert_eq!(next()["self"], true);
    let mut second = NodeProcess::fresh(&joining(&first));
    let id = second.id().to_owned();
    let came = next();
    assert_eq!((&came["id"], &came["state"]), (&json!(id), &json!("alive")));
    second.terminate();
    let left = loop {
        let change = next();
        if change["id"] == id && change["state"] != "alive" {
            break change;
        }
    };
    assert_eq!(left["state"], "left");
}

/// Whether there is a session was never told, and one and the same line came again and again.
#[test]
fn a_member_is_told_once_for_each_state_with_whether_there_is_a_session() {
    let first = NodeProcess::alone();
    let mut watch = first.replicant.start(["members", "--watch"]);
    let mut second = NodeProcess::fresh(&joining(&first));
    let id = second.id()[..8].to_owned();
    let mut told: Vec<String> = Vec::new();
    let mut until = |what: &str| loop {
        let line = watch.line().trim_end().to_owned();
        let of_it = told.iter().rev().find(|before| before[..8] == line[..8]);
        assert_ne!(of_it, Some(&line), "{told:?}");
        told.push(line.clone());
        if line.starts_with(&id) && line.ends_with(what) {
            return;
        }
    };
    until("alive, session: open");
    second.terminate();
    until("left, session: none");
}

/// It was measured, and shown nowhere.
#[test]
fn how_reliable_members_were_is_shown_and_goes_down_with_probes_that_fail() {
    let often = || vec!["--probe-interval-ms".to_owned(), "300".to_owned()];
    let first = NodeProcess::fresh(&Start {
        arguments: often(),
        ..Start::default()
    });
    let mut second = NodeProcess::fresh(&Start {
        arguments: often(),
        ..joining(&first)
    });
    let of = |id: &str| {
        let members = first.run(["members", "--json"]).succeeds().json();
        let mut members = members.as_array().unwrap().iter();
        let member = members.find(|member| member["id"] == id);
        member.map(|member| member["reliability"].clone())
    };
    until("it is a member", || of(second.id()).is_some());
    let measured = of(second.id()).unwrap();
    assert_eq!(measured["up_ppm"], 1_000_000);
    assert!(
        measured["score_ppm"].as_u64().unwrap() < 500_000,
        "{measured}"
    );
    assert_eq!(of(first.id()), Some(Value::Null), "nobody measures itself");
    let table = first.run(["members"]).succeeds();
    table.mentions(&["UP", "PROBES ANSWERED", "100.00 %", " - "]);
    second.kill();
    until("a probe that failed counts", || {
        let measured = of(second.id()).unwrap();
        measured["probe_success_ppm"].as_u64().unwrap() < 1_000_000
    });
}

#[test]
fn a_message_can_come_from_standard_input_and_be_any_bytes() {
    let node = NodeProcess::alone();
    let mut listener = listen(&node, "shop");
    until("it listens", || subscribers(&node, "shop") == 1);
    let say = |more: &[&str], input: &[u8]| {
        let said = ["topic", "publish", "shop", "-"];
        node.replicant.run_with(said.iter().chain(more), input)
    };
    // More than a shell lets one write as an argument.
    let large = json!("x".repeat(500_000)).to_string();
    say(&[], large.as_bytes()).succeeds();
    assert_eq!(payload(&mut listener).to_string(), large);
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    say(&["--bytes"], &bytes[..(1 << 20) - 16]).succeeds();
    let heard = payload(&mut listener)["$bytes"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(heard.starts_with("AAECAwQ"), "{}", &heard[..20]);
    assert_eq!(heard.len(), ((1 << 20) - 16_usize).div_ceil(3) * 4);
    say(&[], &[0xff, 0xfe]).fails(2, &["--bytes"]);
    say(&[], b"no json").fails(2, &["not JSON"]);
    say(&["--bytes"], &[7; (1 << 20) - 4]).fails(2, &["1,048,571 bytes", "nothing was sent"]);
    let large = json!("x".repeat(1 << 20)).to_string();
    say(&[], large.as_bytes()).fails(2, &["1,048,578 bytes of JSON", "1,048,581 as CBOR"]);
    node.replicant
        .run_with(["send", node.id(), "-"], "1")
        .fails(1, &["session"]);
}

#[test]
fn who_has_a_message_is_told_and_who_is_cut_off_is_named() {
    // Nobody is given up while the test looks.
    let patient = ["--parameter", "swim.suspicion_multiplier=100"];
    let [one, two, three] = cluster_with(&patient);
    let listeners = [&one, &two, &three].map(|node| listen(node, "shop"));
    for node in [&one, &two, &three] {
        until("all know who listens", || subscribers(node, "shop") == 3);
    }
    let say = |acks: &str, more: &[&str]| {
        let said = ["topic", "publish", "shop/eu", "1", "--acks", acks];
        one.replicant.run(said.iter().chain(more))
    };
    say("all", &["--deadline-ms", "30000"]).prints("3 of 3 have it\n");
    let said = say("count", &["--json"]).json();
    let expected = json!({"count": 3, "enough": true, "missing": []});
    assert_eq!(said, json!({"audience": 3, "acknowledged": expected}));
    three.run(["network", "off"]).succeeds();
    let lacking = say("all", &["--deadline-ms", "1000"]).fails(1, &[]);
    let missing = &three.id()[..8];
    assert_eq!(
        lacking.stdout,
        format!("2 of 3 have it; missing: {missing}\n")
    );
    assert_eq!(lacking.stderr, "");
    let lacking = say("3", &["--deadline-ms", "1000", "--json"]).fails(1, &[]);
    let lacking: Value = serde_json::from_str(&lacking.stdout).unwrap();
    let expected = json!({"count": 2, "enough": false, "missing": [three.id()]});
    assert_eq!(lacking["acknowledged"], expected);
    let many = say("9", &["--deadline-ms", "1000"]).fails(1, &[]);
    let expected = format!("2 of 3 have it, 9 were wanted; missing: {missing}\n");
    assert_eq!(many.stdout, expected);
    // As many as are wanted are there: the deadline need not come.
    say("2", &["--deadline-ms", "30000"]).prints("2 of 3 have it\n");
    let enough = say("1", &["--json"]).json();
    assert_eq!(enough["acknowledged"]["enough"], true);
    assert_eq!(enough["acknowledged"]["missing"], json!([]));
    say("none", &[]).fails(2, &["all", "count"]);
    say("all", &["--deadline-ms", "30001"]).fails(2, &["30000"]);
    let alone = one.run(["topic", "publish", "shop", "1", "--deadline-ms", "9"]);
    alone.fails(2, &["--acks"]);
    drop(listeners);
}

/// How often something was counted at a node.
fn count(node: &NodeProcess, name: &str) -> u64 {
    let status = node.run(["status", "--json"]).succeeds().json();
    status["counters"][name].as_u64().unwrap_or_default()
}

#[test]
fn what_is_said_rapidly_is_heard_once_and_who_lacks_it_is_named() {
    let patient = ["--parameter", "swim.suspicion_multiplier=100"];
    let patient = [&patient[..], &["--parameter", "rapid.fanout=8"]].concat();
    let [one, two, three] = cluster_with(&patient);
    let mut listeners = [&two, &three].map(|node| listen(node, "shop"));
    for node in [&one, &two, &three] {
        until("all know who listens", || subscribers(node, "shop") == 2);
    }
    let say = |message: &str, more: &[&str]| {
        let said = ["topic", "publish", "shop/eu", message, "--rapid"];
        one.replicant.run(said.iter().chain(more))
    };
    say("1", &[]).prints("said in shop/eu: 2 nodes listen\n");
    let all = ["--acks", "all", "--deadline-ms", "30000"];
    say("2", &all).prints("2 of 2 have it\n");
    // Larger than what is pushed, and than a chunk.
    let large = format!("\"{}\"", "x".repeat(100_000));
    say(&large, &all).prints("2 of 2 have it\n");
    for listener in &mut listeners {
        let mut heard: Vec<usize> = (0..3)
            .map(|_| payload(listener).to_string().len())
            .collect();
        heard.sort_unstable();
        assert_eq!(heard, [1, 1, 100_002]);
    }
    for node in [&two, &three] {
        assert_eq!(count(node, "rapid_delivered_total"), 3);
        assert_eq!(count(node, "rapid_dropped_total"), 0);
    }
    three.run(["network", "off"]).succeeds();
    let lacking = say("3", &["--acks", "all", "--deadline-ms", "1000"]).fails(1, &[]);
    let missing = &three.id()[..8];
    let expected = format!("1 of 2 have it; missing: {missing}\n");
    assert_eq!(lacking.stdout, expected);
}

#[test]
fn a_fact_comes_to_all_rapidly() {
    let [one, two, three] = cluster();
    let before = [&two, &three].map(|node| count(node, "rapid_delivered_total"));
    assert_eq!(before, [0, 0]);
    // A node may revoke itself.
    let revoke = ["fact", "revoke", one.id(), "--reason", "sold"];
    one.replicant
        .run(revoke.iter().chain(&["--yes-this-node"]))
        .succeeds();
    for node in [&two, &three] {
        until("it came", || count(node, "rapid_delivered_total") == 1);
    }
}

/// Who reads too slowly loses the oldest, and is told how many.
#[test]
fn a_listener_that_does_not_keep_up_is_told_what_it_missed() {
    const SAID: usize = 64;
    let node = NodeProcess::alone();
    let mut listener = listen(&node, "news");
    until("it listens", || subscribers(&node, "news") == 1);
    // Far more than the queue of a listener and all that lies between it and its reader hold.
    let large = json!("x".repeat(900_000)).to_string();
    for _ in 0..SAID {
        let said = node
            .replicant
            .run_with(["topic", "publish", "news", "-"], &large);
        said.succeeds();
    }
    publish(&node, "news", &json!("end"));
    let mut heard = 0;
    while payload(&mut listener) != "end" {
        heard += 1;
    }
    assert!(heard < SAID, "{heard}");
    listener.signal("KILL");
    let told = listener.ends().stderr;
    let counts = told.lines().filter_map(|line| {
        assert!(line.ends_with("gone"), "{line}");
        line.split(' ').next()?.parse::<usize>().ok()
    });
    assert_eq!(heard + counts.sum::<usize>(), SAID, "{told}");
}
