//! What goes wrong in storage.

use std::path::Path;

use super::Sequence;
use crate::vocabulary::NodeError;

/// Why storage did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The disk is full, not writable, or fails. The environment's fault. Storage tries again by
    /// itself after a while; until then writes are refused, and reads too if the file cannot be
    /// opened again.
    #[error("{reason}")]
    Failed {
        /// What the system or the database said.
        reason: String,
    },
    /// One record does not match its checksum, or cannot be decoded although it does (which is a
    /// bug). Other records are not affected; nothing was changed.
    #[error("record {key} of table {table} is corrupt: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The record's key, as text.
        key: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// The database cannot make sense of its own file: something else wrote to it, or the disk
    /// returns what was not written. Other parts of it may be readable; nothing was changed.
    #[error(
        "the database file is damaged: {reason}; restore a backup of the data folder, or move the \
         file away to begin anew with what peers have"
    )]
    Damaged {
        /// What the database said.
        reason: String,
    },
    /// The file was written by a release with another format. Nothing was changed.
    #[error(
        "the database has format {found}, this release reads format {expected}: use the release \
         that wrote it"
    )]
    Format {
        /// The format of the file.
        found: u32,
        /// The format of this release.
        expected: u32,
    },
    /// The writer has ended: the node is shutting down. Nothing was changed.
    #[error("storage is closed")]
    Closed,
}

impl StorageError {
    /// The place in its topic's log of the bundle that is corrupt, if that is what happened.
    pub(crate) fn corrupt_bundle(&self) -> Option<Sequence> {
        match self {
            Self::Corrupt { table, key, .. } if *table == "bundles" => {
                let (_, sequence) = key.split_once('/')?;
                sequence.parse().ok().map(Sequence)
            }
            _ => None,
        }
    }

    /// The same, with the file's name in front of the reason where that is the file's.
    pub(super) fn in_file(self, file: &Path) -> Self {
        let named = |reason: String| match file.to_str() {
            Some(name) if reason.starts_with(name) => reason,
            _ => format!("{}: {reason}", file.display()),
        };
        match self {
            Self::Failed { reason } => Self::Failed {
                reason: named(reason),
            },
            Self::Damaged { reason } => Self::Damaged {
                reason: named(reason),
            },
            other => other,
        }
    }
}

impl From<StorageError> for NodeError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Closed => Self::ShuttingDown,
            error => Self::StorageFailed {
                reason: error.to_string(),
            },
        }
    }
}

/// Turns any of redb's errors into ours: all of them are the environment's.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StorageError {
            fn from(error: redb::$error) -> Self {
                of_redb(error.into())
            }
        })*
    };
}

fn of_redb(error: redb::Error) -> StorageError {
    match error {
        redb::Error::Corrupted(reason) => StorageError::Damaged { reason },
        // Not a database at all.
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            StorageError::Damaged {
                reason: error.to_string(),
            }
        }
        // An earlier call panicked in the middle of something.
        redb::Error::LockPoisoned(_) => StorageError::Damaged {
            reason: error.to_string(),
        },
        error => StorageError::Failed {
            reason: error.to_string(),
        },
    }
}

from_redb!(
    CommitError,
    DatabaseError,
    StorageError,
    TableError,
    TransactionError
);
