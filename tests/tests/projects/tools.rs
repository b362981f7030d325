//! Tools of other languages, which come from registries: got once into the folder that the tests'
//! projects lie in, where `replicant build` finds them.
//!
//! Where a registry cannot be reached, tests that need it say so and pass; `make test` ends with
//! what was skipped. `REPLICANT_TOOLS=required` makes that a failure.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::place;

/// What is got from a registry.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tools {
    JavaScript,
    Python,
    C,
}

impl Tools {
    fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// Sees to it that the tools are there. False: they are not, and the test cannot be done.
    pub(crate) fn are_there(self) -> bool {
        let root = place(".");
        let lock = File::create(root.join("lock")).unwrap();
        // The tests run at once, each in a process of its own.
        lock.lock().unwrap();
        let note = root.join(format!("{}.skipped", self.name()));
        let got = match self {
            Self::JavaScript => self.get_from_npm(&root),
            Self::Python | Self::C => self.get_from_pypi(&root),
        };
        let Err(reason) = got else {
            let _ = fs::remove_file(note);
            return true;
        };
        let told = format!("skipped: projects in {}: {reason}", self.name());
        let is_required = std::env::var("REPLICANT_TOOLS").is_ok_and(|value| value == "required");
        assert!(!is_required, "{told}");
        println!("{told}");
        fs::write(note, format!("{told}\n")).unwrap();
        false
    }

    /// What a new project of the language asks for.
    fn wanted(self, file: &str) -> PathBuf {
        let templates =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/project/templates");
        templates.join(self.name()).join(file)
    }

    fn get_from_npm(self, root: &Path) -> Result<(), String> {
        let wanted = self.wanted("package.json");
        let have = root.join("package.json");
        if is_same(&wanted, &have) && root.join("node_modules/.bin/componentize-qjs").is_file() {
            return Ok(());
        }
        fs::copy(&wanted, &have).unwrap();
        let arguments = "install --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000";
        let mut npm = Command::new("npm");
        run(npm.args(arguments.split(' ')).current_dir(root)).inspect_err(|_| {
            // Or the next run would take it for done.
            let _ = fs::remove_file(&have);
        })
    }

    fn get_from_pypi(self, root: &Path) -> Result<(), String> {
        let wanted = self.wanted("requirements.txt");
        let have = root.join(format!("{}.requirements.txt", self.name()));
        let pip = root.join(".venv/bin/pip");
        if is_same(&wanted, &have) && pip.is_file() {
            return Ok(());
        }
        if !pip.is_file() {
            run(Command::new("python3")
                .args(["-m", "venv", ".venv"])
                .current_dir(root))?;
        }
        let arguments = "install --disable-pip-version-check --retries=1 --timeout=20 -r";
        run(Command::new(pip).args(arguments.split(' ')).arg(&wanted))?;
        fs::copy(&wanted, &have)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    fs::read(one).ok() == fs::read(other).ok()
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ran = command.stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("{program}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!("{program}: {}", last.unwrap_or("no reason given")))
}
