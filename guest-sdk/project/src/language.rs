//! The languages that a project can be written in.

use crate::embedded::{self, File};

/// A language that a project can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust, with a trait and a macro.
    Rust,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Rust];

    /// The name of the language as an option says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
        }
    }

    /// The file by which a folder is recognised.
    pub fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
        }
    }

    /// What a new project consists of.
    pub(crate) fn template(self) -> &'static [File] {
        match self {
            Self::Rust => embedded::RUST,
        }
    }

    /// The SDK that goes into the folder `sdk` of a project.
    pub(crate) fn sdk(self) -> &'static [File] {
        match self {
            Self::Rust => embedded::RUST_SDK,
        }
    }
}
