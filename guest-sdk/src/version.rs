//! Which versions of a type read each other's saved bytes.

use crate::LoadError;

/// Checks that bytes saved by version `saved_by` have the layout of version `own`: equal major
/// versions, and below 1.0 equal minor ones (Semantic Versioning 2.0.0, items 4 and 8). A build of
/// `replicant dev` counts as the version that it is a build of.
pub(crate) fn check_compatible(name: &str, own: &str, saved_by: &str) -> Result<(), LoadError> {
    let saved_by = without_build(saved_by);
    if own == saved_by || line(own).is_some_and(|line_of_own| line(saved_by) == Some(line_of_own)) {
        return Ok(());
    }
    Err(LoadError::new(format!(
        "{name} {own} cannot read what version {saved_by:?} saved: the versions are incompatible, \
         and the type has no migration from that one",
    )))
}

/// `0.1.0` of `0.1.0-dev.3`.
fn without_build(version: &str) -> &str {
    match version.rsplit_once("-dev.") {
        Some((release, build)) if build.parse::<u64>().is_ok() => release,
        _ => version,
    }
}

/// The part of a version that compatible versions have in common.
fn line(version: &str) -> Option<(u64, u64)> {
    if version.contains(['-', '+']) {
        return None;
    }
    let mut parts = version.split('.').map(|part| part.parse::<u64>().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    Some(if major == 0 { (0, minor) } else { (major, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatible_versions_read_each_other() {
        for (own, saved_by, readable) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.5", "0.1.0", true),
            ("0.2.0", "0.1.0", false),
            ("1.4.0", "1.2.9", true),
            ("2.0.0", "1.0.0", false),
            ("1.0.0-rc.1", "1.0.0", false),
            ("1.0.0-rc.1", "1.0.0-rc.1", true),
            ("1.0.0", "nonsense", false),
            ("0.1.0", "0.1.0-dev.12", true),
            ("0.1.1", "0.1.0-dev.12", true),
            ("0.2.0", "0.1.0-dev.12", false),
            ("0.1.0", "0.1.0-dev.x", false),
            ("1.0.0-rc.1", "1.0.0-rc.1-dev.2", true),
        ] {
            assert_eq!(
                check_compatible("t", own, saved_by).is_ok(),
                readable,
                "{own} {saved_by}"
            );
        }
    }
}
