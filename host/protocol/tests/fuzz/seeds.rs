//! Valid encodings, to be changed.

use std::time::Duration;

use replicant_protocol::broadcast::acknowledgement::ShortId;
use replicant_protocol::broadcast::{acknowledging, plumtree, rapid};
use replicant_protocol::bundle::{Body, BodyObject, BodyOp, Dependency, Format, SignedBundle};
use replicant_protocol::clock::Hlc;
use replicant_protocol::content;
use replicant_protocol::content::{
    Announcement, Manifest, ModuleLimits, ModuleName, SignedAnnouncement, SignedSwitch, Switch,
};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{
    ClusterId, Counter, Generation, Hash, LineageId, ModuleHash, ReplicaId, SnapshotRef,
};
use replicant_protocol::membership::{self, Accusation, Metadata, Record, Rumour, Said, Status};
use replicant_protocol::replication::anti_entropy::{self, TopicDigest};
use replicant_protocol::replication::{self, BundleBytes, RequestId, SyncChunk, SyncRequest};
use replicant_protocol::topics::{Publication, SignedPublication};
use replicant_protocol::version::VersionVector;
use replicant_protocol::wire::{Application, Message, Payload};

pub(crate) fn identity(number: u8) -> NodeIdentity {
    NodeIdentity::from_secret(&[number; 32])
}

pub(crate) fn bundle(objects: u32, ops: u32, dependencies: u64) -> SignedBundle {
    let topic = "shop/eu".parse().unwrap();
    let dependency = |replica| Dependency {
        replica: ReplicaId::new(replica).unwrap(),
        counter: Counter::new(u64::MAX - replica),
        hash: Hash::of(&replica.to_le_bytes()),
    };
    let object = |n: u32| BodyObject {
        type_name: "g-counter".parse().unwrap(),
        id: format!("object {n}").parse().unwrap(),
        schema: n,
    };
    let op = |n: u32| BodyOp {
        object_index: n % objects,
        bytes: vec![n as u8; n as usize],
    };
    let body = Body {
        format: Format,
        lineage: LineageId::first(&ClusterId::from_bytes([3; 32]), &topic),
        topic,
        author: identity(1).id(),
        generation: Generation::new(u64::from(objects)),
        first: Counter::new(2),
        reference: SnapshotRef::START,
        dependencies: (1..=dependencies).map(dependency).collect(),
        previous: Hash::of(b"previous"),
        hlc: Hlc::from_u64((1_800_000_000_000 << 16) | 3),
        objects: (0..objects).map(object).collect(),
        ops: (0..ops).map(op).collect(),
    };
    SignedBundle::sign(&identity(1), body).unwrap()
}

pub(crate) fn bundles() -> Vec<Vec<u8>> {
    [(1, 1, 0), (2, 5, 3), (20, 30, 0)]
        .map(|(objects, ops, dependencies)| bundle(objects, ops, dependencies))
        .map(|bundle| bundle.as_bytes().to_vec())
        .into()
}

pub(crate) fn announcement(number: u8, module: &[u8]) -> SignedAnnouncement {
    let announcement = Announcement {
        name: ModuleName {
            name: "counter".parse().unwrap(),
            version: format!("{}.0.0", number % 3).parse().unwrap(),
        },
        module: ModuleHash::of(module),
        size_bytes: module.len() as u32,
        limits: ModuleLimits {
            fuel_per_call: 1,
            memory_bytes_max: u64::MAX,
            output_bytes_max: 1 << 16,
        },
        publisher: identity(number).id(),
        hlc: Hlc::from_u64(u64::from(number)),
    };
    SignedAnnouncement::sign(announcement, &identity(number)).unwrap()
}

fn switch(number: u8) -> SignedSwitch {
    let switch = Switch {
        name: ModuleName {
            name: "counter".parse().unwrap(),
            version: format!("{}.0.0", number % 3).parse().unwrap(),
        },
        schemas: vec![0, u32::from(number) + 1],
        issuer: identity(number).id(),
        hlc: Hlc::from_u64(u64::from(number)),
    };
    SignedSwitch::sign(switch, &identity(number)).unwrap()
}

pub(crate) fn announcements() -> Vec<Vec<u8>> {
    let announcements = [1, 2].map(|number| announcement(number, b"component").as_bytes().to_vec());
    let switches = [1, 2].map(|number| switch(number).as_bytes().to_vec());
    announcements.into_iter().chain(switches).collect()
}

/// What a node says of itself; nodes of odd number subscribe to something.
pub(crate) fn said(node: u8, incarnation: u64, is_leaving: bool) -> Said {
    let topics = ["a", "a/b"].iter().take(usize::from(node % 2) * 2);
    let topics = topics.map(|topic| topic.parse().unwrap()).collect();
    Said {
        node: identity(node).id(),
        incarnation,
        is_leaving,
        generation: Generation::new(0),
        address: ([192, 0, 2, node], 7_400).into(),
        metadata: Metadata::new(topics, vec![node]).unwrap(),
    }
}

/// A rumour about a node; if it accuses, the two with the next numbers do.
pub(crate) fn rumour(node: u8, incarnation: u64, status: Status) -> Rumour {
    let said = said(node, incarnation, status == Status::Left);
    let mut accusations = Vec::new();
    if matches!(status, Status::Suspect | Status::Dead) {
        let by = |number| Accusation::sign(&identity(number), said.node, incarnation);
        accusations.extend([node + 1, node + 2].map(by));
        accusations.sort_by_key(Accusation::accuser);
    }
    Rumour {
        record: Record::sign(&identity(node), said),
        status,
        accusations,
    }
}

