//! What is decoded has these bytes and no others, and is within its limits.

use replicant_protocol::broadcast::{plumtree, rapid};
use replicant_protocol::bundle::{SignedBundle, limits};
use replicant_protocol::content::Statement;
use replicant_protocol::facts::SignedFact;
use replicant_protocol::topics::SignedPublication;
use replicant_protocol::wire::{Message, Payload};

pub(crate) fn bundle(bytes: &[u8]) {
    let Ok(bundle) = SignedBundle::decode(bytes) else {
        return;
    };
    assert_eq!(bundle.as_bytes(), bytes);
    let body = bundle.body();
    assert_eq!(body.ops().count(), body.ops.len());
    assert!(bundle.first() <= bundle.last());
    assert!(bundle.memory_bytes() <= limits::MEMORY_BYTES_MAX);
    // Whether it holds or not: it is decided.
    let _ = bundle.verify();
}

pub(crate) fn message(bytes: &[u8]) {
    let Ok(message) = Message::from_bytes(bytes) else {
        return;
    };
    assert_eq!(message.to_bytes(), bytes);
    if let Message::Broadcast(plumtree::Message::Gossip { payload, .. })
    | Message::Rapid(None, rapid::Message::Push { payload, .. }) = message
    {
        match Payload::from_bytes(&payload) {
            Ok(Payload::Bundle(bytes)) => bundle(bytes),
            Ok(Payload::Announcement(bytes)) => announcement(bytes),
            Ok(Payload::Fact(bytes)) => fact(bytes),
            Ok(Payload::Publication(bytes)) => publication(bytes),
            Ok(Payload::Call(bytes)) => crate::circles::call_decoding(bytes),
            Err(_) => {}
        }
    }
}

pub(crate) fn announcement(bytes: &[u8]) {
    if let Ok(statement) = Statement::from_bytes(bytes) {
        assert_eq!(&statement.as_bytes()[..], bytes);
    }
}

pub(crate) fn publication(bytes: &[u8]) {
    if let Ok(publication) = SignedPublication::from_bytes(bytes) {
        assert_eq!(&publication.as_bytes()[..], bytes);
    }
}

pub(crate) fn fact(bytes: &[u8]) {
    if let Ok(fact) = SignedFact::decode(bytes) {
        assert_eq!(&fact.as_bytes()[..], bytes);
        // Whether it holds or not: it is decided.
        let _ = fact.verify();
    }
}
