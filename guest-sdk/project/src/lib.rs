//! Projects of types: a folder with the source of one CRDT type, in one of several languages.
//!
//! [`create`] makes the folder of a new one, which already is a small type that converges.
//! [`Project::find`] recognises the language of a folder, and [`Project::build`] makes its
//! component with the tools of that language. What a language's own package manager can get
//! (crates, npm packages, a virtual environment) is got into the project's folder; what belongs
//! to the machine is only asked for.

mod build;
mod embedded;
mod error;
mod language;
mod name;
mod project;
mod scaffold;
mod sources;
mod tool;

pub use error::{BuildError, CreateError};
pub use language::Language;
pub use name::BUILT_IN;
pub use project::{Build, Project};
pub use scaffold::{Sdk, create};
