//! Where things lie.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::TARGET_FOLDER_VARIABLE;

/// The target folder that all builds of guests share.
pub(crate) fn shared_target_folder() -> PathBuf {
    if let Some(folder) = env::var_os(TARGET_FOLDER_VARIABLE) {
        return absolute(folder.into());
    }
    let build = env::var_os("OUT_DIR").map(PathBuf::from);
    let build = build.as_deref().and_then(cargo_target_folder);
    let own = || cargo_target_folder(&env::current_exe().ok()?);
    absolute(shared(build, env::var_os(CARGO_VARIABLE), own))
}

/// In the target folder of the Cargo that runs this program as a build script, in the one that
/// Cargo is told to use, or in that of the Cargo that built this program.
fn shared(
    build: Option<PathBuf>,
    told: Option<OsString>,
    own: impl FnOnce() -> Option<PathBuf>,
) -> PathBuf {
    let folder = build.or_else(|| named(told)).or_else(own);
    folder.unwrap_or_else(|| "target".into()).join("guests")
}

/// What Cargo builds into, if it is told so.
const CARGO_VARIABLE: &str = "CARGO_TARGET_DIR";

/// The folder that a variable names; one that is empty is as good as none.
fn named(variable: Option<OsString>) -> Option<PathBuf> {
    variable
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
}

/// The target folder of a project that shares it with nobody.
pub(crate) fn target_folder_of(directory: &Path) -> PathBuf {
    match env::var_os(TARGET_FOLDER_VARIABLE) {
        Some(folder) => absolute(folder.into()),
        None => {
            let own = || Some(directory.join("target"));
            absolute(shared(None, env::var_os(CARGO_VARIABLE), own))
        }
    }
}

/// Cargo runs in another folder than this program, where a relative path would lead elsewhere.
fn absolute(folder: PathBuf) -> PathBuf {
    std::path::absolute(&folder).unwrap_or(folder)
}

/// The target folder of Cargo that `path` lies in: Cargo tags its root, once.
fn cargo_target_folder(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_path_buf)
}

/// The folder of Replicant's own sources, if this program was built from them.
pub(crate) fn own_sources() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
}

/// The folder in which Cargo keeps the sources of dependencies.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_a_target_folder_of_its_own_wherever_this_program_runs() {
        let folder = target_folder_of(Path::new("some/project"));
        assert!(folder.is_absolute(), "{}", folder.display());
        let variables = [TARGET_FOLDER_VARIABLE, CARGO_VARIABLE];
        let is_set = variables
            .into_iter()
            .any(|name| env::var_os(name).is_some());
        assert!(is_set || folder.ends_with("some/project/target/guests"));
    }

    /// A program that was built from sources wrote into their folder `target`, whatever Cargo was
    /// told.
    #[test]
    fn what_cargo_is_told_goes_before_where_this_program_was_built() {
        let told = |folder: &str| Some(OsString::from(folder));
        let own = || Some(PathBuf::from("own"));
        let is = |folder: PathBuf, at: &str| assert_eq!(folder, Path::new(at));
        is(
            shared(Some("build".into()), told("told"), own),
            "build/guests",
        );
        is(shared(None, told("told"), own), "told/guests");
        is(shared(None, told(""), own), "own/guests");
        is(shared(None, None, || None), "target/guests");
    }

    #[test]
    fn the_target_folder_is_the_one_that_cargo_tagged() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("debug/build/x/out");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(root.path().join("CACHEDIR.TAG"), "").unwrap();
        assert_eq!(cargo_target_folder(&deep).as_deref(), Some(root.path()));
    }
}
