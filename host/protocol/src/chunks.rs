//! Large bodies in chunks, each of which can be checked by itself: the list of their hashes leads
//! to the BLAKE3 hash of the whole.

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::ids::Hash;

/// The size of a chunk, but for the last one: 64 BLAKE3 chunks, a whole subtree. Part of the
/// protocol.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// How large a body is and what the hashes of its chunks are. A body of one chunk has an empty
/// list: its hash is all there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkList {
    size_bytes: u32,
    hashes: Vec<Hash>,
}

impl ChunkList {
    /// Makes the list of a body; about 0.2 ms for each MB. `None` if it is empty or larger than
    /// `bytes_max`.
    pub(crate) fn of(body: &[u8], bytes_max: usize) -> Option<Self> {
        if body.is_empty() || body.len() > bytes_max {
            return None;
        }
        let size_bytes = u32::try_from(body.len()).ok()?;
        let mut hashes = Vec::new();
        if body.len() > CHUNK_BYTES {
            let numbered = (0u32..).zip(body.chunks(CHUNK_BYTES));
            hashes.extend(numbered.map(|(index, chunk)| chunk_hash(index, chunk)));
        }
        Some(Self { size_bytes, hashes })
    }

    /// Takes a peer's word, if its form is right: see [`proves`](Self::proves) for the rest.
    pub(crate) fn from_parts(size_bytes: u32, hashes: Vec<Hash>, bytes_max: usize) -> Option<Self> {
        let count = size_bytes.div_ceil(CHUNK_BYTES as u32) as usize;
        let expected = if count == 1 { 0 } else { count };
        let is_sized = size_bytes > 0 && size_bytes as usize <= bytes_max;
        (is_sized && hashes.len() == expected).then_some(Self { size_bytes, hashes })
    }

    /// The body's size in bytes.
    pub(crate) fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// The hashes of the chunks, none if there is only one chunk.
    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// How many chunks there are.
    pub(crate) fn count(&self) -> u32 {
        self.size_bytes.div_ceil(CHUNK_BYTES as u32)
    }

    /// Whether these are the chunk hashes of the body with this hash. Says nothing of the size of
    /// the last chunk: that shows when it comes. Nothing is proven for a single chunk.
    pub(crate) fn proves(&self, body: &[u8; 32]) -> bool {
        match split(&self.hashes) {
            None => true,
            Some((left, right)) => {
                let root = merge_subtrees_root(&merged(left), &merged(right), Mode::Hash);
                root.as_bytes() == body
            }
        }
    }

    /// Whether `bytes` are the chunk `index` of the body with this hash.
    pub(crate) fn proves_chunk(&self, body: &[u8; 32], index: u32, bytes: &[u8]) -> bool {
        if bytes.is_empty() || bytes.len() > CHUNK_BYTES {
            return false;
        }
        if self.hashes.is_empty() {
            return index == 0 && Hash::of(bytes).as_bytes() == body;
        }
        let expected = self.hashes.get(index as usize);
        let is_last = index as usize + 1 == self.hashes.len();
        (is_last || bytes.len() == CHUNK_BYTES) && expected == Some(&chunk_hash(index, bytes))
    }
}

/// The hash of a chunk as an inner node of the hash tree.
fn chunk_hash(index: u32, chunk: &[u8]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(u64::from(index) * CHUNK_BYTES as u64);
    hasher.update(chunk);
    Hash::from_bytes(hasher.finalize_non_root())
}

/// The hash over a run of chunks.
fn merged(chunks: &[Hash]) -> ChainingValue {
    match split(chunks) {
        None => chunks.first().map_or([0; 32], |hash| *hash.as_bytes()),
        Some((left, right)) => merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash),
    }
}

/// Divides as BLAKE3 does: the left part is the largest power of two that leaves something.
fn split(chunks: &[Hash]) -> Option<(&[Hash], &[Hash])> {
    let count = chunks.len();
    (count > 1).then(|| chunks.split_at(count.next_power_of_two() / 2))
}
