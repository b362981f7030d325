//! `docs/wire-format.md` says what its examples mean; this holds it to that.
//!
//! An example that is not current fails with the bytes as they should stand there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::broadcast::acknowledgement::ShortId;
use replicant_protocol::broadcast::{acknowledging, plumtree, rapid};
use replicant_protocol::bundle::{Body, BodyObject, BodyOp, Dependency, Format, SignedBundle};
use replicant_protocol::clock::Hlc;
use replicant_protocol::content::{
    Announcement, ModuleLimits, ModuleName, SignedAnnouncement, SignedSwitch, Switch,
};
use replicant_protocol::identity::{NodeIdentity, replica_id};
use replicant_protocol::ids::{
    ClusterId, Counter, Generation, Hash, LineageId, ModuleHash, NodeId, SnapshotRef, TopicName,
};
use replicant_protocol::membership::hyparview;
use replicant_protocol::membership::{self, Accusation, Metadata, Record, Rumour, Said, Status};
use replicant_protocol::replication::anti_entropy::{self, TopicDigest};
use replicant_protocol::replication::{self, BundleBytes, RequestId, SyncChunk, SyncRequest};
use replicant_protocol::topics::{Publication, SignedPublication};
use replicant_protocol::version::VersionVector;
use replicant_protocol::wire::{Application, Message, Payload};
use replicant_protocol::{circles, content, facts};

const DOCUMENT: &str = include_str!("../../../docs/wire-format.md");

/// The examples of the document: name → bytes. A block begins with "```hex NAME".
fn examples() -> BTreeMap<&'static str, Vec<u8>> {
    let blocks = DOCUMENT.split("```hex ").skip(1);
    let example = |block: &'static str| {
        let (name, rest) = block.split_once('\n').expect("a name");
        let (text, _) = rest.split_once("```").expect("an end");
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        (
            name.trim(),
            digits
                .chunks(2)
                .map(|pair| (pair[0] * 16 + pair[1]) as u8)
                .collect(),
        )
    };
    blocks.map(example).collect()
}

fn alice() -> NodeIdentity {
    NodeIdentity::from_secret(&[1; 32])
}

fn bob() -> NodeId {
    NodeIdentity::from_secret(&[2; 32]).id()
}

fn topic() -> TopicName {
    "shop/eu".parse().unwrap()
}

fn bundle() -> SignedBundle {
    let body = Body {
        format: Format,
        topic: topic(),
        lineage: LineageId::first(&ClusterId::from_bytes([3; 32]), &topic()),
        author: alice().id(),
        generation: Generation::new(0),
        first: Counter::new(5),
        reference: SnapshotRef::START,
        dependencies: vec![Dependency {
            replica: replica_id(&bob(), Generation::new(0)),
            counter: Counter::new(7),
            hash: Hash::of(b"dependency"),
        }],
        previous: Hash::of(b"previous"),
        hlc: Hlc::from_u64((1_800_000_000_000 << 16) | 3),
        objects: vec![BodyObject {
            type_name: "g-counter".parse().unwrap(),
            id: "visits".parse().unwrap(),
            schema: 1,
        }],
        ops: vec![
            BodyOp {
                object_index: 0,
                bytes: vec![1],
            },
            BodyOp {
                object_index: 0,
                bytes: vec![2],
            },
        ],
    };
    SignedBundle::sign(&alice(), body).unwrap()
}

fn version() -> VersionVector {
    [(bundle().replica(), Counter::new(6))]
        .into_iter()
        .collect()
}

fn announcement() -> SignedAnnouncement {
    let announcement = Announcement {
        name: ModuleName {
            name: "g-counter".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
        },
        module: ModuleHash::of(b"component"),
        size_bytes: 9,
        limits: ModuleLimits {
            fuel_per_call: 1_000_000,
            memory_bytes_max: 1 << 20,
            output_bytes_max: 1 << 16,
        },
        publisher: alice().id(),
        hlc: Hlc::from_u64(1_800_000_000_000 << 16),
    };
    SignedAnnouncement::sign(announcement, &alice()).unwrap()
}

fn switch() -> SignedSwitch {
    let switch = Switch {
        name: ModuleName {
            name: "g-counter".parse().unwrap(),
            version: "2.0.0".parse().unwrap(),
        },
        schemas: vec![1, 2],
        issuer: alice().id(),
        hlc: Hlc::from_u64(1_800_000_000_000 << 16),
    };
    SignedSwitch::sign(switch, &alice()).unwrap()
}

fn rumour() -> Rumour {
    let said = Said {
        node: alice().id(),
        incarnation: 2,
        is_leaving: false,
        generation: Generation::new(0),
        address: "192.0.2.1:7400".parse().unwrap(),
        metadata: Metadata::new([topic()].into(), b"hi".to_vec()).unwrap(),
    };
    let accusation = Accusation::sign(
        &NodeIdentity::from_secret(&[2; 32]),
        said.node,
        said.incarnation,
    );
    Rumour {
        record: Record::sign(&alice(), said),
        status: Status::Suspect,
        accusations: vec![accusation],
    }
}

