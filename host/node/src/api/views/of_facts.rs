//! Facts as the API shows them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::FactView;
use crate::data::{check_cbor, write_json};
use crate::facts::{SignedFact, Statement};

impl From<&SignedFact> for FactView {
    fn from(signed: &SignedFact) -> Self {
        let fact = signed.fact();
        Self {
            id: signed.id().to_string(),
            kind: fact.kind.to_string(),
            body: body(signed),
            issuer: fact.issuer.to_string(),
            issued_at_ms: fact.issued_at_ms,
            expires_at_ms: fact.expires_at_ms(),
            already: false,
        }
    }
}

fn body(signed: &SignedFact) -> Value {
    match signed.statement() {
        Statement::NodeRevocation { node, reason } => {
            json!({ "node": node.to_string(), "reason": reason })
        }
        Statement::PublisherRevocation { publisher, reason } => {
            json!({ "publisher": publisher.to_string(), "reason": reason })
        }
        Statement::Equivocation(found) => json!({
            "author": found.place.author.to_string(),
            "topic": found.place.topic.to_string(),
            "generation": found.place.generation.get(),
            "first": found.place.first.get(),
        }),
        Statement::Declared => declared(&signed.fact().body),
    }
}

/// CBOR as JSON; what is no CBOR as the bytes that it is.
fn declared(body: &[u8]) -> Value {
    let as_json = || {
        check_cbor(body).ok()?;
        let mut text = Vec::new();
        write_json(body, &mut text).ok()?;
        serde_json::from_slice(&text).ok()
    };
    as_json().unwrap_or_else(|| json!({ "$bytes": STANDARD.encode(body) }))
}
