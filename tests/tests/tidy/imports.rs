//! Dependencies point one way: what each crate may use, and which modules never see each other.

use serde_json::Value;

use crate::source::{repository, sources};

/// Crates that a crate of ours must never depend on, directly.
const NEVER: [(&str, &[&str]); 5] = [
    (
        "replicant-protocol",
        &[
            "tokio",
            "wasmtime",
            "redb",
            "axum",
            "replicant",
            "replicant-runtime",
            "getrandom",
        ],
    ),
    (
        "replicant-runtime",
        &["tokio", "replicant-protocol", "replicant", "redb", "axum"],
    ),
    (
        "replicant-sdk",
        &[
            "tokio",
            "replicant-protocol",
            "replicant-runtime",
            "replicant",
        ],
    ),
    (
        "replicant",
        &["wasmtime", "replicant-cli", "clap", "anyhow"],
    ),
    (
        "replicant-cli",
        &["wasmtime", "redb", "snow", "replicant-runtime"],
    ),
];

/// Modules of the protocol crate that are layers beside each other: only `wire` sees them all.
const LAYERS: [&str; 5] = [
    "membership",
    "broadcast",
    "content",
    "session",
    "replication",
];

#[test]
fn crates_depend_only_downwards() {
    let metadata = cargo_metadata(&["--no-deps"]);
    let mut complaints = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some((_, never)) = NEVER.iter().find(|(of, _)| *of == name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            if dependency["kind"].is_null() && never.contains(&used) {
                complaints.push(format!("{name} depends on {used}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn protocol_layers_do_not_import_each_other() {
    let mut complaints = Vec::new();
    for source in sources() {
        for layer in LAYERS {
            let inside = format!("host/protocol/src/{layer}");
            let other = LAYERS.iter().filter(|other| **other != layer);
            if !source.path.starts_with(&inside) {
                continue;
            }
            for other in other.filter(|other| source.text.contains(&format!("crate::{other}"))) {
                complaints.push(format!("{}: {layer} imports {other}", source.path));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

pub(crate) fn cargo_metadata(arguments: &[&str]) -> Value {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON")
}
