//! Checks what a component says of itself.

use crate::error::LoadError;
use crate::fault::Grouped;
use crate::values::Description;

const NAME_BYTES_MAX: usize = 64;
const VERSION_BYTES_MAX: usize = 64;
const SUMMARY_BYTES_MAX: usize = 4 << 10;
const SCHEMA_BYTES_MAX: usize = 64 << 10;
const READS_MAX: usize = 256;

/// Refuses a description that breaks a rule of `types.wit`, and puts `reads` in order.
///
/// # Errors
///
/// [`LoadError::Description`] names the field and the rule.
pub(crate) fn check(mut description: Description) -> Result<Description, LoadError> {
    if !is_type_name(&description.name) {
        return Err(wrong(
            "name",
            "must be 1 to 64 lower-case letters, digits and `-`, starting with a letter",
        ));
    }
    let version = &description.version;
    if version.len() > VERSION_BYTES_MAX {
        return Err(too_long("version", version.len(), VERSION_BYTES_MAX));
    }
    if let Err(error) = semver::Version::parse(version) {
        return Err(wrong(
            "version",
            &format!("is not a semantic version: {error}"),
        ));
    }
    check_text("summary", &description.summary, SUMMARY_BYTES_MAX)?;
    for (field, schema) in [
        ("command-schema", &description.command_schema),
        ("query-schema", &description.query_schema),
        ("value-schema", &description.value_schema),
        ("event-schema", &description.event_schema),
    ] {
        check_text(field, schema, SCHEMA_BYTES_MAX)?;
    }
    if description.reads.len() > READS_MAX {
        return Err(too_long("reads", description.reads.len(), READS_MAX));
    }
    description.reads.sort_unstable();
    description.reads.dedup();
    if !description.reads.contains(&description.writes) {
        return Err(wrong(
            "writes",
            "is not among the versions that `reads` names",
        ));
    }
    Ok(description)
}

/// Whether `name` is `[a-z][a-z0-9-]{0,63}`.
fn is_type_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn check_text(field: &'static str, text: &str, bytes_max: usize) -> Result<(), LoadError> {
    if text.len() > bytes_max {
        return Err(too_long(field, text.len(), bytes_max));
    }
    let forbidden = |character: char| character.is_control() && !"\n\r\t".contains(character);
    if text.contains(forbidden) {
        return Err(wrong(field, "contains control characters"));
    }
    Ok(())
}

fn too_long(field: &'static str, size: usize, max: usize) -> LoadError {
    let (size, max) = (Grouped(size as u64), Grouped(max as u64));
    wrong(field, &format!("is {size} long (limit {max})"))
}

fn wrong(field: &'static str, reason: &str) -> LoadError {
    LoadError::Description {
        field,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Description {
        Description {
            name: "or-set".to_owned(),
            version: "1.2.3-rc.1+build".to_owned(),
            summary: "A set.\nAdd wins.".to_owned(),
            command_schema: "{}".to_owned(),
            query_schema: "{}".to_owned(),
            value_schema: "{}".to_owned(),
            event_schema: "{}".to_owned(),
            writes: 2,
            reads: vec![2, 1, 2],
        }
    }

    /// The field that is complained of after `change`.
    fn complaint(change: impl FnOnce(&mut Description)) -> Option<&'static str> {
        let mut description = good();
        change(&mut description);
        match check(description) {
            Err(LoadError::Description { field, .. }) => Some(field),
            _ => None,
        }
    }

    #[test]
    fn a_good_description_passes_and_its_versions_are_ordered() {
        assert_eq!(check(good()).unwrap().reads, [1, 2]);
        assert_eq!(complaint(|d| d.name = "a".repeat(64)), None);
        assert_eq!(
            complaint(|d| d.summary = "x".repeat(SUMMARY_BYTES_MAX)),
            None
        );
    }

    #[test]
    fn each_broken_rule_is_named() {
        for name in [
            "",
            "Set",
            "1a",
            "-a",
            "a_b",
            "a/b",
            "ä",
            "a\0",
            &"a".repeat(65),
        ] {
            assert_eq!(
                complaint(|d| d.name = name.to_owned()),
                Some("name"),
                "{name:?}"
            );
        }
        for version in ["", "1", "1.2", "v1.2.3", "1.2.3 ", &"1".repeat(200)] {
            let found = complaint(|d| d.version = version.to_owned());
            assert_eq!(found, Some("version"), "{version:?}");
        }
        let long = "x".repeat(SCHEMA_BYTES_MAX + 1);
        assert_eq!(complaint(|d| d.summary = long.clone()), Some("summary"));
        assert_eq!(
            complaint(|d| d.summary = "\u{1b}[2J".to_owned()),
            Some("summary")
        );
        assert_eq!(
            complaint(|d| d.event_schema = long.clone()),
            Some("event-schema")
        );
        assert_eq!(complaint(|d| d.reads = vec![1]), Some("writes"));
        assert_eq!(complaint(|d| d.reads = vec![]), Some("writes"));
        assert_eq!(complaint(|d| d.reads = vec![2; 257]), Some("reads"));
    }
}
