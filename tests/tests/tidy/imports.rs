//! Dependencies point one way: what each crate may use, and which modules never see each other.

use std::collections::BTreeSet;

use serde_json::Value;
use syn::visit::{self, Visit};

use crate::source::{repository, sources};

/// Crates that a crate of ours must never depend on, directly.
const NEVER: [(&str, &[&str]); 8] = [
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
            "replicant-simulator",
        ],
    ),
    (
        "replicant-runtime",
        &[
            "tokio",
            "replicant-protocol",
            "replicant",
            "redb",
            "axum",
            "replicant-simulator",
        ],
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
        &[
            "wasmtime",
            "replicant-cli",
            "clap",
            "anyhow",
            "replicant-simulator",
        ],
    ),
    (
        "replicant-simulator",
        &[
            "tokio",
            "wasmtime",
            "replicant-runtime",
            "replicant",
            "getrandom",
        ],
    ),
    (
        "replicant-cli",
        &["wasmtime", "redb", "snow", "replicant-runtime"],
    ),
];

/// Modules of the protocol crate that are layers beside each other, `circles`, which puts some of
/// them together, and `wire`, which alone sees them all.
const LAYERS: [&str; 10] = [
    "discovery",
    "membership",
    "broadcast",
    "content",
    "facts",
    "session",
    "replication",
    "topics",
    "circles",
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
        let Some(layer) = layer.filter(|layer| LAYERS[..8].contains(layer)) else {
            continue;
        };
        let is_at_root = !source.path["host/protocol/src/".len()..].contains('/');
        let used = used_of_crate(&source.text, is_at_root);
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
    let used = |text: &str| Vec::from_iter(used_of_crate(text, false));
    let used_at_root = |text: &str| Vec::from_iter(used_of_crate(text, true));
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
    assert_eq!(used_at_root("use super::content as c;"), ["content"]);
    assert_eq!(used_at_root("fn f(_: super::wire::Message) {}"), ["wire"]);
    assert_eq!(used_at_root("use self::part::Part;"), [] as [&str; 0]);
}

/// Modules of the standard library that lead out of the process, or to its time and threads.
const OUTSIDE: [&str; 6] = ["net", "thread", "fs", "process", "env", "time"];
/// What is in them and only a value.
const VALUES: [&str; 7] = [
    "Duration",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
];

#[test]
fn the_protocol_crate_names_no_socket_thread_file_or_clock() {
    let mut complaints = Vec::new();
    for source in sources() {
        if source.path.starts_with("host/protocol/src/") && !source.path.contains("tests") {
            let named = named_of_the_system(&source.text).into_iter();
            complaints.extend(named.map(|name| format!("{}: {name}", source.path)));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_way_to_name_the_system_is_seen() {
    let named = |text: &str| Vec::from_iter(named_of_the_system(text));
    assert_eq!(named("use std::net::TcpStream;"), ["net::TcpStream"]);
    assert_eq!(named("use std::{fs as f, fmt};"), ["fs"]);
    assert_eq!(
        named("fn f() { std::thread::scope(|_| ()); }"),
        ["thread::scope"]
    );
    assert_eq!(
        named("use std::time::{Duration, Instant};"),
        ["time::Instant"]
    );
    assert_eq!(
        named("type T = std::time::SystemTime;"),
        ["time::SystemTime"]
    );
    let values = "use std::{net::{IpAddr, SocketAddr}, time::Duration};";
    assert_eq!(named(values), [] as [&str; 0]);
}

/// The parts of the standard library in a file that a protocol must do without.
fn named_of_the_system(text: &str) -> BTreeSet<String> {
    let file = syn::parse_file(text).expect("the file parses");
    let mut used = Of::new("std");
    used.visit_file(&file);
    let outside = |it: &&(String, String)| {
        OUTSIDE.contains(&it.0.as_str()) && !VALUES.contains(&it.1.as_str())
    };
    let name = |it: &(String, String)| match it.1.as_str() {
        "" => it.0.clone(),
        inside => format!("{}::{inside}", it.0),
    };
    used.named.iter().filter(outside).map(name).collect()
}

/// The modules at the root of its own crate that a file names; for a file that lies at the root,
/// `super` leads there too.
fn used_of_crate(text: &str, is_at_root: bool) -> BTreeSet<String> {
    let file = syn::parse_file(text).expect("the file parses");
    let mut named = BTreeSet::new();
    for word in ["crate", "super"] {
        if word == "crate" || is_at_root {
            let mut used = Of::new(word);
            used.visit_file(&file);
            named.extend(used.named.into_iter().map(|(first, _)| first));
        }
    }
    named
}

/// What stands behind a word at the start of the paths of a file: the name behind it, and the one
/// behind that, or nothing.
struct Of {
    word: &'static str,
    named: BTreeSet<(String, String)>,
}

impl Of {
    fn new(word: &'static str) -> Self {
        let named = BTreeSet::new();
        Self { word, named }
    }

    fn add(&mut self, tree: &syn::UseTree, first: Option<&str>) {
        let name = match tree {
            syn::UseTree::Path(path) if first.is_none() => {
                return self.add(&path.tree, Some(&path.ident.to_string()));
            }
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add(tree, first));
            }
            syn::UseTree::Path(path) => path.ident.to_string(),
            syn::UseTree::Name(name) => name.ident.to_string(),
            syn::UseTree::Rename(name) => name.ident.to_string(),
            syn::UseTree::Glob(_) => "*".to_owned(),
        };
        self.named.insert(match first {
            Some(first) => (first.to_owned(), name),
            None => (name, String::new()),
        });
    }
}

impl<'ast> Visit<'ast> for Of {
    fn visit_use_path(&mut self, path: &'ast syn::UsePath) {
        if path.ident == self.word {
            self.add(&path.tree, None);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter().map(|it| it.ident.to_string());
        if segments.next().is_some_and(|first| first == self.word)
            && let Some(first) = segments.next()
        {
            self.named
                .insert((first, segments.next().unwrap_or_default()));
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
