//! Names of types, as a new project may have them.

/// The types that every node has. A component of the same name would stand in their way.
pub const BUILT_IN: [&str; 6] = [
    "g-counter",
    "lww-map",
    "lww-register",
    "or-set",
    "pn-counter",
    "text",
];

pub(crate) const NAME_BYTES_MAX: usize = 64;

/// Names that a Rust crate cannot have, or that would hide one that it needs.
const TAKEN_IN_RUST: [&str; 55] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "postcard",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "replicant-sdk",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "unsafe",
    "use",
    "where",
    "while",
];

/// Says what is wrong with a name; nothing if it will do.
pub(crate) fn complaint(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("it must start with a lower-case letter (a to z)".to_owned());
    }
    if let Some(other) = name.chars().find(|c| !allowed(*c)) {
        let escaped = other.escape_default();
        return Some(format!(
            "'{escaped}' is not allowed: lower-case letters, digits and '-' are"
        ));
    }
    if name.ends_with('-') || name.contains("--") {
        return Some("each '-' must stand between letters or digits".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        let length = name.len();
        return Some(format!(
            "it has {length} characters, and {NAME_BYTES_MAX} is the most"
        ));
    }
    if BUILT_IN.contains(&name) {
        return Some("a type of this name ships with Replicant".to_owned());
    }
    if TAKEN_IN_RUST.contains(&name) {
        return Some("a word of Rust, or a crate that is needed, has this name".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_type_can_have_pass() {
        for name in ["a", "score-board", "b2", &"a".repeat(64)] {
            assert_eq!(complaint(name), None, "{name}");
        }
    }

    #[test]
    fn every_other_name_is_refused_with_its_reason() {
        for (name, reason) in [
            ("", "start with"),
            ("2a", "start with"),
            ("Score", "start with"),
            ("-a", "start with"),
            ("score_board", "'_' is not allowed"),
            ("scoreBoard", "'B' is not allowed"),
            ("a\nb", "'\\n' is not allowed"),
            ("a\u{202e}", "'\\u{202e}' is not allowed"),
            ("a-", "between"),
            ("a--b", "between"),
            (&"a".repeat(65), "65 characters"),
            ("or-set", "ships with"),
            ("fn", "word of Rust"),
            ("serde", "word of Rust"),
        ] {
            let told = complaint(name).unwrap_or_default();
            assert!(told.contains(reason), "{name}: {told}");
        }
    }
}