fn publication() -> SignedPublication {
    let publication = Publication {
        topic: topic(),
        author: alice().id(),
        start: 1_800_000_000_000,
        number: 1,
        acknowledge: Some(Duration::from_secs(5)),
        payload: b"open".to_vec(),
    };
    SignedPublication::sign(publication, &alice()).unwrap()
}

fn acknowledgement() -> acknowledging::Message {
    acknowledging::Message {
        id: Hash::of(publication().as_bytes()),
        names: vec![ShortId::from(&alice().id()), ShortId::from(&bob())],
    }
}

fn gossip(payload: Arc<[u8]>) -> plumtree::Message {
    plumtree::Message::Gossip {
        hops: 1,
        spread: 12,
        payload,
    }
}

fn of_the_tree(message: plumtree::Message) -> Message {
    Message::Broadcast(message)
}

fn views_join() -> hyparview::Message {
    let address = "192.0.2.1:7400".parse().unwrap();
    hyparview::Message::Join { address }
}

fn views_shuffle() -> hyparview::Message {
    let entry = |node, address: &str| hyparview::Entry {
        node,
        address: address.parse().unwrap(),
    };
    hyparview::Message::Shuffle {
        origin: entry(alice().id(), "192.0.2.1:7400"),
        steps: 3,
        entries: vec![entry(bob(), "192.0.2.2:7400")],
    }
}

fn call() -> Vec<u8> {
    let call = circles::Call {
        caller: hyparview::Entry {
            node: alice().id(),
            address: "192.0.2.1:7400".parse().unwrap(),
        },
        start: 1_800_000_000_000,
        number: 1,
        wish: circles::Wish::Alone,
        paths: vec![topic()],
    };
    Payload::Call(&call.sign(&alice())).to_bytes()
}

fn circle_known() -> circles::Message {
    circles::Message::Known {
        is_called: true,
        is_outside: false,
        entries: vec![hyparview::Entry {
            node: bob(),
            address: "192.0.2.2:7400".parse().unwrap(),
        }],
    }
}

fn tree_i_have() -> plumtree::Message {
    let id = Hash::of(b"payload");
    plumtree::Message::IHave {
        is_old: false,
        items: vec![plumtree::Announced { id, hops: 2 }],
    }
}

fn tree_beacon() -> plumtree::Message {
    plumtree::Message::Beacon {
        root: alice().id(),
        sequence: 17,
        hops: 3,
    }
}

fn tree_graft() -> plumtree::Message {
    plumtree::Message::Graft {
        id: Some(Hash::of(b"payload")),
        is_link: true,
    }
}

fn messages() -> Vec<(&'static str, Message)> {
    let request = SyncRequest {
        topic: topic(),
        request: RequestId(1),
        version: VersionVector::new(),
        bundle_bytes_max: 1 << 20,
        bundle_count_max: 1_024,
    };
    let chunk = SyncChunk {
        topic: topic(),
        request: RequestId(1),
        bundles: vec![BundleBytes::from(&bundle())],
        more: false,
        version: version(),
    };
    let digests = anti_entropy::Message::Digests {
        topics: vec![TopicDigest {
            topic: topic(),
            version: version().hash(),
            ops_count: 6,
        }],
    };
    let bundle = bundle();
    let payload = Payload::Bundle(bundle.as_bytes()).to_bytes().into();
    let items = |bytes: &[u8]| vec![bytes.to_vec()];
    let announced = items(announcement().as_bytes());
    let switched = items(switch().as_bytes());
    let said = publication().as_bytes().clone();
    let handed_in = said.to_vec();
    let published = Payload::Publication(&said).to_bytes().into();
    vec![
        ("application", Application::HandIn(handed_in).into()),
        (
            "acknowledge",
            Application::Acknowledge(acknowledgement()).into(),
        ),
        (
            "ping",
            membership::Message::Ping {
                sequence: 7,
                gossip: vec![rumour()],
            }
            .into(),
        ),
        ("join", views_join().into()),
        ("shuffle", views_shuffle().into()),
        ("publication", of_the_tree(gossip(published))),
        ("call", of_the_tree(gossip(call().into()))),
        ("known", Message::Circle(topic(), circle_known())),
        ("broadcast", gossip(payload).into()),
        ("topic", Message::Topic(topic(), gossip(said))),
        ("i-have", of_the_tree(tree_i_have())),
        ("beacon", of_the_tree(tree_beacon())),
        ("graft", of_the_tree(tree_graft())),
        ("prune", of_the_tree(plumtree::Message::Prune)),
        (
            "announcements",
            content::Message::Announcements { items: announced }.into(),
        ),
        (
            "switch",
            content::Message::Announcements { items: switched }.into(),
        ),
        (
            "sync-request",
            replication::Message::SyncRequest(request).into(),
        ),
        ("sync-chunk", replication::Message::SyncChunk(chunk).into()),
        ("compare-topics", comparison_of_topics().into()),
        (
            "facts",
            facts::Message::Facts {
                items: items(fact().as_bytes()),
            }
            .into(),
        ),
        ("compare-facts", comparison().into()),
        ("digests", digests.into()),
    ]
}

