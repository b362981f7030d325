//! What can go wrong while a project is made or built.

use std::io;
use std::path::{Path, PathBuf};

use crate::Language;
use crate::name::NAME_BYTES_MAX;

/// Why there is no new project. Nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The caller: no type can have this name.
    #[error(
        "\"{name}\" cannot be the name of a type: {reason}. The folder is named as the type: 1 to \
         {NAME_BYTES_MAX} lower-case letters, digits and '-', a letter first, as in score-board"
    )]
    Name {
        /// The name, escaped.
        name: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The caller: the folder would lie in one that is not there.
    #[error(
        "there is no folder {0} to make {name} in: the last part of a path is the name of the \
         folder and of the type, and what stands before it has to be there. Make it first \
         (mkdir -p), or name the folder alone: replicant new {name}",
        parent.display()
    )]
    NoParent {
        /// The folder that is not there.
        parent: PathBuf,
        /// The name of the type.
        name: String,
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
    #[error("cannot make {}: {reason}", path.display())]
    File {
        /// The folder.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
}

/// Why there is no component. Nothing outside of the project's folder was changed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The caller: the folder is not there, or is none.
    #[error(
        "there is no folder {}: give that of a project, or make one with `replicant new NAME`",
        folder.display()
    )]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
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
    /// A crate could not be built, or a module could not be made a component.
    #[error(transparent)]
    Guest(#[from] replicant_guest_build::BuildError),
    /// The environment: something that belongs to the machine is not there.
    #[error("{what} is missing. To get it:\n  {}", get.join("\n  "))]
    Missing {
        /// What.
        what: String,
        /// Ways to get it, one a line.
        get: Vec<String>,
    },
    /// The author, as a rule: a tool ended with an error, and says why.
    #[error("{name} failed: {output}")]
    Tool {
        /// The tool.
        name: String,
        /// What it said, at the end.
        output: String,
    },
    /// The author: a manifest is not what it should be.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The author: the interface in the project was changed, or lacks files.
    #[error(
        "no C code could be made from {}: {reason}; it must be the interface as it came with the \
         project",
        wit.display()
    )]
    Bindings {
        /// The folder of the interface.
        wit: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The environment: a file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
}

/// Names the file in an error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> BuildError + use<> {
    let path = path.to_path_buf();
    move |reason| BuildError::File { path, reason }
}

fn markers() -> String {
    Language::ALL.map(Language::marker).join(", ")
}
