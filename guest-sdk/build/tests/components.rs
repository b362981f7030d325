//! Crates that become components, and crates that do not.

use std::path::Path;
use std::{fs, io};

use replicant_guest_build::{BuildError, Component, Options, build};

fn build_crate(folder: &Path) -> Result<Component, BuildError> {
    let mut components = build(folder, &[], &Options::detect()?)?;
    assert_eq!(components.len(), 1);
    Ok(components.remove(0))
}

/// A crate without dependencies.
fn crate_with(library: &str) -> io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let manifest = "[package]\nname = \"small\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(folder.path().join("Cargo.toml"), manifest)?;
    fs::create_dir(folder.path().join("src"))?;
    fs::write(folder.path().join("src/lib.rs"), library)?;
    Ok(folder)
}

#[test]
fn a_users_crate_becomes_a_component_and_is_not_built_again() {
    let poll = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/poll");
    let component = build_crate(&poll).unwrap();
    assert_eq!(component.package, "poll");
    let written = || fs::metadata(&component.path).unwrap().modified().unwrap();
    let first = written();
    assert_eq!(
        &fs::read(&component.path).unwrap()[..8],
        b"\0asm\x0d\0\x01\0"
    );
    assert_eq!(build_crate(&poll).unwrap(), component);
    assert_eq!(written(), first);
}

#[test]
fn no_path_of_this_machine_is_in_a_component() {
    let poll = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/poll");
    let bytes = fs::read(build_crate(&poll).unwrap().path).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let root = root.to_str().unwrap().as_bytes();
    assert!(!bytes.windows(root.len()).any(|window| window == root));
}

#[test]
fn crates_of_one_name_are_told_apart() {
    let poll = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/poll");
    let first = build_crate(&poll).unwrap();
    let namesake = crate_with("//! Nothing.\n").unwrap();
    let manifest = fs::read_to_string(poll.join("Cargo.toml")).unwrap();
    let sdk = poll.join("../../guest-sdk").canonicalize().unwrap();
    let manifest = manifest.replace("../../guest-sdk", sdk.to_str().unwrap());
    fs::write(namesake.path().join("Cargo.toml"), manifest).unwrap();
    let error = build_crate(namesake.path()).unwrap_err();
    assert!(
        matches!(&error, BuildError::NoType { package } if package == "poll"),
        "{error}"
    );
    assert_eq!(build_crate(&poll).unwrap(), first);
    assert!(first.path.is_file());
}

#[test]
fn a_library_without_a_type_is_told_what_it_lacks() {
    let folder = crate_with("//! Nothing.\n").unwrap();
    let error = build_crate(folder.path()).unwrap_err();
    assert!(
        matches!(&error, BuildError::NoType { package } if package == "small"),
        "{error}"
    );
}

#[test]
fn a_crate_that_does_not_compile_is_named() {
    let folder = crate_with("fn broken( {}\n").unwrap();
    let error = build_crate(folder.path()).unwrap_err();
    assert!(matches!(&error, BuildError::Compile { .. }), "{error}");
    assert!(
        error.to_string().contains(folder.path().to_str().unwrap()),
        "{error}"
    );
}
