//! The Rust files of the repository, and the exceptions that are on record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders that hold code of our own.
const ROOTS: [&str; 5] = ["host", "guest-sdk", "crdts", "tests", "examples"];

pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
    }

    /// The file without its trailing `#[cfg(test)] mod … { … }`.
    pub(crate) fn without_tests(&self) -> &str {
        match self.text.find("#[cfg(test)]\nmod ") {
            Some(at) => &self.text[..at],
            None => &self.text,
        }
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for root in ROOTS {
        collect(&repository(), &repository().join(root), &mut found);
    }
    assert!(
        found.len() > 20,
        "only {} source files found: is the layout as expected?",
        found.len()
    );
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" {
            collect(root, &path, found);
        } else if name.ends_with(".rs") {
            let relative = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            found.push(Source {
                path: relative,
                text: std::fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// `rule path limit` lines of the exceptions file, as (rule, path) → limit.
pub(crate) fn exceptions() -> BTreeMap<(String, String), usize> {
    let text = std::fs::read_to_string(repository().join("tests/tidy-exceptions.txt")).unwrap();
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(
                words.len() > 3,
                "an exception wants `rule path limit reason`: {line}"
            );
            (
                (words[0].to_owned(), words[1].to_owned()),
                words[2].parse().unwrap(),
            )
        })
        .collect()
}
