//! JavaScript: QuickJS with the project's code in it, by the npm package `componentize-qjs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::at;
use crate::{BuildError, sources, tool};

/// What npm installs, as a file below the folder of a project.
const CONVERTER: &str = "node_modules/.bin/componentize-qjs";
/// The module that exports `opBased`, if `package.json` does not name another.
const MAIN: &str = "type.js";

pub(crate) fn build(
    folder: &Path,
    suffix: Option<&str>,
    tell: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    if tool::find("node").is_none() {
        return Err(missing("Node.js (node)"));
    }
    let converter = converter(folder, tell)?;
    let main = main_module(folder)?;
    let target = folder.join("target");
    let staged = target.join("sources");
    sources::copy(folder, "js", &staged)?;
    if let Some(suffix) = suffix {
        let module = staged.join("sdk/build.js");
        let text = format!("export const BUILD = {suffix:?};\n");
        fs::write(&module, text).map_err(at(&module))?;
    }
    let component = target.join("component.wasm");
    let mut command = Command::new(converter);
    command
        .arg("--wit")
        .arg(folder.join("sdk/wit"))
        .args(["--world", "op-type"]);
    command
        .arg("--js")
        .arg(staged.join(main))
        .arg("--module-root")
        .arg(&staged);
    // Neither WASI nor asynchronous calls: a component has nothing to wait for.
    command
        .args(["--sync", "--stub-wasi", "--output"])
        .arg(&component);
    tool::run(&mut command)?;
    Ok(component)
}

/// Where the converter lies; it is installed first if it is not there.
fn converter(folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    if let Some(found) = tool::find_above(folder, CONVERTER) {
        return Ok(found);
    }
    let npm = tool::find("npm").ok_or_else(|| missing("npm"))?;
    tell("installing what package.json names into node_modules, with npm");
    let mut install = Command::new(npm);
    install.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]);
    tool::run(install.current_dir(folder))?;
    tool::find_above(folder, CONVERTER).ok_or_else(|| BuildError::Missing {
        what: "componentize-qjs, among the devDependencies of package.json,".to_owned(),
        get: vec!["npm install --save-dev componentize-qjs".to_owned()],
    })
}

fn missing(what: &str) -> BuildError {
    BuildError::Missing {
        what: what.to_owned(),
        get: vec![
            "on Debian: apt-get install nodejs npm".to_owned(),
            "elsewhere: Node.js 18 or later, which brings npm".to_owned(),
        ],
    }
}

fn main_module(folder: &Path) -> Result<PathBuf, BuildError> {
    let path = folder.join("package.json");
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    let package: Value = serde_json::from_str(&text).map_err(|error| BuildError::Manifest {
        path,
        reason: error.to_string(),
    })?;
    Ok(package["main"].as_str().unwrap_or(MAIN).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_the_module() {
        let folder = tempfile::tempdir().unwrap();
        let main = |text: &str| {
            fs::write(folder.path().join("package.json"), text).unwrap();
            main_module(folder.path())
        };
        assert_eq!(main(r#"{"main": "a/b.js"}"#).unwrap(), Path::new("a/b.js"));
        assert_eq!(main("{}").unwrap(), Path::new(MAIN));
        let error = main("{").unwrap_err();
        assert!(matches!(error, BuildError::Manifest { .. }), "{error}");
    }
}
