//! Finds the module among what Cargo says that it built.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::BuildError;
use crate::command::what;

/// A core module that Cargo built.
pub(crate) struct Built {
    /// The name of the package.
    pub(crate) package: String,
    /// Where the module lies.
    pub(crate) module: PathBuf,
}

/// Reads Cargo's messages. The last library for WebAssembly is the one that was asked for:
/// dependencies come before it, and are no `cdylib`s.
pub(crate) fn find_module(
    messages: &[u8],
    package: Option<&str>,
    directory: &Path,
) -> Result<Built, BuildError> {
    String::from_utf8_lossy(messages)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter_map(|message| module_of(&message))
        .next_back()
        .ok_or_else(|| BuildError::NoModule {
            what: what(package, directory),
        })
}

fn module_of(message: &Value) -> Option<Built> {
    if message.get("reason")? != "compiler-artifact" {
        return None;
    }
    let files = message
        .get("filenames")?
        .as_array()?
        .iter()
        .filter_map(Value::as_str);
    let module = files
        .map(PathBuf::from)
        .find(|file| file.extension() == Some("wasm".as_ref()))?;
    Some(Built {
        package: package_name(message.get("package_id")?.as_str()?)?,
        module,
    })
}

/// The name in a package id: `path+file:///a/name#0.1.0` or `path+file:///a/b#name@0.1.0`.
fn package_name(id: &str) -> Option<String> {
    let (place, fragment) = id.rsplit_once('#')?;
    let name = match fragment.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next()?,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_id_names_its_package() {
        let name = |id| package_name(id).unwrap();
        assert_eq!(name("path+file:///src/poll#0.1.0"), "poll");
        assert_eq!(
            name("path+file:///src/crdts/or-set#replicant-or-set@0.1.0"),
            "replicant-or-set"
        );
    }

    #[test]
    fn the_last_module_is_the_one_that_was_asked_for() {
        let messages = br#"
        {"reason":"compiler-artifact","package_id":"path+file:///a#0.1","filenames":["/t/a.rlib"]}
        {"reason":"compiler-artifact","package_id":"path+file:///b#0.1","filenames":["/t/b.wasm"]}
        {"reason":"build-finished","success":true}
        "#;
        let built = find_module(messages, None, Path::new("/b")).unwrap();
        assert_eq!(
            (built.package.as_str(), built.module),
            ("b", PathBuf::from("/t/b.wasm"))
        );
        assert!(matches!(
            find_module(b"", None, Path::new("/b")),
            Err(BuildError::NoModule { what }) if what == "/b"
        ));
    }
}