fn fact() -> facts::SignedFact {
    let fact = facts::Fact {
        kind: "price".parse().unwrap(),
        body: b"7.50".to_vec(),
        issuer: alice().id(),
        issued_at_ms: 1_800_000_000_000,
        ttl_ms: 86_400_000,
    };
    facts::SignedFact::sign(fact, &alice()).unwrap()
}

/// What a node says first that knows this fact.
fn comparison() -> facts::Message {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = facts::Config {
        kinds: [("price".parse().unwrap(), facts::KindRule::default())].into(),
        ..facts::Config::default()
    };
    let mut state = facts::State::new(config, Duration::ZERO, &mut rng);
    state.handle_publish(fact(), 1_800_000_000_000).unwrap();
    state.handle_peer_up(Duration::ZERO, bob(), &mut rng);
    let sent = std::iter::from_fn(|| state.poll_event()).find_map(|event| match event {
        facts::OutEvent::Send { message, .. } => Some(message),
        _ => None,
    });
    sent.unwrap()
}

/// What a node says first that has this topic.
fn comparison_of_topics() -> anti_entropy::Message {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (now, config) = (Duration::ZERO, anti_entropy::Config::default());
    let mut state = anti_entropy::State::new(now, config, &mut rng);
    state.handle_version(&topic(), &version());
    state.handle_peer_up(now, bob(), &mut rng);
    let sent = std::iter::from_fn(|| state.poll()).find_map(|event| match event {
        anti_entropy::OutEvent::Send { message, .. } => Some(message),
        anti_entropy::OutEvent::Differs { .. } => None,
    });
    sent.unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits
        .as_bytes()
        .chunks(96)
        .map(|line| format!("{}\n", str::from_utf8(line).unwrap()))
        .collect()
}

#[test]
fn the_examples_are_current_and_decode_to_what_is_stated() {
    let documented = examples();
    let mut expected = vec![("bundle", bundle().as_bytes().to_vec())];
    expected.extend(
        messages()
            .into_iter()
            .map(|(name, message)| (name, message.to_bytes())),
    );
    let stale: String = expected
        .iter()
        .filter(|(name, bytes)| documented.get(name) != Some(bytes))
        .map(|(name, bytes)| format!("```hex {name}\n{}```\n", hex(bytes)))
        .collect();
    assert!(
        stale.is_empty(),
        "should be in docs/wire-format.md:\n{stale}"
    );
    assert_eq!(
        documented.len(),
        expected.len(),
        "an example that nobody checks"
    );

    let read = SignedBundle::decode(&documented["bundle"]).unwrap();
    assert_eq!((read.verify(), read), (Ok(()), bundle()));
    for (name, message) in messages() {
        assert_eq!(
            Message::from_bytes(&documented[name]),
            Ok(message),
            "{name}"
        );
    }
}

#[test]
fn the_stated_hashes_are_current() {
    let stated = [
        ("replica id", bundle().replica().to_string()),
        ("bundle hash", bundle().hash().to_string()),
        ("lineage", bundle().body().lineage.to_string()),
        ("version hash", version().hash().to_string()),
        ("fact's id", fact().id().to_string()),
    ];
    for (what, value) in stated {
        assert!(
            DOCUMENT.contains(&format!("`{value}`")),
            "the {what} of the example is {value}"
        );
    }
}

fn rapid_messages() -> [(&'static str, Option<TopicName>, rapid::Message); 5] {
    let way = |collector| rapid::Way {
        origin: ShortId::from(&alice().id()),
        levels: 2,
        collector,
        deadline_ms: 1_000,
    };
    let large = [7; 70_000];
    let (id, index) = (Hash::of(&large), 1);
    let push = rapid::Message::Push {
        hops: 1,
        way: Some(way(None)),
        payload: b"now".as_slice().into(),
    };
    let announce = rapid::Message::Announce {
        hops: 5,
        way: Some(way(Some(ShortId::from(&bob())))),
        id,
        contents: rapid::Contents::of(&large).unwrap(),
    };
    let chunk = rapid::Message::Chunk {
        id: Hash::of(b"now"),
        index: 0,
        bytes: b"now".as_slice().into(),
    };
    let acknowledge = rapid::Message::Acknowledge {
        id,
        names: vec![ShortId::from(&alice().id()), ShortId::from(&bob())],
    };
    [
        ("push", None, push),
        ("announce", Some(topic()), announce),
        (
            "request",
            Some(topic()),
            rapid::Message::Request { id, index },
        ),
        ("chunk", None, chunk),
        ("acknowledge", Some(topic()), acknowledge),
    ]
}

#[test]
fn the_examples_of_rapid_broadcast_are_current() {
    let document = include_str!("../../../docs/rapid.md");
    for (name, scope, message) in rapid_messages() {
        let message = Message::Rapid(scope, message);
        let begin = format!("```hex {name}\n");
        let (_, rest) = document.split_once(&begin).expect("an example");
        let (documented, _) = rest.split_once("```").expect("an end");
        let bytes = message.to_bytes();
        assert_eq!(documented, hex(&bytes), "{name}");
        assert_eq!(Message::from_bytes(&bytes), Ok(message));
    }
}
