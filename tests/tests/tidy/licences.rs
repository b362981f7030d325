//! Every dependency may be used under a licence that goes with Apache-2.0.

use crate::imports::cargo_metadata;

const ACCEPTED: [&str; 14] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[test]
fn every_dependency_has_an_accepted_licence() {
    let metadata = cargo_metadata(&[]);
    let packages = metadata["packages"].as_array().unwrap();
    assert!(
        packages.len() > 50,
        "the metadata lists the dependencies too"
    );
    let mut complaints = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none given");
        if !is_accepted(licence) {
            complaints.push(format!("{name}: {licence}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Reads an SPDX expression without nested parentheses: all `AND` terms must be accepted, of each
/// `OR` group one.
fn is_accepted(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    if expression.contains('(') {
        // `(A OR B) AND C`: every licence named must be accepted, which is stricter.
        return plain.split(" AND ").all(|term| {
            term.split(" OR ")
                .any(|licence| ACCEPTED.contains(&licence.trim()))
        });
    }
    plain.split(" OR ").any(|choice| {
        choice
            .split(" AND ")
            .all(|licence| ACCEPTED.contains(&licence.trim()))
    })
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    assert!(is_accepted("MIT OR Apache-2.0"));
    assert!(is_accepted("GPL-3.0 OR MIT"));
    assert!(is_accepted("(MIT OR GPL-3.0) AND Unicode-3.0"));
    assert!(!is_accepted("GPL-3.0"));
    assert!(!is_accepted("MIT AND GPL-3.0"));
    assert!(!is_accepted("none given"));
}
