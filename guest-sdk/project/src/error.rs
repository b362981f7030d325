//! What can go wrong while a project is made or built.

use std::io;
use std::path::PathBuf;

use crate::Language;

/// Why there is no new project. Nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The caller: no type can have this name.
    #[error("\"{name}\" cannot be the name of a type: {reason}")]
    Name {
        /// The name, escaped.
        name: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The caller: something is there.
    #[error("{} exists already; it was left as it is", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// The caller: the path is not that of an SDK.
    #[error("{} is no SDK to use: {reason}", path.display())]
    NoSdk {
        /// The path.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The environment: the folder cannot be written.
    #[error("cannot make {}: {source}", path.display())]
    File {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// Why there is no component. Nothing outside of the project's folder was changed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The caller: there is nothing to build.
    #[error(
        "{} holds no project: none of {} is there (`replicant new NAME` makes a project)",
        folder.display(),
        markers()
    )]
    NoProject {
        /// The folder.
        folder: PathBuf,
    },
    /// The caller: it cannot be told which language is meant.
    #[error("{} could be several projects: it has {}", folder.display(), markers.join(", "))]
    SeveralLanguages {
        /// The folder.
        folder: PathBuf,
        /// The files.
        markers: Vec<&'static str>,
    },
    /// A crate could not be built.
    #[error(transparent)]
    Rust(#[from] replicant_guest_build::BuildError),
}

fn markers() -> String {
    Language::ALL.map(Language::marker).join(", ")
}
