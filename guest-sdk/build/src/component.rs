//! Wraps a core module as a component.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::artifact::Built;
use crate::{BuildError, Options, error::at};

/// What the exports of every Replicant type start with.
const EXPORT_PREFIX: &str = "replicant:crdt/";

/// Where the component of a module goes. Packages of one name in two folders do not share it.
pub(crate) fn place(built: &Built, directory: &Path, options: &Options) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    directory
        .canonicalize()
        .unwrap_or_else(|_| directory.into())
        .hash(&mut hasher);
    let file = format!("{}-{:016x}.wasm", built.package, hasher.finish());
    options.target_folder.join("components").join(file)
}

/// Writes the component of a module to `path`, unless it is there already.
pub(crate) fn write(built: &Built, path: &Path) -> Result<(), BuildError> {
    let module = fs::read(&built.module).map_err(at(&built.module))?;
    let bytes = encode(&built.package, &module)?;
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    // Another build may read or write the file at the same time.
    let fresh = path.with_extension(format!("{}.fresh", std::process::id()));
    fs::write(&fresh, bytes).map_err(at(&fresh))?;
    fs::rename(&fresh, path).map_err(at(path))
}

/// Wraps a core module.
pub(crate) fn encode(package: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    if !exports_type(module) {
        return Err(BuildError::NoType {
            package: package.to_owned(),
        });
    }
    let encoded = ComponentEncoder::default().validate(true).module(module);
    encoded
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| BuildError::Encode {
            package: package.to_owned(),
            reason: format!("{error:#}"),
        })
}

fn exports_type(module: &[u8]) -> bool {
    Parser::new(0)
        .parse_all(module)
        .any(|payload| match payload {
            Ok(Payload::ExportSection(exports)) => exports
                .into_iter()
                .flatten()
                .any(|export| export.name.starts_with(EXPORT_PREFIX)),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_a_type_is_named() {
        let empty = b"\0asm\x01\0\0\0";
        let error = encode("poll", empty).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("poll exports no Replicant type"),
            "{error}"
        );
    }
}
