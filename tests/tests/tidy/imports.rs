//! Dependencies point one way: what each crate may use, and which modules never see each other.

use std::collections::BTreeSet;

use serde_json::Value;
use syn::visit::{self, Visit};

use crate::source::{repository, sources};

/// Crates that a crate of ours must never depend on, directly.
const NEVER: [(&str, &[&str]); 7] = [
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
        "replicant-check",
        &["tokio", "wasmtime", "replicant-protocol", "replicant"],
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
        "replicant-project",
        &["tokio", "wasmtime", "replicant-runtime", "replicant"],
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

/// Modules of the protocol crate that are layers beside each other, and `wire`, which alone sees
/// them all.
const LAYERS: [&str; 6] = [
    "membership",
    "broadcast",
    "content",
    "session",
    "replication",
    "wire",
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
        let inside = source.path.strip_prefix("host/protocol/src/");
        let layer = inside.and_then(|path| path.split(['/', '.']).next());
        let Some(layer) = layer.filter(|layer| LAYERS[..5].contains(layer)) else {
            continue;
        };
        let used = used_of_crate(&source.text);
        let others = LAYERS.iter().filter(|other| **other != layer);
        for other in others.chain([&"*"]) {
            if used.contains(*other) {
                complaints.push(format!("{}: {layer} imports {other}", source.path));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_way_to_name_a_layer_is_seen() {
    let used = |text: &str| used_of_crate(text).into_iter().collect::<Vec<_>>();
    assert_eq!(used("use crate::content::Part;"), ["content"]);
    assert_eq!(used("use crate::{ids, wire as w};"), ["ids", "wire"]);
    assert_eq!(used("use crate::{self, a::{b, c}, *};"), ["*", "a", "self"]);
    assert_eq!(
        used("fn f() -> crate::session::Peer { todo() }"),
        ["session"]
    );
    assert_eq!(
        used("type T = Vec<crate::broadcast::Flood>;"),
        ["broadcast"]
    );
    assert_eq!(
        used("use super::content; // crate::session"),
        [] as [&str; 0]
    );
}

/// The modules at the root of its own crate that a file names.
fn used_of_crate(text: &str) -> BTreeSet<String> {
    let file = syn::parse_file(text).expect("the file parses");
    let mut used = OfCrate::default();
    used.visit_file(&file);
    used.0
}

#[derive(Default)]
struct OfCrate(BTreeSet<String>);

impl OfCrate {
    fn add(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => drop(self.0.insert(path.ident.to_string())),
            syn::UseTree::Name(name) => drop(self.0.insert(name.ident.to_string())),
            syn::UseTree::Rename(name) => drop(self.0.insert(name.ident.to_string())),
            syn::UseTree::Glob(_) => drop(self.0.insert("*".to_owned())),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(tree)),
        }
    }
}

impl<'ast> Visit<'ast> for OfCrate {
    fn visit_use_path(&mut self, path: &'ast syn::UsePath) {
        if path.ident == "crate" {
            self.add(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter().map(|segment| &segment.ident);
        if segments.next().is_some_and(|first| first == "crate") {
            self.0.extend(segments.next().map(ToString::to_string));
        }
        visit::visit_path(self, path);
    }
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