pub(crate) fn memberships() -> Vec<Vec<u8>> {
    use membership::Message;
    let members = || {
        vec![
            rumour(1, 0, Status::Alive),
            rumour(2, u64::MAX, Status::Suspect),
            rumour(3, 7, Status::Left),
            rumour(4, 1, Status::Dead),
        ]
    };
    let (sequence, target) = (7, identity(2).id());
    let messages = [
        Message::Ping {
            sequence,
            gossip: members(),
        },
        Message::IndirectPing {
            sequence,
            target,
            gossip: Vec::new(),
        },
        Message::Ack {
            sequence,
            gossip: members(),
        },
        Message::Sync {
            digests: Box::new([7; 64]),
        },
        Message::SyncReply {
            wanted: u64::MAX,
            members: members(),
        },
        Message::Nack { sequence },
        Message::Gossip { gossip: members() },
    ];
    messages.map(|message| message.to_bytes()).into()
}

pub(crate) fn contents() -> Vec<Vec<u8>> {
    use content::{Message, Part, Refusal};
    let bytes = vec![7; 100];
    let module = ModuleHash::of(&bytes);
    let after = Hash::ZERO;
    let to = Hash::from_bytes([0xff; 32]);
    let ids = vec![announcement(1, b"component").id()];
    let messages = [
        Message::Digest { digest: after },
        Message::Ids {
            after,
            to,
            ids: ids.clone(),
        },
        Message::Request { ids },
        Message::Announcements {
            items: announcements(),
        },
        Message::Fetch {
            module,
            part: Part::Chunk(1),
        },
        Message::Manifest {
            module,
            manifest: Manifest::of(&vec![7; 200_000]).unwrap(),
        },
        Message::Chunk {
            module,
            index: 0,
            bytes,
        },
        Message::Refused {
            module,
            part: Part::Manifest,
            refusal: Refusal::Busy,
        },
    ];
    messages.map(|message| message.to_bytes()).into()
}

pub(crate) fn messages() -> Vec<Vec<u8>> {
    let topic: replicant_protocol::ids::TopicName = "shop/eu".parse().unwrap();
    let replica = |n| ReplicaId::new(n).unwrap();
    let version: VersionVector = (1..20).map(|n| (replica(n), Counter::new(n * n))).collect();
    let bundle = bundle(2, 3, 1);
    let request = SyncRequest {
        topic: topic.clone(),
        request: RequestId(1),
        version: version.clone(),
        bundle_bytes_max: 1 << 20,
        bundle_count_max: 1_024,
    };
    let chunk = SyncChunk {
        topic: topic.clone(),
        request: RequestId(u64::MAX),
        bundles: vec![BundleBytes::from(&bundle); 2],
        more: true,
        version: version.clone(),
    };
    let digest = TopicDigest {
        topic: topic.clone(),
        version: version.hash(),
        ops_count: 300,
    };
    let digests = anti_entropy::Message::Digests {
        topics: vec![digest],
    };
    let payloads = [
        Payload::Bundle(bundle.as_bytes()).to_bytes(),
        Payload::Announcement(&announcements()[0]).to_bytes(),
        Payload::Fact(&crate::facts::facts()[0]).to_bytes(),
        Payload::Publication(&publications()[0]).to_bytes(),
    ];
    let broadcasts = payloads.map(|payload| plumtree::Message::Gossip {
        hops: 1,
        spread: 3,
        payload: payload.into(),
    });
    let names = (0..3).map(|number| ShortId::from_bytes([number; 8]));
    let acknowledgement = acknowledging::Message {
        id: Hash::of(b"publication"),
        names: names.collect(),
    };
    let payload = Payload::Fact(&crate::facts::facts()[0]).to_bytes().into();
    let (hops, way) = (2, None);
    let push = rapid::Message::Push { hops, way, payload };
    let announce = rapid::Message::Announce {
        hops,
        way,
        id: Hash::of(&[7; 70_000]),
        contents: rapid::Contents::of(&[7; 70_000]).unwrap(),
    };
    let of_topics: [Message; 7] = [
        Message::Rapid(None, push),
        Message::Rapid(Some(topic.clone()), announce),
        Application::HandIn(publications().remove(1)).into(),
        Application::Acknowledge(acknowledgement).into(),
        replication::Message::SyncRequest(request).into(),
        replication::Message::SyncChunk(chunk).into(),
        digests.into(),
    ];
    let layer = |number: u8, messages: Vec<Vec<u8>>| {
        let with_layer = move |message: Vec<u8>| [&[number], &message[..]].concat();
        messages.into_iter().map(with_layer)
    };
    let broadcasts = broadcasts
        .into_iter()
        .map(|of| Message::from(of).to_bytes());
    let of_topics = of_topics.into_iter().map(|of| of.to_bytes());
    broadcasts
        .chain(of_topics)
        .chain(layer(1, memberships()))
        .chain(layer(3, contents()))
        .chain(layer(9, crate::facts::conversation()))
        .chain(layer(11, crate::overlay::views()))
        .chain(
            crate::circles::messages()
                .into_iter()
                .map(|message| [&[12, 0, 4][..], b"shop", &message].concat()),
        )
        .collect()
}

pub(crate) fn publications() -> Vec<Vec<u8>> {
    let publication = |length: usize| Publication {
        topic: "shop/eu/carts".parse().unwrap(),
        author: identity(4).id(),
        start: u64::MAX,
        number: length as u64,
        acknowledge: (length > 0).then(|| Duration::from_millis(length as u64)),
        payload: vec![7; length],
    };
    [0, 1, 300]
        .map(|length| SignedPublication::sign(publication(length), &identity(4)).unwrap())
        .map(|signed| signed.as_bytes().to_vec())
        .into()
}
