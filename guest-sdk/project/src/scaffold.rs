//! Making the folder of a new project.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::embedded::File;
use crate::{CreateError, Language, name};

/// What the templates call the type, and every new project by its own name.
const PLACEHOLDER: &str = "my-type";
/// How the templates write the path of the SDK for Rust.
const SDK_PATH: &str = "path = \"sdk\"";

/// Where a project gets Replicant's SDK from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// A copy of its own in the folder `sdk`: the project needs nothing else of Replicant.
    Copied,
    /// The folder `guest-sdk` of a checkout (Rust only).
    Checkout(PathBuf),
}

/// Makes a folder with a new project; the type is named after it.
///
/// # Errors
///
/// [`CreateError`] says why not; then nothing was made.
pub fn create(folder: &Path, language: Language, sdk: &Sdk) -> Result<(), CreateError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if let Some(reason) = name::complaint(&name) {
        let name = name.escape_debug().to_string();
        return Err(CreateError::Name { name, reason });
    }
    let files = files(&name, language, sdk)?;
    let at = |reason| CreateError::File {
        path: folder.to_path_buf(),
        reason,
    };
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(CreateError::Exists {
                folder: folder.to_path_buf(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(CreateError::NoParent {
                parent: folder.parent().unwrap_or(folder).to_path_buf(),
                name: name.into_owned(),
            });
        }
        made => made.map_err(at)?,
    }
    write(folder, &files).map_err(|error| {
        // Whatever was made is of no use; why it was not made completely is what matters.
        let _ = fs::remove_dir_all(folder);
        at(error)
    })
}

/// Path and text of every file of a new project.
fn files(name: &str, language: Language, sdk: &Sdk) -> Result<Vec<(PathBuf, String)>, CreateError> {
    let mut files = Vec::new();
    for File { path, text } in language.template() {
        let path = PathBuf::from(path);
        let path = match path.file_name() {
            Some(name) if name == "gitignore" => path.with_file_name(".gitignore"),
            _ => path,
        };
        files.push((path, text.replace(PLACEHOLDER, name)));
    }
    match sdk {
        Sdk::Copied => {
            let into_sdk = |file: &File| (Path::new("sdk").join(file.path), file.text.to_owned());
            files.extend(language.sdk().iter().map(into_sdk));
        }
        Sdk::Checkout(sdk) => {
            let path = checked(sdk, language)?;
            for (_, text) in &mut files {
                *text = text.replace(SDK_PATH, &format!("path = {path:?}"));
            }
        }
    }
    Ok(files)
}

/// The full path of an SDK in a checkout, if it is one.
fn checked(sdk: &Path, language: Language) -> Result<String, CreateError> {
    let no_sdk = |reason: &str| CreateError::NoSdk {
        path: sdk.to_path_buf(),
        reason: reason.to_owned(),
    };
    if language != Language::Rust {
        return Err(no_sdk(
            "only projects in Rust can use the SDK of a checkout",
        ));
    }
    let manifest = fs::read_to_string(sdk.join("Cargo.toml")).unwrap_or_default();
    if !manifest.contains("name = \"replicant-sdk\"") {
        return Err(no_sdk(
            "it has no Cargo.toml of replicant-sdk; give CHECKOUT/guest-sdk",
        ));
    }
    let path = sdk
        .canonicalize()
        .map_err(|error| no_sdk(&error.to_string()))?;
    let path = path
        .to_str()
        .ok_or_else(|| no_sdk("its path is not UTF-8"))?;
    Ok(path.to_owned())
}

fn write(folder: &Path, files: &[(PathBuf, String)]) -> io::Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_project_has_its_name_and_all_that_it_needs() {
        for language in Language::ALL {
            let place = tempfile::tempdir().unwrap();
            let folder = place.path().join("marble-run");
            create(&folder, language, &Sdk::Copied).unwrap();
            let text = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
            assert!(text("README.md").starts_with("# marble-run\n"));
            assert!(text(".gitignore").contains("*.wasm"));
            assert!(text("sdk/wit/world.wit").contains("world op-type"));
            assert!(folder.join(language.marker()).is_file());
            for (path, text) in files("marble-run", language, &Sdk::Copied).unwrap() {
                let is_template = !path.starts_with("sdk");
                assert!(
                    !is_template || !text.contains(PLACEHOLDER),
                    "{}",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("taken");
        fs::write(&file, "mine").unwrap();
        let error = create(&file, Language::Rust, &Sdk::Copied).unwrap_err();
        assert!(matches!(error, CreateError::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        let error = create(place.path(), Language::Rust, &Sdk::Copied).unwrap_err();
        assert!(!matches!(error, CreateError::File { .. }), "{error}");
        let nowhere = place.path().join("no/such/folder");
        let error = create(&nowhere, Language::Rust, &Sdk::Copied).unwrap_err();
        assert!(matches!(error, CreateError::NoParent { .. }), "{error}");
        let within = file.join("folder");
        let error = create(&within, Language::Rust, &Sdk::Copied).unwrap_err();
        assert!(matches!(error, CreateError::File { .. }), "{error}");
    }

    #[test]
    fn the_sdk_of_a_checkout_is_used_in_place() {
        let place = tempfile::tempdir().unwrap();
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = place.path().join("one");
        create(&folder, Language::Rust, &Sdk::Checkout(sdk.clone())).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let sdk = sdk.canonicalize().unwrap();
        assert!(manifest.contains(&format!("path = {sdk:?}")), "{manifest}");
        assert!(!folder.join("sdk").exists());
        let other = place.path().join("two");
        let no_sdk = Sdk::Checkout(place.path().into());
        let error = create(&other, Language::Rust, &no_sdk).unwrap_err();
        assert!(matches!(error, CreateError::NoSdk { .. }), "{error}");
        assert!(!other.exists());
    }
}
