//! Builds the types of this folder into components, for `src/lib.rs` to embed.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use replicant_guest_build::{BuildError, Component, Options, TARGET_FOLDER_VARIABLE, build};

/// The types, each a folder beside this one and a package `replicant-NAME`.
const TYPES: [&str; 5] = ["g-counter", "lww-register", "or-set", "pn-counter", "text"];

fn main() -> Result<(), Box<dyn Error>> {
    let crdts = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?)
        .join("..")
        .canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    watch(&crdts);
    let options = match Options::detect() {
        Ok(options) => options,
        Err(error) => explain(&error),
    };
    let mut list = String::from("&[\n");
    for name in TYPES {
        let component = match build_type(&crdts, name, &options) {
            Ok(component) => component,
            Err(error) => explain(&error),
        };
        let file = format!("{name}.wasm");
        fs::copy(&component.path, out.join(&file))?;
        writeln!(
            list,
            "BuiltIn {{ name: {name:?}, \
             bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\")) }},"
        )?;
    }
    list.push(']');
    fs::write(out.join("all.rs"), list)?;
    Ok(())
}

fn build_type(crdts: &Path, name: &str, options: &Options) -> Result<Component, BuildError> {
    let package = format!("replicant-{name}");
    let mut components = build(crdts, &[&package], options)?;
    components
        .pop()
        .ok_or(BuildError::NoModule { what: package })
}

/// Cargo runs this again when one of these has changed.
fn watch(crdts: &Path) {
    let sdk = crdts.join("../guest-sdk");
    let mut paths = vec![
        sdk.join("src"),
        sdk.join("Cargo.toml"),
        crdts.join("../wit"),
        crdts.join("../Cargo.lock"),
    ];
    paths.extend(TYPES.map(|name| crdts.join(name)));
    for path in paths {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    for name in [
        "REPLICANT_GUEST_RUSTC",
        "REPLICANT_GUEST_CARGO",
        TARGET_FOLDER_VARIABLE,
    ] {
        println!("cargo:rerun-if-env-changed={name}");
    }
}

/// Ends with the reason in plain words, not as the debug output of an error.
fn explain(error: &BuildError) -> ! {
    eprintln!("\n{error}\n");
    std::process::exit(1);
}
