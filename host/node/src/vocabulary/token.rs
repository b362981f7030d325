//! A version as opaque text.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use replicant_protocol::ids::{Counter, ReplicaId};
use replicant_protocol::version::{REPLICAS_MAX, VersionVector};

use super::NodeError;

/// Says what a node had delivered in a topic. A client hands it to a read (`after`) to see at
/// least that, on any node. The text form is URL-safe and means nothing to a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionToken(VersionVector);

const ENTRY_BYTES: usize = 16;

impl VersionToken {
    /// The version that this token stands for.
    pub(crate) fn version(&self) -> &VersionVector {
        &self.0
    }
}

impl From<&VersionVector> for VersionToken {
    fn from(version: &VersionVector) -> Self {
        Self(version.clone())
    }
}

impl fmt::Display for VersionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(self.0.replicas_count() * ENTRY_BYTES);
        for (replica, counter) in self.0.iter() {
            bytes.extend_from_slice(&replica.get().to_be_bytes());
            bytes.extend_from_slice(&counter.get().to_be_bytes());
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for VersionToken {
    type Err = NodeError;

    fn from_str(text: &str) -> Result<Self, NodeError> {
        let bad = |reason| NodeError::BadToken { reason };
        if text.len() > REPLICAS_MAX * ENTRY_BYTES * 4 / 3 + 4 {
            return Err(bad("it is too long"));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| bad("it is not URL-safe base64"))?;
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(bad("its length is wrong"));
        }
        let mut version = VersionVector::new();
        let mut last = 0;
        for entry in entries {
            let (number, counter) = (number(&entry[..8]), number(&entry[8..]));
            let replica = ReplicaId::new(number).map_err(|_| bad("it names replica 0"))?;
            if counter == 0 || number <= last {
                return Err(bad("its entries are out of order"));
            }
            version.advance(replica, Counter::new(counter));
            last = number;
        }
        Ok(Self(version))
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(entries: &[(u64, u64)]) -> VersionToken {
        let entries = entries.iter();
        let entries = entries.map(|(r, c)| (ReplicaId::new(*r).unwrap(), Counter::new(*c)));
        VersionToken(entries.collect())
    }

    #[test]
    fn a_token_is_read_back_from_its_text() {
        for counters in [vec![], vec![(1, 2)], vec![(1, u64::MAX), (u64::MAX, 1)]] {
            let token = token(&counters);
            assert_eq!(token.to_string().parse::<VersionToken>().unwrap(), token);
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let descending = token(&[(1, 2)]).to_string().repeat(2);
        for text in ["!", "AAAA", &URL_SAFE_NO_PAD.encode([0; 16]), &descending] {
            assert!(text.parse::<VersionToken>().is_err(), "{text}");
        }
        assert!("A".repeat(2_000_000).parse::<VersionToken>().is_err());
    }
}
