//! The versions of the interface that a component may be made for: a file for each.
//!
//! A version's file has its generated types and their way to and from the public ones; the rest of
//! the crate speaks of calls that every version has. A later version gets a file beside these,
//! which turns its calls into the same ones, and an entry in [`SUPPORTED`]. So a component that was
//! made for an older version stays loadable, and its ops stay what they were.

pub(crate) mod v0_1_0;

use crate::error::LoadError;

/// What the names of the interface begin with; the version stands behind the `@`.
const PACKAGE: &str = "replicant:crdt/";

/// The versions that components may be made for, oldest first.
const SUPPORTED: [&str; 1] = [v0_1_0::VERSION];

/// Finds out for which version of the interface a component was made, by the names of what it
/// imports and exports.
///
/// # Errors
///
/// [`LoadError::UnsupportedVersion`] names the first that is of another version.
pub(crate) fn check<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<(), LoadError> {
    let ours = names.into_iter().filter(|name| name.starts_with(PACKAGE));
    let mut versions = ours.map(|name| (name, name.split_once('@').map_or("", |(_, of)| of)));
    match versions.find(|(_, version)| !SUPPORTED.contains(version)) {
        None => Ok(()),
        Some((name, _)) => Err(LoadError::UnsupportedVersion {
            found: name.clone(),
            supported: SUPPORTED.join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::{DELTA_BASED_INTERFACE, LOG_INTERFACE, OP_BASED_INTERFACE};

    #[test]
    fn the_version_of_a_component_is_recognised_and_another_is_named_with_those_there_are() {
        let check = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            super::check(&names)
        };
        assert_eq!(check(&["init", "x:y/z@9.0.0"]), Ok(()));
        assert_eq!(check(&[LOG_INTERFACE, OP_BASED_INTERFACE]), Ok(()));
        assert_eq!(check(&[DELTA_BASED_INTERFACE]), Ok(()));
        for found in [
            "replicant:crdt/op-based@0.2.0",
            "replicant:crdt/op-based@0.1.1",
            "replicant:crdt/op-based",
        ] {
            let error = check(&[LOG_INTERFACE, found]).unwrap_err().to_string();
            assert!(error.contains(found) && error.contains("0.1.0"), "{error}");
        }
    }
}
