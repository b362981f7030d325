//! How a project becomes a component, a file for each language.

pub(crate) mod rust;
