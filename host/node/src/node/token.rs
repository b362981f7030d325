//! A version as opaque text.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::NodeError;

/// Says what a node had delivered in a topic. A client hands it to a read (`after`) to see at
/// least that, on any node. The text form is URL-safe and means nothing to a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionToken {
    /// Replica → highest counter delivered; no zeros.
    counters: BTreeMap<u64, u64>,
}

/// A token names at most this many replicas: more than a topic's writers in a large cluster, and
/// small enough to be compared without a thought.
const REPLICAS_MAX: usize = 65_536;

const ENTRY_BYTES: usize = 16;

impl VersionToken {
    pub(crate) fn from_counters(counters: impl IntoIterator<Item = (u64, u64)>) -> Self {
        Self {
            counters: counters
                .into_iter()
                .filter(|(_, counter)| *counter > 0)
                .collect(),
        }
    }

    /// Replica and highest counter, by replica.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counters
            .iter()
            .map(|(replica, counter)| (*replica, *counter))
    }
}

impl fmt::Display for VersionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(self.counters.len() * ENTRY_BYTES);
        for (replica, counter) in &self.counters {
            bytes.extend_from_slice(&replica.to_be_bytes());
            bytes.extend_from_slice(&counter.to_be_bytes());
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
        let mut counters = BTreeMap::new();
        for entry in entries {
            let (replica, counter) = (number(&entry[..8]), number(&entry[8..]));
            let ascends = counters
                .last_key_value()
                .is_none_or(|(last, _)| *last < replica);
            if replica == 0 || counter == 0 || !ascends {
                return Err(bad("its entries are out of order"));
            }
            counters.insert(replica, counter);
        }
        Ok(Self { counters })
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

    #[test]
    fn a_token_is_read_back_from_its_text() {
        for counters in [vec![], vec![(1, 2)], vec![(1, u64::MAX), (u64::MAX, 1)]] {
            let token = VersionToken::from_counters(counters);
            assert_eq!(token.to_string().parse::<VersionToken>().unwrap(), token);
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let descending = VersionToken::from_counters([(1, 2)]).to_string().repeat(2);
        for text in ["!", "AAAA", &URL_SAFE_NO_PAD.encode([0; 16]), &descending] {
            assert!(text.parse::<VersionToken>().is_err(), "{text}");
        }
        assert!("A".repeat(2_000_000).parse::<VersionToken>().is_err());
    }
}
