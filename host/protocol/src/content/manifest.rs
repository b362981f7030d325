//! The hashes of a module's chunks, and how they make up the module's hash.

use crate::chunks::ChunkList;
use crate::ids::{Hash, ModuleHash};

use super::{CHUNK_BYTES, MODULE_BYTES_MAX};

/// How many chunks the largest module has.
pub(super) const CHUNKS_MAX: usize = MODULE_BYTES_MAX as usize / CHUNK_BYTES;

/// How large a module is and what the hashes of its chunks are. A module of one chunk has an empty
/// list: its hash is all there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest(ChunkList);

impl Manifest {
    /// Makes the manifest of a module; about 0.2 ms for each MB. `None` if it is empty or larger
    /// than [`MODULE_BYTES_MAX`].
    pub fn of(module: &[u8]) -> Option<Self> {
        ChunkList::of(module, MODULE_BYTES_MAX as usize).map(Self)
    }

    /// Takes a peer's word, if its form is right: see [`Manifest::proves`] for the rest.
    pub(super) fn from_parts(size_bytes: u32, chunks: Vec<Hash>) -> Option<Self> {
        ChunkList::from_parts(size_bytes, chunks, MODULE_BYTES_MAX as usize).map(Self)
    }

    /// The module's size in bytes.
    pub fn size_bytes(&self) -> u32 {
        self.0.size_bytes()
    }

    /// The hashes of the chunks, none if there is only one chunk.
    pub(super) fn chunks(&self) -> &[Hash] {
        self.0.hashes()
    }

    /// Whether these are the chunk hashes of the module with this hash. Says nothing of the size
    /// of the last chunk: that shows when it comes. Nothing is proven for a single chunk.
    pub(super) fn proves(&self, module: &ModuleHash) -> bool {
        self.0.proves(module.as_bytes())
    }

    /// Whether `bytes` are the chunk `index` of `module`.
    pub(super) fn proves_chunk(&self, module: &ModuleHash, index: u32, bytes: &[u8]) -> bool {
        self.0.proves_chunk(module.as_bytes(), index, bytes)
    }
}

/// How many chunks a module of this size has.
pub(super) fn chunk_count(size_bytes: u32) -> u32 {
    size_bytes.div_ceil(CHUNK_BYTES as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn a_manifest_proves_its_module_at_every_count_of_chunks() {
        for length in [
            1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            2 * CHUNK_BYTES,
            3 * CHUNK_BYTES - 5,
            4 * CHUNK_BYTES,
            5 * CHUNK_BYTES + 1_000,
            7 * CHUNK_BYTES,
        ] {
            let module = module(length);
            let hash = ModuleHash::of(&module);
            let manifest = Manifest::of(&module).unwrap();
            assert!(manifest.proves(&hash), "{length}");
            for (index, chunk) in module.chunks(CHUNK_BYTES).enumerate() {
                assert!(
                    manifest.proves_chunk(&hash, index as u32, chunk),
                    "{length}"
                );
            }
        }
    }

    #[test]
    fn a_changed_chunk_list_or_chunk_proves_nothing() {
        let module = module(3 * CHUNK_BYTES);
        let hash = ModuleHash::of(&module);
        let manifest = Manifest::of(&module).unwrap();
        let mut hashes = manifest.chunks().to_vec();
        hashes.swap(0, 1);
        let swapped = Manifest::from_parts(manifest.size_bytes(), hashes).unwrap();
        assert!(!swapped.proves(&hash));
        let mut changed = module[..CHUNK_BYTES].to_vec();
        changed[17] ^= 1;
        assert!(!manifest.proves_chunk(&hash, 0, &changed));
        assert!(!manifest.proves_chunk(&hash, 1, &module[..CHUNK_BYTES]));
        assert!(!manifest.proves_chunk(&hash, 0, &[]));
        assert!(!manifest.proves_chunk(&hash, 9, &module[..CHUNK_BYTES]));
    }

    #[test]
    fn the_largest_module_has_a_manifest_and_a_larger_one_has_none() {
        let mut module = vec![0; MODULE_BYTES_MAX as usize];
        let manifest = Manifest::of(&module).unwrap();
        assert_eq!(manifest.chunks().len(), CHUNKS_MAX);
        assert!(manifest.proves(&ModuleHash::of(&module)));
        module.push(0);
        assert_eq!(Manifest::of(&module), None);
        assert_eq!(Manifest::of(&[]), None);
    }

    #[test]
    fn a_manifest_whose_count_does_not_fit_its_size_has_no_form() {
        let hashes = |count| vec![Hash::ZERO; count];
        assert!(Manifest::from_parts(1, hashes(0)).is_some());
        assert!(Manifest::from_parts(1, hashes(1)).is_none());
        assert!(Manifest::from_parts(CHUNK_BYTES as u32 + 1, hashes(2)).is_some());
        assert!(Manifest::from_parts(CHUNK_BYTES as u32 + 1, hashes(1)).is_none());
        assert!(Manifest::from_parts(0, hashes(0)).is_none());
        assert!(Manifest::from_parts(u32::MAX, hashes(CHUNKS_MAX)).is_none());
    }
}
