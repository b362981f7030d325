//! The node's generation: which of its histories it writes, and how that is stored.

use std::time::{SystemTime, UNIX_EPOCH};

use replicant_protocol::ids::Generation;

use super::{General, Result, Storage, StorageError};

/// Under which name it is stored.
const KEY: &str = "generation";

/// A generation that no other database of the node has: seconds since 1970, so that later ones are
/// larger, and a random number behind them, since a clock may stand still or go back.
pub(super) fn new() -> Result<Generation> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| StorageError::Failed {
        reason: format!("the system gives no random numbers: {error}"),
    })?;
    let random = u64::from(u32::from_be_bytes(random));
    Ok(Generation::new(seconds << 32 | random))
}

/// What is written for a generation to be stored.
pub(crate) fn record(generation: Generation) -> General {
    General::Meta(KEY, generation.get().to_be_bytes().to_vec())
}

/// The stored generation.
pub(crate) fn read(storage: &dyn Storage) -> Result<Generation> {
    let Some(bytes) = storage.meta(KEY)? else {
        return Ok(Generation::new(0));
    };
    // Early releases stored four bytes.
    let short = <[u8; 4]>::try_from(bytes.as_slice()).map(|b| u64::from(u32::from_be_bytes(b)));
    let number = short.or_else(|_| bytes.as_slice().try_into().map(u64::from_be_bytes));
    let number = number.map_err(|_| StorageError::Corrupt {
        table: "meta",
        key: KEY.to_owned(),
        reason: "it is not a number",
    })?;
    Ok(Generation::new(number))
}

/// A generation that is later than one, which some database of the node had.
pub(crate) fn after(earlier: Generation) -> Result<Generation> {
    Ok(new()?.max(Generation::new(earlier.get().saturating_add(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Job, RedbStorage};

    /// Within one second a lost database could not be told from its successor, and the node's dots
    /// were used again.
    #[test]
    fn databases_made_in_the_same_moment_have_generations_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let generations: std::collections::BTreeSet<Generation> = (0..4)
            .map(|n| {
                let file = folder.path().join(n.to_string());
                read(&RedbStorage::open(&file, 1 << 20).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(generations.len(), 4);
    }

    #[test]
    fn a_generation_is_read_as_early_releases_and_this_one_store_it() {
        let folder = tempfile::tempdir().unwrap();
        let storage = RedbStorage::open(&folder.path().join("a"), 1 << 20).unwrap();
        let large = Generation::new(7 << 40);
        storage.commit(&[Job::general(record(large))]).unwrap();
        assert_eq!(read(&storage).unwrap(), large);
        let early = General::Meta(KEY, vec![0, 0, 1, 2]);
        storage.commit(&[Job::general(early)]).unwrap();
        assert_eq!(read(&storage).unwrap(), Generation::new(258));
        let broken = General::Meta(KEY, vec![1; 5]);
        storage.commit(&[Job::general(broken)]).unwrap();
        assert!(read(&storage).is_err());
    }
}
