//! What nodes say to each other to repair a topic.

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::bundle::SignedBundle;
use crate::bundle::limits::SIGNED_BYTES_MAX;
use crate::ids::{Dot, TopicName};
use crate::version::VersionVector;

/// How many bundles one chunk may carry.
pub const CHUNK_COUNT_MAX: usize = 1_024;
/// How many bytes of bundles may be asked for at once. A chunk may be longer by one bundle, since
/// it always carries one.
pub const CHUNK_BYTES_MAX: usize = 2 << 20;

/// Names one request of one node, so that a late answer is not taken for another one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct RequestId(#[n(0)] pub u64);

/// What nodes say to each other to repair one topic.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// Asks for what a version lacks.
    #[n(0)]
    SyncRequest(#[n(0)] SyncRequest),
    /// Answers with some of it.
    #[n(1)]
    SyncChunk(#[n(0)] SyncChunk),
}

/// Bytes are not a replication message. The sending peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a replication message: {reason}")]
pub struct MessageError {
    /// What is wrong.
    pub reason: String,
}

impl Message {
    /// Encodes the message; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(self)
    }

    /// Decodes a message. Total over any bytes; holds a small multiple of their length. Bundles in
    /// it are not looked at.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        bounded::from_bytes(bytes).map_err(|error| MessageError {
            reason: error.to_string(),
        })
    }

    /// The topic that it is about.
    pub fn topic(&self) -> &TopicName {
        match self {
            Self::SyncRequest(request) => &request.topic,
            Self::SyncChunk(chunk) => &chunk.topic,
        }
    }
}

/// Asks a peer for bundles that `version` does not include.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SyncRequest {
    /// The topic.
    #[n(0)]
    pub topic: TopicName,
    /// Comes back with the answer.
    #[n(1)]
    pub request: RequestId,
    /// What the asking node has delivered and stored.
    #[n(2)]
    pub version: VersionVector,
    /// How many bytes of bundles to send at most, unless the first is larger.
    #[n(3)]
    pub bundle_bytes_max: u32,
    /// How many bundles to send at most.
    #[n(4)]
    pub bundle_count_max: u32,
}

/// Answers a [`SyncRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SyncChunk {
    /// The topic.
    #[n(0)]
    pub topic: TopicName,
    /// The request that this answers.
    #[n(1)]
    pub request: RequestId,
    /// Bundles that the asking node lacks, in the order in which the answering node delivered
    /// them.
    #[n(2)]
    #[cbor(decode_with = "bounded::vec::<_, _, { CHUNK_COUNT_MAX }>")]
    pub bundles: Vec<BundleBytes>,
    /// Whether there is more than this.
    #[n(3)]
    pub more: bool,
    /// What the answering node has delivered and stored.
    #[n(4)]
    pub version: VersionVector,
}

/// The bytes of a signed bundle, not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct BundleBytes(
    #[n(0)]
    #[cbor(
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded::bytes::<_, { SIGNED_BYTES_MAX }>"
    )]
    pub Vec<u8>,
);

impl From<&SignedBundle> for BundleBytes {
    fn from(bundle: &SignedBundle) -> Self {
        Self(bundle.as_bytes().to_vec())
    }
}

/// Collects the answer to a [`SyncRequest`] while the driver reads its log.
///
/// Offer bundles in delivery order. It is enough to begin at the first one that the asking node
/// lacks: for every replica of which this node has more than `from` says, look up the first bundle
/// behind that counter, and begin at the earliest of them.
#[derive(Debug)]
pub struct ChunkBuilder {
    /// What the asking node has once it has stored the chunk.
    from: VersionVector,
    bytes_left: usize,
    count_left: usize,
    served: Served,
}

impl ChunkBuilder {
    /// Makes an empty chunk for a node that has delivered `from`.
    pub fn new(from: VersionVector, bytes_max: usize, count_max: usize) -> Self {
        let bytes_left = bytes_max.min(CHUNK_BYTES_MAX);
        let count_left = count_max.clamp(1, CHUNK_COUNT_MAX);
        Self {
            from,
            bytes_left,
            count_left,
            served: Served::default(),
        }
    }

    /// Whether the asking node lacks the bundle that ends at `end`.
    pub fn wants(&self, end: Dot) -> bool {
        !self.from.contains(end)
    }

    /// Takes a bundle if it is wanted and fits. False if the chunk is full: stop reading.
    pub fn offer(&mut self, end: Dot, bytes: Vec<u8>) -> bool {
        if !self.wants(end) {
            return true;
        }
        let served = &mut self.served;
        let fits = bytes.len() <= self.bytes_left || served.bundles.is_empty();
        if self.count_left == 0 || !fits {
            served.more = true;
            return false;
        }
        self.count_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len());
        let lacked = end.counter.get() - self.from.get(end.replica).get();
        served.ops_count = served.ops_count.saturating_add(lacked);
        self.from.advance(end.replica, end.counter);
        served.bundles.push(BundleBytes(bytes));
        true
    }

    /// Ends the chunk: what to pass to [`State::handle_served`](super::State::handle_served).
    pub fn finish(self) -> Served {
        self.served
    }
}

/// What the driver read from its log for a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// The bundles, in delivery order.
    pub bundles: Vec<BundleBytes>,
    /// Whether the log has more that the peer lacks.
    pub more: bool,
    /// How many ops in the bundles the peer lacks.
    pub ops_count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Counter, ReplicaId};

    fn dot(counter: u64) -> Dot {
        Dot {
            replica: ReplicaId::new(1).unwrap(),
            counter: Counter::new(counter),
        }
    }

    fn from(counter: u64) -> VersionVector {
        [(dot(1).replica, Counter::new(counter))]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_chunk_skips_what_the_peer_has_and_stops_at_the_bound() {
        let mut chunk = ChunkBuilder::new(from(1), 10, 10);
        assert!(chunk.offer(dot(1), vec![0; 100]));
        assert!(chunk.offer(dot(2), vec![0; 6]));
        assert!(!chunk.offer(dot(3), vec![0; 5]));
        let served = chunk.finish();
        assert_eq!((served.bundles.len(), served.more), (1, true));
        assert_eq!(served.ops_count, 1);
    }

    #[test]
    fn a_chunk_always_carries_one_bundle() {
        let mut chunk = ChunkBuilder::new(from(0), 0, 0);
        assert!(chunk.offer(dot(1), vec![0; 100]));
        assert!(!chunk.offer(dot(2), vec![0; 1]));
        assert_eq!(chunk.finish().bundles.len(), 1);
    }

    #[test]
    fn nothing_left_means_no_more() {
        let mut chunk = ChunkBuilder::new(from(0), 1 << 30, 1 << 30);
        for counter in 1..=CHUNK_COUNT_MAX as u64 {
            assert!(chunk.offer(dot(counter), vec![1]));
        }
        assert!(!chunk.served.more);
        assert!(!chunk.offer(dot(u64::MAX), vec![1]));
    }
}
