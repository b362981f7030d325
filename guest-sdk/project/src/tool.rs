//! Finding and running the tools of other languages.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::BuildError;

/// What a tool said is told to the end, and of a long talk the end.
const OUTPUT_BYTES_MAX: usize = 16 << 10;

/// Finds a program on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Finds a file in a folder or in one above it: projects beside each other can share their tools.
pub(crate) fn find_above(folder: &Path, file: &str) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let mut above = folder.ancestors().map(|folder| folder.join(file));
    above.find(|path| path.is_file() && is_trusted(path, &folder))
}

/// What somebody else put into a folder above is not ours to run: only what belongs to whom the
/// project belongs to, or to the system.
#[cfg(unix)]
fn is_trusted(file: &Path, project: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let owner = |found: std::io::Result<std::fs::Metadata>| found.ok().map(|it| it.uid());
    let of_file = owner(std::fs::symlink_metadata(file));
    of_file == Some(0) || of_file.is_some() && of_file == owner(std::fs::metadata(project))
}

#[cfg(not(unix))]
fn is_trusted(_file: &Path, _project: &Path) -> bool {
    true
}

/// Runs a tool to its end and returns what it said.
///
/// # Errors
///
/// [`BuildError::Tool`] if it could not be started or did not succeed.
pub(crate) fn run(command: &mut Command) -> Result<String, BuildError> {
    let name = Path::new(command.get_program()).file_name();
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    let failed = |output| BuildError::Tool { name, output };
    let ran = match command.stdin(Stdio::null()).output() {
        Ok(ran) => ran,
        Err(error) => return Err(failed(error.to_string())),
    };
    let said = [ran.stdout, ran.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    match ran.status.success() {
        true => Ok(said),
        false => Err(failed(format!("{}\n{}", ran.status, ending(&said)))),
    }
}

/// What a program prints, if it succeeds.
pub(crate) fn ask(program: &Path, arguments: &[&str]) -> Option<String> {
    run(Command::new(program).args(arguments)).ok()
}

/// The end of a text, whole lines.
fn ending(text: &str) -> &str {
    let Some(begin) = text.len().checked_sub(OUTPUT_BYTES_MAX) else {
        return text;
    };
    let line = text.as_bytes()[begin..]
        .iter()
        .position(|byte| *byte == b'\n');
    let begin = line.map_or(text.len(), |line| begin + line + 1);
    text.get(begin..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_fails_is_quoted() {
        let mut shell = Command::new("sh");
        let error = run(shell.args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err();
        let told = error.to_string();
        for word in ["sh failed", "exit status: 3", "out", "err"] {
            assert!(told.contains(word), "{told}");
        }
        let error = run(&mut Command::new("/nowhere/tool")).unwrap_err();
        assert!(error.to_string().starts_with("tool failed"), "{error}");
    }

    #[test]
    fn of_a_long_talk_the_last_lines_are_told() {
        let talk = "a line\n".repeat(OUTPUT_BYTES_MAX);
        let told = ending(&talk);
        assert!(told.len() <= OUTPUT_BYTES_MAX && told.starts_with("a line\n"));
        assert_eq!(ending("short"), "short");
    }

    #[test]
    fn tools_of_a_folder_above_are_found() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(find_above(&deep, "tool-of-a-test"), None);
        std::fs::write(root.path().join("tool-of-a-test"), "").unwrap();
        let found = find_above(&deep, "tool-of-a-test").unwrap();
        assert_eq!(found, root.path().join("tool-of-a-test"));
    }
}
