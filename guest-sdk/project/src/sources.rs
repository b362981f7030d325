//! A copy of a project's sources for tools that see one folder only.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use crate::BuildError;

/// The most files that are copied: more are no project's own.
const FILES_MAX: usize = 10_000;
/// How deep folders are looked into.
const DEPTH_MAX: usize = 16;
/// Folders that hold what was installed or built.
const NOT_SOURCES: [&str; 3] = ["node_modules", "target", "__pycache__"];

/// Copies the files with this ending, and what links lead to in their place, into a fresh folder.
pub(crate) fn copy(from: &Path, ending: &str, to: &Path) -> Result<(), BuildError> {
    let at = |reason| BuildError::File {
        path: from.to_path_buf(),
        reason,
    };
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    let mut left = FILES_MAX;
    copy_folder(from, ending, to, DEPTH_MAX, &mut left).map_err(at)
}

fn copy_folder(
    from: &Path,
    ending: &str,
    to: &Path,
    depth: usize,
    left: &mut usize,
) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let shown = name.to_string_lossy();
        if shown.starts_with('.') || NOT_SOURCES.contains(&shown.as_ref()) {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                copy_folder(&path, ending, &to.join(name), depth - 1, left)?;
            }
        } else if path.extension() == Some(OsStr::new(ending)) {
            let too_many = || io::Error::other(format!("more than {FILES_MAX} files"));
            *left = left.checked_sub(1).ok_or_else(too_many)?;
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_copied_through_links_and_nothing_else_is() {
        let root = tempfile::tempdir().unwrap();
        let (from, sdk) = (root.path().join("project"), root.path().join("sdk"));
        for folder in [&from.join("deep"), &from.join("node_modules"), &sdk] {
            fs::create_dir_all(folder).unwrap();
        }
        for file in [
            "type.js",
            "deep/more.js",
            "node_modules/no.js",
            "read.me",
            ".no.js",
        ] {
            fs::write(from.join(file), file).unwrap();
        }
        fs::write(sdk.join("replicant.js"), "").unwrap();
        std::os::unix::fs::symlink("../sdk", from.join("sdk")).unwrap();
        // A circle ends.
        std::os::unix::fs::symlink("..", from.join("deep/up")).unwrap();
        let to = root.path().join("copy");
        fs::create_dir(&to).unwrap();
        fs::write(to.join("old.js"), "").unwrap();
        copy(&from, "js", &to).unwrap();
        for (file, is_there) in [
            ("type.js", true),
            ("deep/more.js", true),
            ("sdk/replicant.js", true),
            ("node_modules", false),
            ("read.me", false),
            (".no.js", false),
            ("old.js", false),
        ] {
            assert_eq!(to.join(file).exists(), is_there, "{file}");
        }
    }
}
