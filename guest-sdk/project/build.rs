//! Embeds what a new project consists of: the templates of this folder, and the SDKs that are
//! copied into projects, since nothing of Replicant is published.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The templates, each a folder in `templates`.
const TEMPLATES: [&str; 4] = ["rust", "js", "python", "c"];
/// The SDKs besides the one for Rust, each a folder in `guest-sdk`.
const SDKS: [&str; 3] = ["js", "python", "c"];

fn main() -> Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).canonicalize()?;
    let sdk = here.join("..").canonicalize()?;
    let root = sdk.join("..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut code = String::new();
    for name in TEMPLATES {
        let files = files_below(&here.join("templates").join(name))?;
        write_table(&mut code, name, &files)?;
    }
    let manifest = out.join("sdk-manifest.toml");
    fs::write(&manifest, stand_alone_manifest(&root, &sdk)?)?;
    let mut files = vec![("Cargo.toml".to_owned(), manifest)];
    files.extend(prefixed("src", files_below(&sdk.join("src"))?));
    files.extend(prefixed("wit", files_below(&sdk.join("wit"))?));
    write_table(&mut code, "rust-sdk", &files)?;
    for name in SDKS {
        let folder = sdk.join(name);
        write_table(&mut code, &format!("{name}-sdk"), &files_below(&folder)?)?;
        println!("cargo:rerun-if-changed={}", folder.display());
    }

    fs::write(out.join("embedded.rs"), code)?;
    println!(
        "cargo:rerun-if-changed={}",
        here.join("templates").display()
    );
    println!(
        "cargo:rerun-if-changed={}",
        sdk.join("Cargo.toml").display()
    );
    println!("cargo:rerun-if-changed={}", sdk.join("src").display());
    println!("cargo:rerun-if-changed={}", root.join("wit").display());
    println!(
        "cargo:rerun-if-changed={}",
        root.join("Cargo.toml").display()
    );
    Ok(())
}

fn prefixed(prefix: &str, files: Vec<(String, PathBuf)>) -> Vec<(String, PathBuf)> {
    let in_folder = |(name, path)| (format!("{prefix}/{name}"), path);
    files.into_iter().map(in_folder).collect()
}

fn write_table(code: &mut String, name: &str, files: &[(String, PathBuf)]) -> Result<()> {
    let constant = name.to_uppercase().replace('-', "_");
    writeln!(code, "pub(crate) const {constant}: &[File] = &[")?;
    for (name, path) in files {
        let path = path.to_str().ok_or("a path is no UTF-8")?;
        writeln!(
            code,
            "File {{ path: {name:?}, text: include_str!({path:?}) }},"
        )?;
    }
    writeln!(code, "];")?;
    Ok(())
}

/// The files of a folder, by path from there, without what builds leave behind.
fn files_below(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_left = [
            "target",
            "node_modules",
            "__pycache__",
            "Cargo.lock",
            "package-lock.json",
        ];
        if name.starts_with('.') || name.ends_with(".wasm") || is_left.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            found.extend(prefixed(&name, files_below(&path)?));
        } else {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The SDK's manifest as it reads outside of this workspace: what is inherited is filled in.
fn stand_alone_manifest(root: &Path, sdk: &Path) -> Result<String> {
    let workspace = fs::read_to_string(root.join("Cargo.toml"))?;
    let mut manifest = String::new();
    for line in fs::read_to_string(sdk.join("Cargo.toml"))?.lines() {
        if line == "[lints]" {
            break;
        }
        let inherited = [".workspace = true", " = { workspace = true }"];
        let key = inherited
            .iter()
            .find_map(|suffix| line.strip_suffix(suffix));
        match key {
            Some(key) => {
                let is_it = |line: &&str| line.starts_with(&format!("{key} = "));
                let line = workspace.lines().find(is_it);
                let line = line.ok_or_else(|| format!("the workspace has no {key}"))?;
                writeln!(manifest, "{line}")?;
            }
            None if line.contains("workspace") => {
                return Err(format!("not understood: {line}").into());
            }
            None => writeln!(manifest, "{line}")?,
        }
    }
    Ok(manifest.trim_end().to_owned() + "\n")
}
