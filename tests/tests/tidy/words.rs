//! What must not stand in the code: sources of non-determinism, leftovers, vague names.

use crate::source::{Source, exceptions, sources};

/// Not in protocol or guest code: the order of iteration, the clock and chance are inputs there.
const NOT_DETERMINISTIC: [&str; 7] = [
    "HashMap",
    "HashSet",
    "SystemTime",
    "Instant::now",
    "thread::spawn",
    "OsRng",
    "rand::rng(",
];

/// File names that say nothing of what is inside.
const VAGUE: [&str; 7] = [
    "util.rs",
    "utils.rs",
    "misc.rs",
    "helpers.rs",
    "common.rs",
    "stuff.rs",
    "v2.rs",
];

#[test]
fn protocol_and_guest_code_is_deterministic() {
    complain("deterministic", |source| {
        let bound = ["host/protocol/src/", "guest-sdk/src/", "crdts/"]
            .iter()
            .any(|root| source.path.starts_with(root));
        if !bound || source.path.ends_with("build.rs") || source.is_test() {
            return Vec::new();
        }
        found_in_code(source.without_tests(), &NOT_DETERMINISTIC)
    });
}

#[test]
fn nothing_is_left_over() {
    complain("left-over", |source| {
        if source.path.starts_with("tests/tests/tidy/") {
            return Vec::new();
        }
        found_in_code(
            &source.text,
            &["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("],
        )
    });
}

#[test]
fn unsafe_code_stands_only_where_it_is_on_record() {
    complain("unsafe", |source| {
        if source.path.starts_with("tests/tests/tidy/") {
            return Vec::new();
        }
        found_in_code(
            &source.text,
            &["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"],
        )
    });
}

#[test]
fn files_are_named_after_what_they_hold() {
    complain("vague-name", |source| {
        let name = source.path.rsplit('/').next().unwrap_or_default();
        if VAGUE.contains(&name) {
            vec![format!("`{name}` says nothing")]
        } else {
            Vec::new()
        }
    });
}

fn found_in_code(text: &str, words: &[&str]) -> Vec<String> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index, line.split("//").next().unwrap_or_default()))
        .filter_map(|(index, code)| {
            let word = words.iter().find(|word| code.contains(**word))?;
            Some(format!("line {}: {word}", index + 1))
        })
        .collect()
}

fn complain(rule: &str, check: impl Fn(&Source) -> Vec<String>) {
    let exceptions = exceptions();
    let mut complaints = Vec::new();
    for source in sources() {
        let found = check(&source);
        let allowed = exceptions
            .get(&(rule.to_owned(), source.path.clone()))
            .copied()
            .unwrap_or(0);
        if found.len() > allowed {
            complaints.push(format!(
                "{} ({allowed} allowed): {}",
                source.path,
                found.join("; ")
            ));
        } else if found.len() < allowed {
            complaints.push(format!(
                "{}: lower its exception to {}",
                source.path,
                found.len()
            ));
        }
    }
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}
