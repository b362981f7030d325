//! Python: the interpreter with the project's code in it, by the PyPI package `componentize-py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::at;
use crate::{BuildError, sources, tool};

const CONVERTER: &str = ".venv/bin/componentize-py";

pub(crate) fn build(
    folder: &Path,
    suffix: Option<&str>,
    tell: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let converter = match tool::find_above(folder, CONVERTER) {
        Some(found) => found,
        None => {
            install(folder, tell)?;
            tool::find_above(folder, CONVERTER).ok_or_else(|| BuildError::Missing {
                what: "componentize-py, in requirements.txt,".to_owned(),
                get: vec!["echo componentize-py==0.25.1 >> requirements.txt".to_owned()],
            })?
        }
    };
    let target = folder.join("target");
    let staged = target.join("sources");
    sources::copy(folder, "py", &staged)?;
    if let Some(suffix) = suffix {
        let module = staged.join("sdk/build.py");
        fs::write(&module, format!("BUILD = {suffix:?}\n")).map_err(at(&module))?;
    }
    let component = target.join("component.wasm");
    tell("putting the interpreter and your code into a component");
    let mut command = Command::new(converter);
    command
        .arg("--quiet")
        .arg("--wit-path")
        .arg(folder.join("sdk/wit"));
    command.args(["--world", "op-type", "componentize", "--stub-wasi"]);
    command
        .arg("--python-path")
        .arg(&staged)
        .arg("--python-path")
        .arg(staged.join("sdk"));
    command.args(["component", "--output"]).arg(&component);
    tool::run(&mut command)?;
    Ok(component)
}

/// Makes the virtual environment of a project and installs what it asks for.
pub(crate) fn install(folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let python = tool::find("python3").ok_or_else(|| BuildError::Missing {
        what: "Python (python3)".to_owned(),
        get: vec!["on Debian: apt-get install python3 python3-venv".to_owned()],
    })?;
    tell("installing what requirements.txt names into .venv, with pip");
    let mut make = Command::new(python);
    tool::run(make.args(["-m", "venv", ".venv"]).current_dir(folder)).map_err(|error| {
        BuildError::Missing {
            what: format!("a virtual environment ({error})"),
            get: vec!["on Debian: apt-get install python3-venv".to_owned()],
        }
    })?;
    let mut pip = Command::new(folder.join(".venv/bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    tool::run(
        pip.arg("--requirement")
            .arg(folder.join("requirements.txt")),
    )
    .map(drop)
}
