//! Builds the types of this folder into components, for `src/lib.rs` to embed.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use replicant_guest_build::{BuildError, Options, TARGET_FOLDER_VARIABLE, build};

/// The types, each a folder beside this one and a package `replicant-NAME`.
const TYPES: [&str; 6] = [
    "g-counter",
    "lww-map",
    "lww-register",
    "or-set",
    "pn-counter",
    "text",
];

fn main() -> Result<(), Box<dyn Error>> {
    let crdts = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?)
        .join("..")
        .canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    watch(&crdts);
    let packages = TYPES.map(|name| format!("replicant-{name}"));
    let built = Options::detect()
        .and_then(|options| build(&crdts, &packages.each_ref().map(String::as_str), &options));
    let components = match built {
        Ok(components) => components,
        Err(error) => {
            // In plain words, not as the debug output of an error.
            eprintln!("\n{error}\n");
            if matches!(error, BuildError::NoToolchain { .. }) {
                eprintln!("`make toolchain` tries the first two.\n");
            }
            std::process::exit(1);
        }
    };
    let mut list = String::from("&[\n");
    for (name, component) in TYPES.iter().zip(components) {
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
