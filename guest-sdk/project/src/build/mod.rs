//! How a project becomes a component, a file for each language.

pub(crate) mod c;
pub(crate) mod javascript;
pub(crate) mod python;
pub(crate) mod rust;
